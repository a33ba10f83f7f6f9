//! What is known of the sidecar that the plugin speaks with: a closed port alone does not tell a pod without a sidecar from a
//! pod whose sidecar starts late.

use crate::bindings::wrapper::hook::sidecar;
pub use sidecar::Presence;
use std::time::Duration;

/// Whether the pod has the sidecar, by the variable `HOOK_<NAME>_SIDECAR`, `HOOK_SIDECAR`, or a before-start hook of this run
/// that found it ready. The text inside tells who says so: `HOOK_ISTIO_SIDECAR is empty`.
pub fn presence() -> Presence {
    sidecar::known()
}

/// How late the sidecar may start if nobody says whether there is one: after the job's start, and after the job's end. The later
/// of the two moments counts.
pub fn lateness() -> (Duration, Duration) {
    let (start, end) = sidecar::lateness();
    (Duration::from_millis(start), Duration::from_millis(end))
}
