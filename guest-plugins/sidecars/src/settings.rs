//! What the user may say of a plugin: `HOOK_ISTIO_QUIT_RETRY` of this one, `HOOK_QUIT_RETRY` of all of its kind.

use std::time::Duration;
use wrapper_hook::env;

/// The variables of one plugin.
pub struct Settings {
    /// `HOOK_ISTIO_QUIT_`, and `HOOK_QUIT_`.
    prefixes: [String; 2],
}

impl Settings {
    /// Those of the plugin of this name and kind.
    pub fn new(plugin: &str, kind: &str) -> Self {
        Self { prefixes: [format!("HOOK_{}_", plugin.to_ascii_uppercase().replace('-', "_")), format!("HOOK_{kind}_")] }
    }

    /// The name of a variable of this plugin.
    pub fn name(&self, key: &str) -> String {
        format!("{}{key}", self.prefixes[0])
    }

    /// What is said of this very plugin.
    pub fn own<T>(&self, key: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, String> {
        value(self.name(key), parse)
    }

    /// A duration, which may be said of all of its kind.
    pub fn duration(&self, key: &str) -> Result<Option<Duration>, String> {
        for prefix in &self.prefixes {
            if let Some(duration) = value(format!("{prefix}{key}"), duration)? {
                return Ok(Some(duration));
            }
        }
        Ok(None)
    }
}

/// The value of a variable, if it has one.
pub fn value<T>(name: String, parse: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, String> {
    env::var(&name).map(|text| parse(&text).map_err(|error| format!("{name}: {error}"))).transpose()
}

fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| format!("'{text}' is not a duration; write it as 3s or 500ms"))
}
