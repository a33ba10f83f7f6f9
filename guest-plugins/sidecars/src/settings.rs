//! What the user may say of a plugin: `HOOK_ISTIO_QUIT_RETRY` of this one, `HOOK_QUIT_RETRY` of all of its kind.
//!
//! What is wrong in a setting that has a default is said, and the default is used: a sidecar that nobody asks to quit keeps
//! its pod for ever.

use std::time::Duration;
use wrapper_hook::{env, log};

/// The keys that are known.
const KEYS: [&str; 6] = ["URL", "METHOD", "HEADERS", "STATUS", "RETRY", "WAIT"];

/// The variables of one plugin.
pub struct Settings {
    /// `HOOK_ISTIO_QUIT_`, and `HOOK_QUIT_`.
    prefixes: [String; 2],
}

impl Settings {
    /// Those of the plugin of this name and kind. Names that look like one of them and are none are pointed out.
    pub fn new(plugin: &str, kind: &str) -> Self {
        let own = format!("HOOK_{}_", plugin.to_ascii_uppercase().replace('-', "_"));
        for (name, _) in env::vars() {
            if name.strip_prefix(&own).is_some_and(|key| !KEYS.contains(&key)) {
                log::warn!("{name} is not known; after {own} there are {}", KEYS.join(", "));
            }
        }
        Self { prefixes: [own, format!("HOOK_{kind}_")] }
    }

    /// The name of a variable of this plugin.
    pub fn name(&self, key: &str) -> String {
        format!("{}{key}", self.prefixes[0])
    }

    /// What is said of this very plugin, if it can be understood.
    pub fn own<T>(&self, key: &str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        value(&self.name(key), parse)
    }

    /// A duration, which may be said of all of its kind.
    pub fn duration(&self, key: &str) -> Option<Duration> {
        self.prefixes.iter().find_map(|prefix| value(&format!("{prefix}{key}"), duration))
    }
}

/// The value of a variable, if it has one that can be understood.
pub fn value<T>(name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
    parse(&env::var(name)?).inspect_err(|error| log::warn!("{name}: {error}; the default is used")).ok()
}

/// `3s`.
pub fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| format!("'{text}' is not a duration; write it as 3s or 500ms"))
}
