//! Plugins: what is asked for, and whether it can be had. Nothing of a guest runs here, and this process looks into none.

mod built_in;
mod cache;
mod error;
#[cfg(feature = "compiler")]
mod feature;
mod file;
mod inspect;
mod load;
mod sidecar;
#[cfg(feature = "compiler")]
mod skeleton;
mod spec;

pub use built_in::names as built_ins;
pub use error::{LoadError, explain};
pub use inspect::{check, inspect};
#[cfg(feature = "compiler")]
pub use load::compile_ahead_of_time;
pub use sidecar::{own_variable, presence};
pub use spec::{On, PluginSpec, Sha256, Source};

use crate::{
    process::{IsolationError, Moment, Supervisor},
    sandbox::{Grants, Guest, PluginFacts, Presence},
};
use built_in::BuiltIn;
use cache::Cache;
use file::PluginFile;
use load::Unchecked;
use std::{
    env,
    path::Path,
    time::{Duration, Instant},
};

/// The time limit of all after-exit hooks together, if nobody set one.
pub const HOOK_TIMEOUT: Duration = Duration::from_secs(20);

/// The time limit of checking plugin files and of all before-start hooks together, if nobody set one.
pub const START_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a hook may take whose sidecar is known to come, if nobody set a time limit: its image may still be pulled.
const PATIENCE: Duration = Duration::from_secs(5 * 60);

/// A plugin that can be run.
pub struct Plugin {
    /// The name that its log lines have.
    pub name: String,
    /// What it may do.
    pub grants: Grants,
    /// When its after-exit hook runs.
    pub on: On,
    /// Whether its before-start hook must succeed for the job to start.
    pub required: bool,
    /// How long its hook may take, within the deadline of all hooks.
    pub timeout: Option<Duration>,
    /// What a guest may know of it.
    pub facts: PluginFacts,
    /// How long its hook may take, beyond the time limit of all hooks, if nobody set that.
    pub patience: Option<Duration>,
    source: Loaded,
}

/// Where the compiled component is, which is loaded where it is run.
enum Loaded {
    /// In the wrapper itself: checked by the build.
    BuiltIn(&'static BuiltIn),
    /// A file.
    File(Box<PluginFile>),
}

/// What a plugin is run from, as far as it takes files to have it.
pub enum Material {
    /// All of it is in the wrapper.
    BuiltIn(&'static [u8]),
    /// Compiled code, mapped: a large one is read where it is needed.
    Mapped(Unchecked),
}

impl Plugin {
    /// Checks what was asked for, by the deadline, and compiles it if that cannot be done while the job runs.
    pub fn load(
        spec: &PluginSpec,
        cache: Option<&Cache>,
        supervisor: &mut Supervisor,
        deadline: Instant,
    ) -> Result<Self, LoadError> {
        let source = match &spec.source {
            Source::BuiltIn(built_in) => Loaded::BuiltIn(built_in),
            Source::File(path) => {
                let mut file = PluginFile::check(path, spec, cache, supervisor, deadline)?;
                // A process beside the job would be one of those that are waited for.
                if file.facts.before_start || supervisor.waits_for_all() {
                    file.compile(supervisor, Moment::Loading, deadline).map_err(explain)?;
                }
                Loaded::File(Box::new(file))
            }
        };
        let mut grants = spec.grants.clone();
        let PluginSpec { on, required, timeout, is_default, .. } = *spec;
        let name = spec.source.name();
        let variable = |name: &str| env::var_os(name);
        let sidecar = sidecar::presence(&name, variable);
        let lateness = sidecar::lateness(&name, is_default, variable);
        let mut patience = None;
        // To a file the user must say it by its own name.
        let is_said = matches!(source, Loaded::BuiltIn(_)) || variable(&sidecar::own_variable(&name)).is_some();
        if timeout.is_none() && is_said && matches!(sidecar, Presence::Present(_)) {
            patience = Some(PATIENCE);
        }
        if let Loaded::BuiltIn(built_in) = source {
            grants.env.extend(built_in.variables.iter().map(|&name| name.to_owned()));
            let is_named_quit = !is_default && name.ends_with("-quit");
            if timeout.is_none() && is_named_quit && matches!(sidecar, Presence::Unknown) {
                // A sidecar that has come in that time has the usual time to answer.
                patience = Some(lateness.0 + HOOK_TIMEOUT);
            }
        }
        let facts = PluginFacts { sidecar, lateness };
        Ok(Self { name, grants, on, required, timeout, facts, patience, source })
    }

    /// Notes that the before-start hook of a plugin has found its sidecar ready: this plugin's may be the same. That has come,
    /// so there is no more to be patient for.
    pub fn note_seen(&mut self, waited: &str) {
        let presence = std::mem::replace(&mut self.facts.sidecar, Presence::Unknown);
        let (presence, is_seen) = sidecar::seen(&self.name, presence, waited);
        self.facts.sidecar = presence;
        if is_seen {
            self.patience = None;
        }
    }

    /// Sees to it that it is compiled, by the deadline.
    pub fn compile(
        &mut self,
        supervisor: &mut Supervisor,
        moment: Moment<'_>,
        deadline: Instant,
    ) -> Result<(), IsolationError> {
        match &mut self.source {
            Loaded::BuiltIn(_) => Ok(()),
            Loaded::File(file) => file.compile(supervisor, moment, deadline),
        }
    }

    /// Whether it is compiled.
    pub fn is_compiled(&self) -> bool {
        match &self.source {
            Loaded::BuiltIn(_) => true,
            Loaded::File(file) => file.is_compiled(),
        }
    }

    /// Whether it is part of the wrapper.
    pub fn is_built_in(&self) -> bool {
        matches!(self.source, Loaded::BuiltIn(_))
    }

    /// Whether it is machine code.
    pub fn is_native(&self) -> bool {
        matches!(&self.source, Loaded::File(file) if file.facts.native)
    }

    /// Does what takes files, before a process gives them up.
    pub fn material(&self) -> Result<Material, LoadError> {
        match &self.source {
            Loaded::BuiltIn(built_in) => Ok(Material::BuiltIn(built_in.compiled)),
            Loaded::File(file) => file.map().map(Material::Mapped),
        }
    }

    /// Makes a guest of it, in this process.
    pub fn guest(&self, material: Material) -> wasmtime::Result<Guest> {
        let started = Instant::now();
        let unchecked = match material {
            Material::BuiltIn(bytes) => load::built_in(bytes, self.grants.memory)?,
            Material::Mapped(unchecked) => unchecked,
        };
        let loaded = started.elapsed();
        let guest = unchecked.sandbox.check(&unchecked.component);
        let linked = started.elapsed() - loaded;
        tracing::debug!(plugin = self.name, "loaded in {loaded:.1?}, linked in {linked:.1?}");
        guest
    }

    /// Whether it has a before-start hook.
    pub fn has_before_start(&self) -> bool {
        match &self.source {
            Loaded::BuiltIn(built_in) => built_in.before_start,
            Loaded::File(file) => file.facts.before_start,
        }
    }

    /// Whether it has an after-exit hook.
    pub fn has_after_exit(&self) -> bool {
        match &self.source {
            Loaded::BuiltIn(built_in) => built_in.after_exit,
            Loaded::File(file) => file.facts.after_exit,
        }
    }
}

/// Loads the plugins. Those that could be are returned, and why the first one could not. Each has an equal part of the time
/// that is left, so that one that takes too long leaves the others theirs.
pub fn load_all(
    specs: &[PluginSpec],
    cache: Option<&Path>,
    supervisor: &mut Supervisor,
    deadline: Instant,
) -> (Vec<Plugin>, Option<String>) {
    let is_to_compile = |spec: &PluginSpec| matches!(spec.source, Source::File(_)) && !spec.source.is_compiled();
    let cache = cache.filter(|_| specs.iter().any(is_to_compile)).and_then(Cache::open);
    let mut refused = None;
    let mut left = u32::try_from(specs.len()).unwrap_or(u32::MAX);
    let plugins = specs.iter().filter_map(|spec| {
        let now = Instant::now();
        let own_deadline = now + deadline.saturating_duration_since(now) / left;
        left -= 1;
        match Plugin::load(spec, cache.as_ref(), supervisor, own_deadline) {
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

/// Compiles what is not compiled yet beside the job, one after the other, each with so much time on a CPU.
pub fn compile_beside(plugins: &mut [Plugin], supervisor: &mut Supervisor, time: Duration) {
    let mut turn = None;
    for plugin in plugins {
        if let Loaded::File(file) = &mut plugin.source
            && !file.is_compiled()
        {
            turn = file.compile_beside(supervisor, time, turn);
        }
    }
}
