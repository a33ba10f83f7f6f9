//! Plugins: what is asked for, and whether it can be had. Nothing of a guest runs here.

mod built_in;
mod load;
mod spec;

pub use load::LoadError;
pub use spec::{PluginSpec, Sha256, Source};

use crate::sandbox::{Grants, Guest, Sandbox};
use std::time::Duration;

/// A plugin that can be run.
pub struct Plugin {
    /// The name that its log lines have.
    pub name: String,
    /// What it may do.
    pub grants: Grants,
    /// How long its hook may take, within the deadline of all hooks.
    pub timeout: Option<Duration>,
    code: Code,
}

enum Code {
    /// Checked by the build. Loaded when it is run, so that the job does not wait for it.
    BuiltIn(&'static [u8]),
    /// From outside, checked before the job starts.
    Checked(Guest),
}

impl Plugin {
    /// Loads and checks what was asked for.
    pub fn load(spec: &PluginSpec) -> Result<Self, LoadError> {
        let code = match &spec.source {
            Source::BuiltIn { compiled, .. } => Code::BuiltIn(compiled),
            Source::File(path) => Code::Checked(load::load(path, spec.sha256, spec.grants.memory)?),
        };
        Ok(Self { name: spec.source.name(), grants: spec.grants.clone(), timeout: spec.timeout, code })
    }

    /// Calls `run` with the guest.
    pub async fn with_guest<T>(&self, run: impl AsyncFnOnce(&Guest) -> wasmtime::Result<T>) -> wasmtime::Result<T> {
        match &self.code {
            Code::Checked(guest) => run(guest).await,
            Code::BuiltIn(compiled) => {
                let sandbox = Sandbox::new()?;
                run(&sandbox.check(&sandbox.load_built_in(compiled)?)?).await
            }
        }
    }

    /// Whether it may have a before-start hook. A built-in has none so far.
    pub fn has_before_start(&self) -> bool {
        matches!(&self.code, Code::Checked(guest) if guest.has_before_start())
    }

    /// Whether it may have an after-exit hook.
    pub fn has_after_exit(&self) -> bool {
        match &self.code {
            Code::Checked(guest) => guest.has_after_exit(),
            Code::BuiltIn(_) => true,
        }
    }
}
