//! The variables that the hook may see: those named `HOOK_…`, and those granted to it with `env=NAME`.

use crate::bindings::wasi::cli::environment;

/// All of them: name, value.
pub fn vars() -> Vec<(String, String)> {
    environment::get_environment()
}

/// The value of a variable. None where it is unset, or empty, which counts as unset.
pub fn var(name: &str) -> Option<String> {
    vars().into_iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value)
}
