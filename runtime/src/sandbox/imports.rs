//! What becomes of each interface that a guest may import.

use std::fmt;

/// How an import is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Treatment {
    /// It does what it says, within the limits and the egress policy.
    Granted,
    /// It is there, because language runtimes import it whether they use it or not; there is nothing behind it.
    Empty,
    /// It is there, as something else than the plugin says, and the plugin cannot be loaded.
    OtherType,
    /// It is not there, and the plugin cannot be loaded.
    Unknown,
}

impl fmt::Display for Treatment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Granted => "granted",
            Self::Empty => "linked but empty",
            Self::OtherType => "of another type",
            Self::Unknown => "unknown",
        })
    }
}

impl Treatment {
    /// How an interface is treated, such as `wasi:io/streams@0.2.3`.
    pub fn of(import: &str) -> Self {
        let (interface, version) = import.split_once('@').unwrap_or((import, ""));
        let (package, name) = interface.split_once('/').unwrap_or((interface, ""));
        match (package, version.starts_with("0.2.")) {
            ("wrapper:hook", _) if version.starts_with("0.1.") => match name {
                "types" | "job" | "plugin" | "sidecar" | "log" | "localhost" => Self::Granted,
                _ => Self::Unknown,
            },
            ("wasi:io" | "wasi:clocks" | "wasi:random", true) => Self::Granted,
            ("wasi:http", true) if matches!(name, "types" | "outgoing-handler") => Self::Granted,
            ("wasi:cli", true) if matches!(name, "environment" | "exit" | "stdout" | "stderr") => Self::Granted,
            ("wasi:cli" | "wasi:filesystem" | "wasi:sockets", true) => Self::Empty,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Treatment::{Empty, Granted, Unknown};

    #[test]
    fn interfaces_are_treated_by_name_and_version() {
        for (import, treatment) in [
            ("wrapper:hook/localhost@0.1.0", Granted),
            ("wrapper:hook/localhost@0.2.0", Unknown),
            ("wrapper:hook/files@0.1.0", Unknown),
            ("wasi:http/outgoing-handler@0.2.3", Granted),
            ("wasi:http/incoming-handler@0.2.3", Unknown),
            ("wasi:http/types@0.3.0", Unknown),
            ("wasi:io/streams@0.2.12", Granted),
            ("wasi:cli/stdout@0.2.0", Granted),
            ("wasi:cli/stdin@0.2.0", Empty),
            ("wasi:filesystem/types@0.2.0", Empty),
            ("wasi:sockets/tcp@0.2.0", Empty),
            ("wasi:keyvalue/store@0.2.0", Unknown),
            ("anything", Unknown),
        ] {
            assert_eq!(Treatment::of(import), treatment, "{import}");
        }
    }
}
