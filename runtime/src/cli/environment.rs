//! The variables: which there are, what an option has to do with one, and which look like one that is mistyped.

use crate::process;
use std::{
    ffi::{OsStr, OsString},
    fmt::Display,
    os::unix::ffi::OsStrExt as _,
    sync::OnceLock,
};

/// What the names of all begin with.
const PREFIX: &str = "WRAPPER_";

/// The variables that the wrapper reads.
pub(super) const VARIABLES: [&str; 14] = [
    "WRAPPER_PLUGIN_PATH",
    "WRAPPER_HOOK_TIMEOUT",
    "WRAPPER_START_TIMEOUT",
    "WRAPPER_ON_HOOK_FAILURE",
    "WRAPPER_GROUP",
    "WRAPPER_SUBREAPER",
    "WRAPPER_PDEATHSIG",
    "WRAPPER_MAP_EXIT",
    "WRAPPER_GRACE",
    "WRAPPER_WAIT_ALL",
    "WRAPPER_CACHE",
    "WRAPPER_REPORT",
    "WRAPPER_LOG_FORMAT",
    "WRAPPER_LOG",
];

/// What the environment has for the wrapper. Looked for once: a C library would go through all of it for each name.
fn own() -> &'static [(String, OsString)] {
    static OWN: OnceLock<Vec<(String, OsString)>> = OnceLock::new();
    let own = |entry: &[u8]| {
        let at = entry.starts_with(PREFIX.as_bytes()).then(|| entry.iter().position(|byte| *byte == b'='))??;
        Some((String::from_utf8(entry[..at].to_vec()).ok()?, OsStr::from_bytes(&entry[at + 1..]).to_owned()))
    };
    OWN.get_or_init(|| process::environment().filter_map(own).collect())
}

/// The value of one of the wrapper's own variables.
pub(super) fn variable(name: &str) -> Option<OsString> {
    own().iter().find(|(own, _)| own == name).map(|(_, value)| value.clone())
}

/// The option's value, or else the variable's.
pub(super) fn setting<T, E: Display>(
    option: Option<T>,
    variable: &str,
    text: &impl Fn(&str) -> Result<Option<String>, String>,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Option<T>, String> {
    match (option, text(variable)?) {
        (None, Some(value)) => parse(&value).map(Some).map_err(|error| format!("{variable}: {error}")),
        (option, _) => Ok(option),
    }
}

/// Whether a switch is on, by option or by variable.
pub(super) fn switch(
    option: bool,
    variable: &str,
    text: &impl Fn(&str) -> Result<Option<String>, String>,
) -> Result<bool, String> {
    let parse = |value: &str| match value.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "0" | "false" | "no" | "off" => Ok(false),
        _ => Err(format!("'{value}' is neither true nor false")),
    };
    Ok(setting(option.then_some(true), variable, text, parse)?.unwrap_or(false))
}

/// Warns of variables that are one typo away from one that the wrapper reads. Others are left alone: for a Service named
/// `wrapper` Kubernetes sets `WRAPPER_SERVICE_HOST` and the like.
pub fn warn_of_typos() {
    for (name, _) in own() {
        if let Some(meant) = meant(name) {
            tracing::warn!("{name} is not a variable of the wrapper; is {meant} meant?");
        }
    }
}

/// The variable of the wrapper from which this name is one typo away.
pub fn meant(name: &str) -> Option<&'static str> {
    if !name.starts_with(PREFIX) || VARIABLES.contains(&name) {
        return None;
    }
    match name {
        // What the options' own names lead to.
        "WRAPPER_LOG_LEVEL" => Some("WRAPPER_LOG"),
        "WRAPPER_PLUGIN" | "WRAPPER_PLUGINS" => Some("WRAPPER_PLUGIN_PATH"),
        _ => VARIABLES.into_iter().find(|known| strsim::osa_distance(name, known) == 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_one_typo_away_is_noticed_and_a_services_is_not() {
        assert_eq!(meant("WRAPPER_HOOK_TIMOUT"), Some("WRAPPER_HOOK_TIMEOUT"));
        assert_eq!(meant("WRAPPER_PLUGINS_PATH"), Some("WRAPPER_PLUGIN_PATH"));
        assert_eq!(meant("WRAPPER_LOG_LEVEL"), Some("WRAPPER_LOG"));
        assert_eq!(meant("WRAPPER_PLUGIN"), Some("WRAPPER_PLUGIN_PATH"));
        assert_eq!(meant("WRAPPER_SERVICE_HOST"), None);
        assert_eq!(meant("WRAPPER_LOG"), None);
        assert_eq!(meant("PATH"), None);
    }
}
