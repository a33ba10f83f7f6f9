//! What `--check` tells of a plugin: its hooks, and what becomes of each import.

use super::{
    load::{self, Unchecked},
    spec::{PluginSpec, Source},
};
use crate::{process::Supervisor, report::LogFormat, sandbox::imports::Treatment};
use serde_json::json;
use std::{
    fmt,
    io::{self, Write as _},
    time::{Duration, Instant},
};

/// Looks into every plugin and tells of each on stdout. Returns whether all can be used.
pub fn check(specs: &[PluginSpec], supervisor: &mut Supervisor, timeout: Duration, format: LogFormat) -> bool {
    let deadline = Instant::now() + timeout;
    let mut usable = true;
    for spec in specs {
        let plugin = Inspection::of(spec, supervisor, deadline);
        usable &= plugin.hooks.is_ok();
        let text = if format == LogFormat::Json { plugin.json() } else { plugin.to_string() };
        // Nothing can be done about a closed stdout.
        drop(writeln!(io::stdout(), "{text}"));
    }
    usable
}

/// A plugin looked into.
#[derive(Debug)]
struct Inspection {
    name: String,
    source: String,
    imports: Vec<(String, Treatment)>,
    /// The hooks that it exports, or why it cannot be used.
    hooks: Result<Vec<&'static str>, String>,
}

impl Inspection {
    /// Loads and checks a plugin, and keeps what was found. Nothing of the guest runs.
    fn of(spec: &PluginSpec, supervisor: &mut Supervisor, deadline: Instant) -> Self {
        let unchecked = match &spec.source {
            Source::BuiltIn { compiled, .. } => load::built_in(compiled),
            Source::File(path) => load::compile(path, spec, supervisor, deadline),
        };
        let imports = unchecked.as_ref().map_or_else(|_| Vec::new(), imports);
        let guest = unchecked.and_then(|unchecked| load::check(&unchecked, spec.grants.memory));
        let hooks = guest.map_err(|error| error.to_string()).map(|guest| {
            let hooks = [("before-start", guest.has_before_start()), ("after-exit", guest.has_after_exit())];
            hooks.into_iter().filter(|(_, has)| *has).map(|(hook, _)| hook).collect()
        });
        Self { name: spec.source.name(), source: spec.source.to_string(), imports, hooks }
    }

    /// The same as a JSON object.
    fn json(&self) -> String {
        let imports: Vec<_> = self
            .imports
            .iter()
            .map(|(name, treatment)| json!({ "name": name, "treatment": treatment.to_string() }))
            .collect();
        let (hooks, refused) = (self.hooks.as_ref().ok(), self.hooks.as_ref().err());
        let all = json!({
            "plugin": self.name, "source": self.source, "hooks": hooks, "imports": imports, "refused": refused,
        });
        all.to_string()
    }
}

fn imports(unchecked: &Unchecked) -> Vec<(String, Treatment)> {
    let mut imports: Vec<_> = unchecked
        .sandbox
        .imports(&unchecked.component)
        .into_iter()
        .map(|name| {
            let treatment = Treatment::of(&name);
            (name, treatment)
        })
        .collect();
    imports.sort();
    imports
}

/// A line for the plugin, and one for each import.
impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.hooks {
            Ok(hooks) => write!(f, "{}: runs {}", self.source, hooks.join(" and "))?,
            Err(why) => write!(f, "{}: refused: it {why}", self.source)?,
        }
        self.imports.iter().try_for_each(|(name, treatment)| write!(f, "\n  {treatment:<16}  {name}"))
    }
}
