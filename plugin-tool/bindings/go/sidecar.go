package hook

import (
	"time"

	"notify/hook/internal/abi"
)

// Presence tells whether the pod has the sidecar that the plugin speaks with.
type Presence uint8

// What Sidecar returns.
const (
	Unknown Presence = iota // Nobody says.
	Absent                  // The user says that there is none.
	Present                 // The user says that there is one, or a before-start hook of this run found it ready.
)

// Sidecar returns whether the pod has the sidecar, by the variable HOOK_<NAME>_SIDECAR of the plugin NAME. The text tells
// who says so, as a clause such as "HOOK_ISTIO_SIDECAR is empty"; it is empty if nobody does.
func Sidecar() (presence Presence, why string) {
	known, why := abi.SidecarKnown()
	return Presence(known), why
}

// Lateness is how late a sidecar may start if nobody says whether it exists: after the job's start, and after the job's
// end. The later of the two moments counts.
func Lateness() (afterStart, afterEnd time.Duration) {
	start, end := abi.SidecarLateness()
	return milliseconds(start), milliseconds(end)
}
