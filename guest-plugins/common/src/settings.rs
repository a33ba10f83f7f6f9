//! What the user may say of a plugin: `HOOK_ISTIO_QUIT_RETRY` of this one, `HOOK_QUIT_RETRY` of all of its kind.
//!
//! What is wrong in a setting that has a default is said, and the default is used: a sidecar that nobody asks to quit keeps
//! its pod for ever. Most runs set nothing, and then this does next to nothing: a guest is interpreted, and each name that
//! were put together would be time that the pod takes longer to end.

use std::time::Duration;
use wrapper_hook::{env, log};

/// The variables of one plugin.
pub struct Settings {
    /// `HOOK_ISTIO_QUIT_`.
    own: String,
    /// `HOOK_ISTIO_SIDECAR`, which the wrapper itself reads.
    pub sidecar: String,
    /// `HOOK_QUIT_`.
    kind: &'static str,
    /// All that there are, read once.
    variables: Vec<(String, String)>,
}

impl Settings {
    /// Those of the plugin of this name, which knows these keys, and whose kind's begin like this, of which there are fewer. Names
    /// that look like one of these and are none are pointed out.
    pub fn new(plugin: &str, keys: &[&str], kind: &'static str, of_the_kind: &[&str]) -> Self {
        let mut own = "HOOK_".to_owned();
        own.extend(plugin.chars().map(|letter| if letter == '-' { '_' } else { letter.to_ascii_uppercase() }));
        let stem = own.rfind('_').filter(|end| *end >= "HOOK_".len()).unwrap_or(own.len());
        let sidecar = format!("{}_SIDECAR", &own[..stem]);
        own.push('_');
        let mut variables = env::vars();
        for (_, value) in &mut variables {
            // A Secret made with `echo` ends in a newline.
            let trimmed = value.trim();
            if trimmed.len() < value.len() {
                *value = trimmed.to_owned();
            }
        }
        // As if it were unset.
        variables.retain(|(_, value)| !value.is_empty());
        for (name, _) in &variables {
            for (prefix, keys) in [(own.as_str(), keys), (kind, of_the_kind)] {
                match name.strip_prefix(prefix) {
                    Some(key) if !keys.contains(&key) && keys.is_empty() => {
                        log::warn!("{name} is not known; each plugin has its own, such as {own}URL");
                    }
                    Some(key) if !keys.contains(&key) => {
                        log::warn!("{name} is not known; after {prefix} there are {}", keys.join(", "));
                    }
                    _ => {}
                }
            }
        }
        Self { own, sidecar, kind, variables }
    }

    /// The name of a variable of this plugin.
    pub fn name(&self, key: &str) -> String {
        format!("{}{key}", self.own)
    }

    /// What a variable is set to.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.find("", name).map(|(_, value)| value)
    }

    /// What one of this very plugin is set to, and its name.
    pub fn own(&self, key: &str) -> Option<(&str, &str)> {
        self.find(&self.own, key)
    }

    /// The same, where it can be understood.
    pub fn own_value<T>(&self, key: &str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        understood(self.own(key)?, parse)
    }

    /// A duration, which may be said of all of its kind.
    pub fn duration(&self, key: &str) -> Option<Duration> {
        [&self.own, self.kind].into_iter().find_map(|prefix| understood(self.find(prefix, key)?, duration))
    }

    /// The value of a variable, where it can be understood.
    pub fn value<T>(&self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        understood(self.find("", name)?, parse)
    }

    fn find(&self, prefix: &str, key: &str) -> Option<(&str, &str)> {
        let found = self.variables.iter().find(|(name, _)| name.strip_prefix(prefix) == Some(key));
        found.map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

fn understood<T>((name, text): (&str, &str), parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
    parse(text).inspect_err(|error| log::warn!("{name}: {error}; the default is used")).ok()
}

/// `3s`.
pub fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| format!("'{text}' is not a duration; write it as 3s or 500ms"))
}
