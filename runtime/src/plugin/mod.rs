//! Plugins: what is asked for, and whether it can be had. Nothing of a guest runs here.

mod built_in;
mod inspect;
mod load;
mod spec;

pub use inspect::check;
pub use load::LoadError;
pub use spec::{PluginSpec, Sha256, Source};

use crate::{
    process::Supervisor,
    sandbox::{Code, Grants, Guest},
};
use std::time::{Duration, Instant};

/// A plugin that can be run.
pub struct Plugin {
    /// The name that its log lines have.
    pub name: String,
    /// What it may do.
    pub grants: Grants,
    /// How long its hook may take, within the deadline of all hooks.
    pub timeout: Option<Duration>,
    native: bool,
    code: Loaded,
}

enum Loaded {
    /// Checked by the build. Loaded when it is run, so that the job does not wait for it.
    BuiltIn(&'static [u8]),
    /// From outside, checked before the job starts.
    Checked(Guest),
}

impl Plugin {
    /// Loads and checks what was asked for, by the deadline.
    pub fn load(spec: &PluginSpec, supervisor: &mut Supervisor, deadline: Instant) -> Result<Self, LoadError> {
        let code = match &spec.source {
            Source::BuiltIn { compiled, .. } => Loaded::BuiltIn(compiled),
            Source::File(path) => {
                let unchecked = load::compile(path, spec, supervisor, deadline)?;
                Loaded::Checked(load::check(&unchecked, spec.grants.memory)?)
            }
        };
        Ok(Self {
            name: spec.source.name(),
            grants: spec.grants.clone(),
            timeout: spec.timeout,
            native: spec.code == Code::Native,
            code,
        })
    }

    /// Whether it is machine code.
    pub fn is_native(&self) -> bool {
        self.native
    }

    /// Calls `run` with the guest.
    pub async fn with_guest<T>(&self, run: impl AsyncFnOnce(&Guest) -> wasmtime::Result<T>) -> wasmtime::Result<T> {
        match &self.code {
            Loaded::Checked(guest) => run(guest).await,
            Loaded::BuiltIn(compiled) => {
                let load::Unchecked { sandbox, component } = load::built_in(compiled)?;
                run(&sandbox.check(&component)?).await
            }
        }
    }

    /// Whether it may have a before-start hook. A built-in has none so far.
    pub fn has_before_start(&self) -> bool {
        matches!(&self.code, Loaded::Checked(guest) if guest.has_before_start())
    }

    /// Whether it may have an after-exit hook.
    pub fn has_after_exit(&self) -> bool {
        match &self.code {
            Loaded::Checked(guest) => guest.has_after_exit(),
            Loaded::BuiltIn(_) => true,
        }
    }
}

/// Loads the plugins. Those that could be are returned, and why the first one could not.
pub fn load_all(specs: &[PluginSpec], supervisor: &mut Supervisor, deadline: Instant) -> (Vec<Plugin>, Option<String>) {
    let mut refused = None;
    let plugins = specs.iter().filter_map(|spec| match Plugin::load(spec, supervisor, deadline) {
        Ok(plugin) => Some(plugin),
        Err(error) => {
            let why = format!("plugin {} {error}", spec.source);
            match &refused {
                None => refused = Some(why),
                Some(_) => tracing::error!("{why}"),
            }
            None
        }
    });
    (plugins.collect(), refused)
}
