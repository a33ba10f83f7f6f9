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
use load::{Compiled, Unchecked};
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
    /// A file, and what another process found out about it.
    File { compiled: CompiledFile, code: Code, before_start: bool, after_exit: bool },
}

/// A file that holds compiled code.
enum CompiledFile {
    /// In memory, without a name: what another process has compiled and checked, after some bytes of [`FACTS`].
    InMemory(File),
    /// A `.cwasm` as it lies in the image, where nobody asks for the digest of the bytes that are loaded.
    OnDisk(File),
}

/// What a plugin is run from, as far as it takes files to have it.
pub enum Material {
    /// All of it is in the wrapper.
    BuiltIn(&'static [u8]),
    /// Compiled code, read.
    Read(Compiled),
    /// Compiled code, mapped: a large one is read where it is needed.
    Mapped(Unchecked),
}

impl Plugin {
    /// Compiles and checks what was asked for, by the deadline.
    pub fn load(spec: &PluginSpec, supervisor: &mut Supervisor, deadline: Instant) -> Result<Self, LoadError> {
        let source = match &spec.source {
            Source::BuiltIn { compiled, .. } => Loaded::BuiltIn(compiled),
            Source::File(path) => {
                let in_place = spec.source.is_compiled() && spec.sha256.is_none();
                let opened = if in_place { Some(load::open(path)?) } else { None };
                let prepare = || match &opened {
                    Some(file) => Opened::Mapped(load::map(file)),
                    None => Opened::File(load::open(path)),
                };
                let work = |opened| facts_and_code(opened, spec).map_err(|error| error.to_string());
                let result = supervisor.isolated(Moment::Loading, load::bounds(spec), deadline, prepare, work);
                let mut file = result.map_err(load::explain)?;
                let mut facts = [0; FACTS as usize];
                file.read_exact(&mut facts).map_err(LoadError::Unreadable)?;
                let [before_start, after_exit, native] = facts.map(|fact| fact != 0);
                let code = if native { Code::Native } else { Code::Pulley };
                let compiled = opened.map_or(CompiledFile::InMemory(file), CompiledFile::OnDisk);
                Loaded::File { compiled, code, before_start, after_exit }
            }
        };
        let grants = spec.grants.clone();
        Ok(Self { name: spec.source.name(), grants, timeout: spec.timeout, source })
    }

    /// Whether it is machine code.
    pub fn is_native(&self) -> bool {
        matches!(self.source, Loaded::File { code: Code::Native, .. })
    }

    /// Does what takes files, before a process gives them up.
    pub fn material(&self) -> Result<Material, LoadError> {
        match &self.source {
            Loaded::BuiltIn(bytes) => Ok(Material::BuiltIn(bytes)),
            Loaded::File { compiled: CompiledFile::OnDisk(file), .. } => load::map(file).map(Material::Mapped),
            Loaded::File { compiled: CompiledFile::InMemory(file), code, .. } => {
                // Not from where the file stands: another process may be reading it, which shares that with this one.
                let read = || {
                    let length = file.metadata()?.len().saturating_sub(FACTS);
                    let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
                    file.read_exact_at(&mut bytes, FACTS).map(|()| bytes)
                };
                let bytes = read().map_err(LoadError::Unreadable)?;
                Ok(Material::Read(Compiled { code: *code, bytes }))
            }
        }
    }

    /// Makes a guest of it, in this process.
    pub fn guest(&self, material: Material) -> wasmtime::Result<Guest> {
        let started = Instant::now();
        let unchecked = match material {
            Material::BuiltIn(bytes) => load::built_in(bytes)?,
            Material::Read(compiled) => load::load(&compiled)?,
            Material::Mapped(unchecked) => unchecked,
        };
        let loaded = started.elapsed();
        let guest = unchecked.sandbox.check(&unchecked.component);
        let linked = started.elapsed() - loaded;
        tracing::debug!(plugin = self.name, "loaded in {loaded:.1?}, linked in {linked:.1?}");
        guest
    }

    /// Whether it may have a before-start hook. A built-in has none so far.
    pub fn has_before_start(&self) -> bool {
        matches!(self.source, Loaded::File { before_start: true, .. })
    }

    /// Whether it may have an after-exit hook.
    pub fn has_after_exit(&self) -> bool {
        matches!(self.source, Loaded::BuiltIn(_) | Loaded::File { after_exit: true, .. })
    }
}

/// How many bytes before the compiled component say what it is.
const FACTS: u64 = 3;

/// A plugin's file, in the process that looks into it.
enum Opened {
    File(Result<File, LoadError>),
    Mapped(Result<Unchecked, LoadError>),
}

/// In a process of its own: a byte each for a before-start hook, an after-exit hook and machine code, and the compiled
/// component where it is not on disk already.
fn facts_and_code(opened: Opened, spec: &PluginSpec) -> Result<Vec<u8>, LoadError> {
    let (unchecked, bytes) = match opened {
        Opened::Mapped(unchecked) => (unchecked?, Vec::new()),
        Opened::File(file) => {
            let compiled = load::compile(file?, spec)?;
            (load::load(&compiled)?, compiled.bytes)
        }
    };
    let guest = load::check(&unchecked, spec.grants.memory)?;
    let facts = [guest.has_before_start(), guest.has_after_exit(), unchecked.sandbox.code() == Code::Native];
    Ok([&facts.map(u8::from), &bytes[..]].concat())
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
