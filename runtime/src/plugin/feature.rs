//! What a valid component asks of WebAssembly that this wrapper does not run. A validator that is told of less than there is says
//! only that something is not valid.

use wasmtime::wasmparser::{Validator, WasmFeatures};

/// Features that plugins do ask for, as their languages call them.
const NAMES: [(WasmFeatures, &str); 10] = [
    (WasmFeatures::EXCEPTIONS, "exceptions"),
    (WasmFeatures::LEGACY_EXCEPTIONS, "exceptions"),
    (WasmFeatures::GC, "garbage collection"),
    (WasmFeatures::THREADS, "threads"),
    (WasmFeatures::SHARED_EVERYTHING_THREADS, "threads"),
    (WasmFeatures::CM_THREADING, "threads"),
    (WasmFeatures::STACK_SWITCHING, "stack switching"),
    (WasmFeatures::CM_ASYNC, ASYNC),
    (WasmFeatures::CM_ASYNC_STACKFUL, ASYNC),
    (WasmFeatures::CM_MORE_ASYNC_BUILTINS, ASYNC),
];

/// What WASI 0.3 needs.
pub const ASYNC: &str = "asynchronous functions";

/// The features, if a component is valid with all that the validator knows, and not without these.
pub fn needed(component: &[u8]) -> Vec<&'static str> {
    let is_valid = |features| Validator::new_with_features(features).validate_all(component).is_ok();
    // Each of its own, and other features that depend on it are no reason.
    let all = WasmFeatures::all();
    if !is_valid(all) {
        return Vec::new();
    }
    let mut needed: Vec<_> =
        NAMES.into_iter().filter(|(feature, _)| !is_valid(all.difference(*feature))).map(|(_, name)| name).collect();
    needed.dedup();
    needed
}
