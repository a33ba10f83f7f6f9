//! What `--check` tells of a plugin: its hooks, and what becomes of each import.

use super::{
    LoadError, PluginSpec, Source, explain,
    load::{self, Bytes, Unchecked},
};
use crate::{
    process::{Moment, Output, Supervisor},
    report::{LogFormat, printable},
    sandbox::imports::Treatment,
};
use serde_json::json;
use std::{
    fmt,
    io::{self, Read as _, Write as _},
    time::{Duration, Instant},
};

/// Looks into every plugin and tells of each on stdout. Returns whether all can be used.
pub fn check(specs: &[PluginSpec], supervisor: &mut Supervisor, timeout: Duration, format: LogFormat) -> bool {
    let deadline = Instant::now() + timeout;
    let mut usable = true;
    for spec in specs {
        let (is_usable, text) = inspect(spec, supervisor, deadline, format);
        usable &= is_usable;
        // Nothing can be done about a closed stdout.
        drop(io::stdout().write_all(&text));
    }
    usable
}

/// Looks into a plugin, in a process of its own. Returns whether it can be used, and what is told of it.
pub fn inspect(
    spec: &PluginSpec,
    supervisor: &mut Supervisor,
    deadline: Instant,
    format: LogFormat,
) -> (bool, Vec<u8>) {
    let prepare = || match &spec.source {
        Source::BuiltIn(_) => None,
        Source::File(path) => Some(load::open(path).and_then(|file| Bytes::read(&file))),
    };
    let work = |bytes| Ok(Inspection::of(spec, bytes).told(format));
    let told = supervisor.isolated(Moment::Loading, Output::Many, load::bounds(spec), deadline, prepare, work);
    let told = told.and_then(|mut file| {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    });
    let mut told = told.unwrap_or_else(|error| Inspection::refused(spec, explain(error)).told(format));
    let is_usable = !told.is_empty() && told.remove(0) == 1;
    (is_usable, told)
}

/// A plugin looked into.
#[derive(Debug)]
struct Inspection {
    name: String,
    source: String,
    imports: Vec<(String, Treatment)>,
    /// The memory that it begins with, in bytes.
    memory: Option<u64>,
    /// The hooks that it exports, or why it cannot be used.
    hooks: Result<Vec<&'static str>, String>,
}

impl Inspection {
    /// In a process of its own: compiles and checks a plugin, and keeps what was found. Nothing of the guest runs.
    fn of(spec: &PluginSpec, bytes: Option<Result<Bytes, LoadError>>) -> Self {
        let unchecked = match (&spec.source, bytes) {
            (Source::BuiltIn(built_in), _) => load::built_in(built_in.compiled, spec.grants.memory),
            (Source::File(_), bytes) => bytes.unwrap_or(Err(LoadError::NotAFile)).and_then(|bytes| {
                bytes.are_meant(spec)?;
                load::load(&load::compile(bytes, spec)?, spec.grants.memory)
            }),
        };
        let mut imports = unchecked.as_ref().map_or_else(|_| Vec::new(), imports);
        let memory = unchecked.as_ref().ok().map(load::initial_memory);
        let guest = unchecked.and_then(|unchecked| load::check(&unchecked, spec.grants.memory));
        if let Err(LoadError::Import(why)) = &guest {
            let is_named = |name: &str| why.contains(&format!("`{name}`"));
            imports
                .iter_mut()
                .filter(|(name, treatment)| *treatment != Treatment::Unknown && is_named(name))
                .for_each(|(_, treatment)| *treatment = Treatment::OtherType);
        }
        let hooks = guest.map_err(|error| error.to_string()).map(|guest| {
            // A built-in's component may have more hooks than it runs under this name.
            let (before_start, after_exit) = match &spec.source {
                Source::BuiltIn(built_in) => (built_in.before_start, built_in.after_exit),
                Source::File(_) => (guest.has_before_start(), guest.has_after_exit()),
            };
            let hooks = [("before-start", before_start), ("after-exit", after_exit)];
            hooks.into_iter().filter(|(_, has)| *has).map(|(hook, _)| hook).collect()
        });
        Self { imports, memory, hooks, ..Self::refused(spec, LoadError::Empty) }
    }

    fn refused(spec: &PluginSpec, error: LoadError) -> Self {
        let source = printable(&spec.source.to_string());
        Self { name: spec.source.name(), source, imports: Vec::new(), memory: None, hooks: Err(error.to_string()) }
    }

    /// A byte that says whether it can be used, and what is told of it.
    fn told(&self, format: LogFormat) -> Vec<u8> {
        let text = if format == LogFormat::Json { self.json() } else { self.to_string() };
        [&[u8::from(self.hooks.is_ok())], text.as_bytes(), b"\n"].concat()
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
            "plugin": self.name, "source": self.source, "hooks": hooks, "imports": imports,
            "memory-bytes": self.memory, "refused": refused,
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
            (printable(&name), treatment)
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
