package abi

import (
	"runtime"
	"unsafe"
)

//go:wasmimport wrapper:hook/localhost@0.1.0 send
func send(method string, port uint32, path string, fields unsafe.Pointer, count uint32, body unsafe.Pointer,
	size uint32, limited uint32, milliseconds uint32, result unsafe.Pointer)

//go:wasmimport wrapper:hook/localhost@0.1.0 send-for-head
func sendForHead(method string, port uint32, path string, fields unsafe.Pointer, count uint32, body unsafe.Pointer,
	size uint32, limited uint32, milliseconds uint32, result unsafe.Pointer)

//go:wasmimport wrapper:hook/localhost@0.1.0 send-to
func sendTo(address string, method string, port uint32, path string, fields unsafe.Pointer, count uint32,
	body unsafe.Pointer, size uint32, limited uint32, milliseconds uint32, result unsafe.Pointer)

//go:wasmimport wrapper:hook/localhost@0.1.0 send-for-status
func sendForStatus(address string, method string, port uint32, path string, fields unsafe.Pointer, count uint32,
	body unsafe.Pointer, size uint32, limited uint32, milliseconds uint32, result unsafe.Pointer)

// Request is one HTTP request.
type Request struct {
	Address      string // Of SendTo and SendForStatus.
	Method       string
	Port         uint16
	Path         string
	Header       [][2]string
	Body         []byte
	Limited      bool // Whether Milliseconds counts.
	Milliseconds int64
}

// Answer is the response, or the failure to get one.
type Answer struct {
	Status  uint16
	Header  [][2]string
	Body    []byte
	Failure uint8
	Why     string // A sentence, of Denied and Other.
}

// The failures. All but None are one more than the case of the error in WIT.
const (
	None uint8 = iota
	Denied
	Refused
	Closed
	TimedOut
	TooLarge
	Other
)

// There is a function for each of the contract's, because Go's linker drops an import that nothing calls, and a wrapper
// rejects a plugin with an import that the wrapper does not have.

// Send makes a request.
func Send(request Request) Answer { return exchange(request, send) }

// SendForHead makes a request, and its answer has no body.
func SendForHead(request Request) Answer { return exchange(request, sendForHead) }

// SendTo makes a request to one address.
func SendTo(request Request) Answer { return exchange(request, toAddress(request.Address, sendTo)) }

// SendForStatus makes a request to one address, and its answer has the beginning of the body.
func SendForStatus(request Request) Answer {
	return exchange(request, toAddress(request.Address, sendForStatus))
}

// What the contract's functions have in common.
type function = func(method string, port uint32, path string, fields unsafe.Pointer, count uint32, body unsafe.Pointer,
	size uint32, limited uint32, milliseconds uint32, result unsafe.Pointer)

func toAddress(address string, call func(address string, method string, port uint32, path string, fields unsafe.Pointer,
	count uint32, body unsafe.Pointer, size uint32, limited uint32, milliseconds uint32, result unsafe.Pointer)) function {
	return func(method string, port uint32, path string, fields unsafe.Pointer, count uint32, body unsafe.Pointer,
		size uint32, limited uint32, milliseconds uint32, result unsafe.Pointer) {
		call(address, method, port, path, fields, count, body, size, limited, milliseconds, result)
	}
}

func exchange(request Request, call function) Answer {
	var pinner runtime.Pinner
	defer pinner.Unpin()
	fields := lower(request.Header, &pinner)
	var limited, milliseconds uint32
	if request.Limited {
		limited, milliseconds = 1, uint32(min(request.Milliseconds, 1<<32-1))
	}
	result := ask(func(result unsafe.Pointer) {
		call(request.Method, uint32(request.Port), request.Path, unsafe.Pointer(&fields[0]), uint32(len(request.Header)),
			unsafe.Pointer(unsafe.SliceData(request.Body)), uint32(len(request.Body)), limited, milliseconds, result)
	})
	defer asking.Unlock()
	return lift(result)
}

// The list of header fields as addresses and lengths. The host reads through the addresses, of which Go knows nothing,
// so all that they lead to is pinned.
func lower(header [][2]string, pinner *runtime.Pinner) []uint32 {
	fields := make([]uint32, 4*len(header)+1) // One more, so that there is a first.
	pinner.Pin(&fields[0])
	for i, field := range header {
		for j, text := range field {
			copied := append([]byte(text), 0)
			pinner.Pin(&copied[0])
			fields[4*i+2*j], fields[4*i+2*j+1] = uint32(uintptr(unsafe.Pointer(&copied[0]))), uint32(len(text))
		}
	}
	return fields
}

func lift(result unsafe.Pointer) (answer Answer) {
	if tag(result, 0) == 1 {
		answer.Failure = tag(result, 4) + 1
		if answer.Failure == Denied || answer.Failure == Other {
			answer.Why = stringAt(result, 8)
		}
		return
	}
	answer.Status = short(result, 4)
	list := at(word(result, 8))
	for i := range int(word(result, 12)) {
		answer.Header = append(answer.Header, [2]string{stringAt(list, 16*i), stringAt(list, 16*i+8)})
	}
	answer.Body = bytesAt(result, 16)
	return
}
