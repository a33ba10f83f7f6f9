//! What a user writes to name a plugin: `SOURCE[,KEY=VALUE]...`, in the manner of `docker --mount`.
//!
//! | key | meaning |
//! |---|---|
//! | `on=success` | its after-exit hook runs only where the job succeeded; `on=failure` where not; `on=always` is the default |
//! | `timeout=DUR` | deadline of its hook, within that of all hooks |
//! | `port=N` | only these ports of localhost; repeatable |
//! | `env=NAME` | lets it see this variable; repeatable |
//! | `memory=SIZE` | its memory, such as 64MiB |
//! | `sha256=HEX` | digest that the file must have |
//! | `native=true` | machine code instead of Pulley bytecode |
//! | `required=false` | the job starts even where its before-start hook fails |

use super::built_in::{self, BuiltIn};
use crate::{
    cli::parse_duration,
    report::printable,
    sandbox::{Code, Grants, limits},
};
use std::{
    collections::HashSet,
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

/// One plugin as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginSpec {
    /// Where its bytes come from.
    pub source: Source,
    /// What it may do.
    pub grants: Grants,
    /// When its after-exit hook runs.
    pub on: On,
    /// Whether its before-start hook must succeed for the job to start.
    pub required: bool,
    /// How long its hook may take, within the deadline of all hooks.
    pub timeout: Option<Duration>,
    /// The digest that its file must have.
    pub sha256: Option<Sha256>,
    /// What its file is compiled to.
    pub code: Code,
    /// Whether the user named no plugin, and this one runs by default.
    pub is_default: bool,
}

/// When an after-exit hook runs. A job succeeded where the exit code that is reported, after `--map-exit`, is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum On {
    /// However the job ended.
    #[default]
    Always,
    /// Where it succeeded.
    Success,
    /// Where it failed, was killed or could not be started.
    Failure,
}

impl On {
    /// Whether it runs after such a job.
    pub fn includes(self, success: bool) -> bool {
        match self {
            Self::Always => true,
            Self::Success => success,
            Self::Failure => !success,
        }
    }
}

impl fmt::Display for On {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Always => "on=always",
            Self::Success => "on=success",
            Self::Failure => "on=failure",
        })
    }
}

impl FromStr for On {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "always" => Ok(Self::Always),
            "success" => Ok(Self::Success),
            "failure" => Ok(Self::Failure),
            _ => Err(format!("'on={text}' is none of on=always, on=success and on=failure")),
        }
    }
}

/// Where a plugin's bytes come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The wrapper itself.
    BuiltIn(&'static BuiltIn),
    /// A component's file.
    File(PathBuf),
}

impl Source {
    /// Whether it was compiled ahead of time.
    pub fn is_compiled(&self) -> bool {
        matches!(self, Self::File(path) if path.extension().is_some_and(|ending| ending == "cwasm"))
    }

    /// The name that its log lines have: a file's without folder and ending.
    pub fn name(&self) -> String {
        match self {
            Self::BuiltIn(built_in) => built_in.name.to_owned(),
            Self::File(path) => {
                let name = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy();
                // It stands before a colon in each of its lines, where `wrapper` stands in those of the wrapper's own. Many a
                // letter looks like another, and only these do not.
                let name = name.chars().fold(String::new(), |mut name, character| {
                    match character {
                        ':' | ' ' => name.push('_'),
                        _ if character.is_ascii() => name.push(character),
                        _ => name.extend(character.escape_unicode()),
                    }
                    name
                });
                if name == "wrapper" { "wrapper.wasm".to_owned() } else { name }
            }
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn(built_in) => f.write_str(built_in.name),
            Self::File(path) => f.write_str(&printable(&path.to_string_lossy())),
        }
    }
}

/// A SHA-256 digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sha256(pub [u8; 32]);

impl FromStr for Sha256 {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let invalid =
            || format!("'{text}' is not a SHA-256 digest; write 64 hexadecimal digits, as sha256sum prints them");
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(invalid());
        }
        let mut digest = [0; 32];
        for (byte, at) in digest.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| invalid())?;
        }
        Ok(Self(digest))
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for PluginSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(',');
        let source = parse_source(parts.next().unwrap_or_default())?;
        let grants = Grants { ports: Vec::new(), env: Vec::new(), memory: limits::MEMORY };
        let mut spec = Self {
            source,
            grants,
            on: On::Always,
            required: true,
            timeout: None,
            sha256: None,
            code: Code::default(),
            is_default: false,
        };
        let mut given = HashSet::new();
        for part in parts {
            let (key, value) = part.split_once('=').ok_or_else(|| format!("'{part}' is not KEY=VALUE"))?;
            if !matches!(key, "port" | "env") && !given.insert(key) {
                return Err(format!("{key}= is given twice"));
            }
            match key {
                "on" => spec.on = value.parse()?,
                "required" => spec.required = switch(part, value)?,
                "timeout" => spec.timeout = Some(parse_duration(value)?),
                "port" => spec.grants.ports.push(value.parse()?),
                "env" if !value.is_empty() && !value.contains('=') => spec.grants.env.push(value.to_owned()),
                "env" => return Err(format!("'{part}' names no variable; write env=NAME")),
                "memory" => spec.grants.memory = parse_memory(value)?,
                "sha256" => spec.sha256 = Some(value.parse()?),
                "native" => spec.code = if switch(part, value)? { Code::Native } else { Code::Pulley },
                _ => {
                    return Err(format!(
                        "'{key}' is not a key of a plugin; there are on, timeout, port, env, memory, sha256, native, required"
                    ));
                }
            }
        }
        if let Source::BuiltIn(BuiltIn { name, before_start, after_exit, .. }) = &spec.source {
            let hooks = [("on", "after-exit", *after_exit), ("required", "before-start", *before_start)];
            if let Some((key, hook, _)) = hooks.into_iter().find(|(key, _, has)| !has && given.contains(key)) {
                return Err(format!("{key}= is for plugins with a hook {hook}; '{name}' has none"));
            }
            for (key, is_given) in [("sha256", spec.sha256.is_some()), ("native", spec.code == Code::Native)] {
                if is_given {
                    return Err(format!("{key}= is for files; '{name}' is part of the wrapper"));
                }
            }
        }
        Ok(spec)
    }
}

/// A built-in's name, or what looks like a path: so that a mistyped name is not looked for in the working directory.
fn parse_source(text: &str) -> Result<Source, String> {
    if let Some(built_in) = built_in::find(text) {
        return Ok(Source::BuiltIn(built_in));
    }
    if text.contains('/') || Path::new(text).extension().is_some_and(|ending| ending == "wasm" || ending == "cwasm") {
        return Ok(Source::File(text.into()));
    }
    Err(format!(
        "'{text}' is neither a built-in plugin ({}) nor a path to a .wasm or .cwasm file",
        built_in::names().join(", ")
    ))
}

/// The value of a key that is true or false.
fn switch(part: &str, value: &str) -> Result<bool, String> {
    value.parse().map_err(|_| {
        let key = part.split('=').next().unwrap_or_default();
        format!("'{part}' is neither {key}=true nor {key}=false")
    })
}

fn parse_memory(text: &str) -> Result<u64, String> {
    match text.parse::<bytesize::ByteSize>() {
        // What 32-bit WebAssembly can address.
        Ok(size) if size > bytesize::ByteSize::gib(4) => Err(format!("'{text}' is more than a guest can use, 4GiB")),
        Ok(size) if size.as_u64() > 0 => Ok(size.as_u64()),
        _ => Err(format!("'{text}' is not a size; write it as 64MiB")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(text: &str) -> PluginSpec {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_name_is_a_built_in_and_a_path_is_a_file() {
        assert!(matches!(spec("istio-quit").source, Source::BuiltIn(BuiltIn { name: "istio-quit", .. })));
        assert_eq!(spec("./istio-quit").source, Source::File("./istio-quit".into()));
        assert_eq!(spec("quit.wasm").source, Source::File("quit.wasm".into()));
        assert_eq!(spec("/hooks/quit.v2.wasm").source.name(), "quit.v2");
    }

    #[test]
    fn every_key_is_understood() {
        let spec = spec(
            "/a.wasm,on=success,required=false,timeout=1m30s,port=15020,port=4191,env=TOKEN,memory=16MiB,sha256=00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF",
        );
        assert_eq!((spec.on, spec.required), (On::Success, false));
        assert_eq!(spec.timeout, Some(Duration::from_secs(90)));
        assert_eq!(spec.grants.ports, ["15020".parse().unwrap(), "4191".parse().unwrap()]);
        assert_eq!(spec.grants.env, ["TOKEN"]);
        assert_eq!(spec.grants.memory, 16 << 20);
        assert_eq!(
            spec.sha256.unwrap().to_string(),
            "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
        );
    }

    #[test]
    fn what_is_not_understood_is_named() {
        let no_source = |text: &str| {
            let names = built_in::names().join(", ");
            format!("'{text}' is neither a built-in plugin ({names}) nor a path to a .wasm or .cwasm file")
        };
        for text in ["istio-qit", "vault-wait", ""] {
            assert_eq!(text.parse::<PluginSpec>(), Err(no_source(text)));
        }
        for (text, error) in [
            ("echo,port", "'port' is not KEY=VALUE"),
            ("echo,port=0", "'0' is not a port; write a number from 1 to 65535"),
            ("echo,port=65536", "'65536' is not a port; write a number from 1 to 65535"),
            (
                "echo,colour=red",
                "'colour' is not a key of a plugin; there are on, timeout, port, env, memory, sha256, native, required",
            ),
            ("echo,memory=lots", "'lots' is not a size; write it as 64MiB"),
            ("echo,memory=-1", "'-1' is not a size; write it as 64MiB"),
            ("echo,memory=5GiB", "'5GiB' is more than a guest can use, 4GiB"),
            ("echo,native=true", "native= is for files; 'echo' is part of the wrapper"),
            ("echo,on=sucess", "'on=sucess' is none of on=always, on=success and on=failure"),
            ("echo,required=no", "'required=no' is neither required=true nor required=false"),
            ("echo,required=false", "required= is for plugins with a hook before-start; 'echo' has none"),
            ("istio-wait,on=success", "on= is for plugins with a hook after-exit; 'istio-wait' has none"),
            ("/a.wasm,native=yes", "'native=yes' is neither native=true nor native=false"),
            ("echo,env=", "'env=' names no variable; write env=NAME"),
            ("echo,env=A=B", "'env=A=B' names no variable; write env=NAME"),
            ("echo,timeout=1s,timeout=2s", "timeout= is given twice"),
            (
                "/a.wasm,sha256=12",
                "'12' is not a SHA-256 digest; write 64 hexadecimal digits, as sha256sum prints them",
            ),
            ("echo,timeout=5", "'5' is not a duration; write it as 20s or 1m30s"),
        ] {
            assert_eq!(text.parse::<PluginSpec>(), Err(error.to_owned()), "{text}");
        }
    }
}
