package abi

import "unsafe"

//go:wasmimport wrapper:hook/sidecar@0.1.0 known
func sidecarKnown(result unsafe.Pointer)

//go:wasmimport wrapper:hook/sidecar@0.1.0 lateness
func sidecarLateness(result unsafe.Pointer)

// SidecarKnown is the case of the variant in WIT, and the text of all but the first.
func SidecarKnown() (presence uint8, why string) {
	result := ask(sidecarKnown)
	defer asking.Unlock()
	if presence = tag(result, 0); presence != 0 {
		why = stringAt(result, 4)
	}
	return
}

// SidecarLateness is in milliseconds, after the job's start and after its end.
func SidecarLateness() (start, end uint64) {
	result := ask(sidecarLateness)
	defer asking.Unlock()
	return long(result, 0), long(result, 8)
}
