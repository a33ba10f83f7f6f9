// Package afterexit makes a program, by being imported, a hook that acts when the job has ended.
package afterexit

import (
	"errors"
	"unsafe"

	"notify/hook/internal/abi"
)

var hook = func(abi.ExitStatus) error {
	return errors.New("the plugin does not call afterexit.Run in an init function")
}

// Run says what runs when the job has ended, also where it never started. It is to be called in an init function: main
// does not run. The error that run returns, or its panic, is logged; the job's exit code stays what it was, unless the
// user asked for failures to count.
func Run(run func(status abi.ExitStatus) error) { hook = run }

//go:wasmexport wrapper:hook/after-exit@0.1.0#run
func export(kind, first, second uint32) unsafe.Pointer {
	return abi.Result(func() error { return hook(abi.Status(kind, first, second)) })
}
