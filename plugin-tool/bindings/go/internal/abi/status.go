package abi

import (
	"strconv"
	"strings"
	"unsafe"
)

// The cases of the variant in WIT, in order.
const (
	exited = iota
	signaled
	notStarted
)

// ExitStatus tells how the job ended.
type ExitStatus struct {
	kind, code uint8
	why        string
}

// Exited returns the exit code, where the job exited by itself.
func (s ExitStatus) Exited() (code int, ok bool) { return int(s.code), s.kind == exited }

// Signaled returns the number of the signal, where one killed the job.
func (s ExitStatus) Signaled() (signal int, ok bool) { return int(s.code), s.kind == signaled }

// NotStarted returns the reason, where the job never ran.
func (s ExitStatus) NotStarted() (why string, ok bool) { return s.why, s.kind == notStarted }

// Success tells whether the job exited with 0.
func (s ExitStatus) Success() bool { return s.kind == exited && s.code == 0 }

// String is such as "exited 3", "was killed by signal 9" or "did not start: WHY".
func (s ExitStatus) String() string {
	switch s.kind {
	case exited:
		return "exited " + strconv.Itoa(int(s.code))
	case signaled:
		return "was killed by signal " + strconv.Itoa(int(s.code))
	default:
		return "did not start: " + s.why
	}
}

// Status is the parameter of the export after-exit.
func Status(kind, first, second uint32) ExitStatus {
	if kind == notStarted {
		return ExitStatus{kind: notStarted, why: strings.Clone(unsafe.String((*byte)(at(first)), second))}
	}
	return ExitStatus{kind: uint8(kind), code: uint8(first)}
}
