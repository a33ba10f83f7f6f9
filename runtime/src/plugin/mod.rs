//! Plugins: what is asked for, and whether it can be had. Nothing of a guest runs here, and this process looks into none.

mod built_in;
mod inspect;
mod load;
mod spec;

pub use inspect::check;
pub use load::LoadError;
#[cfg(feature = "compiler")]
pub use load::compile_ahead_of_time;
pub use spec::{PluginSpec, Sha256, Source};

use crate::{
    process::{Moment, Supervisor},
    sandbox::{Code, Grants, Guest},
};
use load::Compiled;
use std::{
    fs::File,
    io::Read as _,
    os::unix::fs::FileExt as _,
    time::{Duration, Instant},
};

/// A plugin that can be run.
pub struct Plugin {
    /// The name that its log lines have.
    pub name: String,
    /// What it may do.
    pub grants: Grants,
    /// How long its hook may take, within the deadline of all hooks.
    pub timeout: Option<Duration>,
    source: Loaded,
}

/// Where the compiled component is, which is loaded where it is run.
enum Loaded {
    /// In the wrapper itself: checked by the build.
    BuiltIn(&'static [u8]),
    /// From outside, compiled and checked by another process. The file is in memory and has no name.
    Compiled { file: File, code: Code, before_start: bool, after_exit: bool },
}

impl Plugin {
    /// Compiles and checks what was asked for, by the deadline.
    pub fn load(spec: &PluginSpec, supervisor: &mut Supervisor, deadline: Instant) -> Result<Self, LoadError> {
        let source = match &spec.source {
            Source::BuiltIn { compiled, .. } => Loaded::BuiltIn(compiled),
            Source::File(path) => {
                let prepare = || load::open(path);
                let work =
                    |file: Result<File, LoadError>| compile_and_check(file, spec).map_err(|error| error.to_string());
                let result = supervisor.isolated(Moment::Loading, load::bounds(spec), deadline, prepare, work);
                let mut file = result.map_err(load::explain)?;
                let mut facts = [0; FACTS as usize];
                file.read_exact(&mut facts).map_err(LoadError::Unreadable)?;
                let [before_start, after_exit, native] = facts.map(|fact| fact != 0);
                let code = if native { Code::Native } else { Code::Pulley };
                Loaded::Compiled { file, code, before_start, after_exit }
            }
        };
        let grants = spec.grants.clone();
        Ok(Self { name: spec.source.name(), grants, timeout: spec.timeout, source })
    }

    /// Whether it is machine code.
    pub fn is_native(&self) -> bool {
        matches!(self.source, Loaded::Compiled { code: Code::Native, .. })
    }

    /// What it is run from. This is read before a process gives up its files.
    pub fn compiled(&self) -> std::io::Result<Option<Vec<u8>>> {
        let Loaded::Compiled { file, .. } = &self.source else { return Ok(None) };
        let length = file.metadata()?.len().saturating_sub(FACTS);
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        // Not from where the file stands: another process may be reading it, which shares that with this one.
        file.read_exact_at(&mut bytes, FACTS)?;
        Ok(Some(bytes))
    }

    /// Loads it, from what [`Plugin::compiled`] has read, into this process.
    pub fn guest(&self, compiled: Option<Vec<u8>>) -> wasmtime::Result<Guest> {
        let started = Instant::now();
        let unchecked = match (&self.source, compiled) {
            (Loaded::BuiltIn(bytes), _) => load::built_in(bytes)?,
            (Loaded::Compiled { code, .. }, bytes) => {
                load::load(&Compiled { code: *code, bytes: bytes.unwrap_or_default() })?
            }
        };
        let loaded = started.elapsed();
        let guest = unchecked.sandbox.check(&unchecked.component);
        let linked = started.elapsed() - loaded;
        tracing::debug!(plugin = self.name, "loaded in {loaded:.1?}, linked in {linked:.1?}");
        guest
    }

    /// Whether it may have a before-start hook. A built-in has none so far.
    pub fn has_before_start(&self) -> bool {
        matches!(self.source, Loaded::Compiled { before_start: true, .. })
    }

    /// Whether it may have an after-exit hook.
    pub fn has_after_exit(&self) -> bool {
        matches!(self.source, Loaded::BuiltIn(_) | Loaded::Compiled { after_exit: true, .. })
    }
}

/// How many bytes before the compiled component say what it is.
const FACTS: u64 = 3;

/// In a process of its own: a byte each for a before-start hook, an after-exit hook and machine code, and the compiled
/// component.
fn compile_and_check(file: Result<File, LoadError>, spec: &PluginSpec) -> Result<Vec<u8>, LoadError> {
    let compiled = load::compile(file?, spec)?;
    let guest = load::check(&load::load(&compiled)?, spec.grants.memory)?;
    let facts = [guest.has_before_start(), guest.has_after_exit(), compiled.code == Code::Native];
    let mut bytes = compiled.bytes;
    bytes.splice(0..0, facts.map(u8::from));
    Ok(bytes)
}

/// Loads the plugins. Those that could be are returned, and why the first one could not. Each has an equal part of the time
/// that is left, so that one that takes too long leaves the others theirs.
pub fn load_all(specs: &[PluginSpec], supervisor: &mut Supervisor, deadline: Instant) -> (Vec<Plugin>, Option<String>) {
    let mut refused = None;
    let mut left = u32::try_from(specs.len()).unwrap_or(u32::MAX);
    let plugins = specs.iter().filter_map(|spec| {
        let now = Instant::now();
        let own_deadline = now + deadline.saturating_duration_since(now) / left;
        left -= 1;
        match Plugin::load(spec, supervisor, own_deadline) {
            Ok(plugin) => Some(plugin),
            Err(error) => {
                let why = format!("plugin {} {error}", spec.source);
                match &refused {
                    None => refused = Some(why),
                    Some(_) => tracing::error!("{why}"),
                }
                None
            }
        }
    });
    (plugins.collect(), refused)
}
