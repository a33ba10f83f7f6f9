// Package beforestart makes a program, by being imported, a hook that acts before the job is started.
package beforestart

import (
	"errors"
	"unsafe"

	"notify/hook/internal/abi"
)

var hook = func() error { return errors.New("the plugin does not call beforestart.Run in an init function") }

// Run says what runs before the job is started. It is to be called in an init function: main does not run. The error
// that run returns, or its panic, is logged, and the job is not started.
func Run(run func() error) { hook = run }

//go:wasmexport wrapper:hook/before-start@0.1.0#run
func export() unsafe.Pointer { return abi.Result(func() error { return hook() }) }
