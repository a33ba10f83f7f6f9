//! The sandbox: all that a guest may do, one policy a file. It knows nothing of processes.
//!
//! * [`engine`]: how guests are compiled and run.
//! * [`limits`]: what a guest may use up.
//! * [`egress`]: where its requests may go; [`client`]: how they go there; `request`: what is sent; `opening` and `body`: what
//!   is read of an answer.
//! * [`guest_log`]: what it may say.
//! * [`imports`]: what becomes of each import.
//! * `linker`: what it is linked with; `state`: the host's side of its imports.

pub mod bindings;
mod body;
pub mod client;
pub mod egress;
pub mod engine;
pub mod guest_log;
pub mod imports;
pub mod limits;
mod linker;
mod opening;
mod request;
mod state;

pub use bindings::wrapper::hook::sidecar::Presence;
pub use engine::Code;
pub use state::{Grants, JobFacts, PluginFacts, Started, State};

use bindings::exports::wrapper::hook::{after_exit, before_start};
use bindings::wrapper::hook::types::ExitStatus;
use std::path::Path;
use wasmtime::{
    Engine, Result, Store,
    component::{Component, Instance, InstancePre},
};

/// What plugins compiled by this build are marked with: its own version and the engine's.
pub const BUILD: &str = env!("WRAPPER_BUILD");

/// The engine that compiles for a target. None means this very CPU.
#[cfg(feature = "compiler")]
pub fn compiler(target: Option<&str>) -> Result<Engine> {
    Engine::new(&engine::config(target, BUILD)?)
}

/// Compiles a component, for [`Sandbox::load`].
#[cfg(feature = "compiler")]
pub fn compile(target: Option<&str>, component: &[u8]) -> Result<Vec<u8>> {
    compiler(target)?.precompile_component(component)
}

/// An engine, and everything that a guest may import.
pub struct Sandbox {
    engine: Engine,
    code: Code,
}

impl Sandbox {
    /// Makes the engine, for guests that have so much memory. Fails only where the system has no memory for it.
    pub fn new(code: Code, memory: u64) -> Result<Self> {
        let mut config = engine::config(code.target(), BUILD)?;
        config.memory_reservation_for_growth(limits::growth(memory));
        // To set a compiler up takes longer than to load a small guest.
        #[cfg(feature = "compiler")]
        config.enable_compiler(false);
        Ok(Self { engine: Engine::new(&config)?, code })
    }

    /// What it runs.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The engine that a component must be made for.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Loads what was compiled.
    ///
    /// # Safety
    ///
    /// The bytes are the output of [`compile`] or of the build script: others could make this process do anything.
    pub unsafe fn load(&self, compiled: &[u8]) -> Result<Component> {
        // SAFETY: the caller's.
        unsafe { Component::deserialize(&self.engine, compiled) }
    }

    /// The same with a file, which is mapped.
    ///
    /// # Safety
    ///
    /// As with [`Sandbox::load`], and nobody changes the file while the component lives.
    pub unsafe fn load_file(&self, path: &Path) -> Result<Component> {
        // SAFETY: the caller's.
        unsafe { Component::deserialize_file(&self.engine, path) }
    }

    /// The same with bytes that stay where they are, such as a built-in's.
    ///
    /// # Safety
    ///
    /// As with [`Sandbox::load`].
    pub unsafe fn load_in_place(&self, compiled: &'static [u8]) -> Result<Component> {
        // SAFETY: the caller's; the bytes are never changed and never go away.
        unsafe { Component::deserialize_raw(&self.engine, compiled.into()) }
    }

    /// The interfaces that a component imports, by name.
    pub fn imports(&self, component: &Component) -> Vec<String> {
        component.component_type().imports(&self.engine).map(|(name, _)| name.to_owned()).collect()
    }

    /// Checks every import of a component against what is granted. Nothing of the guest runs.
    pub fn check(&self, component: &Component) -> Result<Guest> {
        let pre = linker::linker(&self.engine, &self.imports(component))?.instantiate_pre(component)?;
        let before_start = before_start::GuestIndices::new(&pre).ok();
        let after_exit = after_exit::GuestIndices::new(&pre).ok();
        Ok(Guest { pre, before_start, after_exit })
    }
}

/// A component that can be run: its imports are granted and its hooks are known.
pub struct Guest {
    pre: InstancePre<State>,
    before_start: Option<before_start::GuestIndices>,
    after_exit: Option<after_exit::GuestIndices>,
}

impl Guest {
    /// Whether it exports `before-start`.
    pub fn has_before_start(&self) -> bool {
        self.before_start.is_some()
    }

    /// Whether it exports `after-exit`.
    pub fn has_after_exit(&self) -> bool {
        self.after_exit.is_some()
    }

    /// A new instance, for one hook. What the guest does at its start is done.
    pub async fn instantiate(&self, store: &mut Store<State>) -> Result<Instance> {
        self.pre.instantiate_async(store).await
    }

    /// Runs the before-start hook. Does nothing where there is none.
    pub async fn before_start(&self, store: &mut Store<State>, instance: &Instance) -> Result<Result<(), String>> {
        let Some(hook) = &self.before_start else { return Ok(Ok(())) };
        hook.load(&mut *store, instance)?.call_run(store).await
    }

    /// Runs the after-exit hook. Does nothing where there is none.
    pub async fn after_exit(
        &self,
        store: &mut Store<State>,
        instance: &Instance,
        status: &ExitStatus,
    ) -> Result<Result<(), String>> {
        let Some(hook) = &self.after_exit else { return Ok(Ok(())) };
        hook.load(&mut *store, instance)?.call_run(store, status).await
    }

    /// A store for one run, with every limit in force. A guest that spins notices them at a [`Guest::ticks`].
    pub fn store(&self, state: State) -> Store<State> {
        let mut store = Store::new(self.pre.engine(), state);
        store.limiter(|state| &mut state.limiter);
        store.set_hostcall_fuel(limits::HOSTCALL_BYTES);
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        store
    }

    /// What is to be called at every [`limits::TICK`], while a guest runs: compiled code reads the engine's epoch at every
    /// loop and call, and yields when it has moved on. Nothing else lets the async runtime look at the deadline of a guest
    /// that never calls the host. It may be called in a signal handler.
    pub fn ticks(&self) -> impl Fn() + Send + Sync + use<> {
        let engine = self.pre.engine().clone();
        move || engine.increment_epoch()
    }
}
