package abi

// The levels of Log.
const (
	Debug uint32 = iota
	Info
	Warn
	Error
)

// Log writes one line.
//
//go:wasmimport wrapper:hook/log@0.1.0 log
func Log(level uint32, message string)
