package abi

import (
	"path"
	"runtime"
	"strconv"
	"strings"
	"unsafe"
)

// What the host reads when a hook has returned.
var (
	outcome  [3]uint32
	sentence []byte
)

// Result runs a hook and lays out what it returned. A panic becomes an error that says where it was.
func Result(run func() error) unsafe.Pointer {
	outcome = [3]uint32{}
	if failure := recovered(run); failure != "" {
		sentence = append(sentence[:0], failure...)
		outcome = [3]uint32{1, uint32(uintptr(unsafe.Pointer(&sentence[0]))), uint32(len(sentence))}
	}
	return unsafe.Pointer(&outcome)
}

func recovered(run func() error) (failure string) {
	defer func() {
		if value := recover(); value != nil {
			failure = "panic: " + describe(value) + where()
		}
	}()
	if err := run(); err != nil {
		if failure = err.Error(); failure == "" {
			failure = "an error without a text"
		}
	}
	return
}

// The text of a panic, without fmt, which a plugin may do without.
func describe(value any) string {
	switch value := value.(type) {
	case error:
		return value.Error()
	case string:
		return value
	case interface{ String() string }:
		return value.String()
	case int:
		return strconv.Itoa(value)
	default:
		return "a value that is no text"
	}
}

// Where the panic was: the first function below it that is not the runtime's.
func where() string {
	var counters [32]uintptr
	frames := runtime.CallersFrames(counters[:runtime.Callers(3, counters[:])])
	for {
		frame, more := frames.Next()
		if frame.Function != "" && !strings.HasPrefix(frame.Function, "runtime.") {
			return " at " + path.Base(frame.File) + ":" + strconv.Itoa(frame.Line)
		}
		if !more {
			return ""
		}
	}
}
