// Package abi is what the other packages stand on: the functions that the wrapper offers, as the canonical ABI of the
// component model lays them out, and the memory that their results are written to. The contract behind it is the WIT
// package wrapper:hook@0.1.0.
package abi

import (
	"strings"
	"sync"
	"unsafe"
)

// The host asks for the memory that it writes a result to. Go's own allocator will not do: it may start a collection or
// another goroutine, either may call the host, and a guest must not do that while it hands out memory. So it is here, as
// large as the largest response of 4 MiB. What is not touched costs nothing.
const (
	kept   = 256 << 10                // For a hook's parameters, and for what puts WASI preview 1 upon 0.2.
	atMost = 4<<20 + 64<<10 + 16<<10  // For a response: its body, its head, and the list of its fields.
	word64 = unsafe.Sizeof(uint64(0)) // What the memory is made of, so that it is aligned.
)

var (
	keptMemory [kept / word64]uint64
	keptUsed   uintptr
	callMemory [atMost / word64]uint64
	callUsed   uintptr
	inCall     bool

	// Who asks holds it until the result is copied: to copy is to allocate, and that may let other goroutines run.
	asking sync.Mutex
	result [4]uint64
)

// Asks the host for what it writes to memory. It lies there until the caller unlocks `asking`.
func ask(call func(result unsafe.Pointer)) unsafe.Pointer {
	asking.Lock()
	callUsed, inCall = 0, true
	call(unsafe.Pointer(&result))
	inCall = false
	return unsafe.Pointer(&result)
}

// It must not grow the stack, as it runs in the middle of a call to the host.
//
//go:wasmexport cabi_realloc
//go:nosplit
func realloc(_ unsafe.Pointer, _, align, size uint32) unsafe.Pointer {
	memory, used, limit := unsafe.Pointer(&keptMemory), &keptUsed, uintptr(kept)
	if inCall {
		memory, used, limit = unsafe.Pointer(&callMemory), &callUsed, uintptr(atMost)
	}
	start := (*used + uintptr(align) - 1) &^ (uintptr(align) - 1)
	if start+uintptr(size) > limit {
		*(*byte)(nil) = 0 // The host sends no more than that. A panic would need memory.
	}
	*used = start + uintptr(size)
	return unsafe.Add(memory, start)
}

func at(address uint32) unsafe.Pointer { return unsafe.Add(unsafe.Pointer(nil), address) }

func tag(base unsafe.Pointer, offset int) uint8 { return *(*uint8)(unsafe.Add(base, offset)) }

func short(base unsafe.Pointer, offset int) uint16 { return *(*uint16)(unsafe.Add(base, offset)) }

func word(base unsafe.Pointer, offset int) uint32 { return *(*uint32)(unsafe.Add(base, offset)) }

func long(base unsafe.Pointer, offset int) uint64 { return *(*uint64)(unsafe.Add(base, offset)) }

// A copy of the list of bytes whose address and length are at `offset`.
func bytesAt(base unsafe.Pointer, offset int) []byte {
	return append([]byte{}, unsafe.Slice((*byte)(at(word(base, offset))), word(base, offset+4))...)
}

// A copy of the string whose address and length are at `offset`.
func stringAt(base unsafe.Pointer, offset int) string {
	return strings.Clone(unsafe.String((*byte)(at(word(base, offset))), word(base, offset+4)))
}
