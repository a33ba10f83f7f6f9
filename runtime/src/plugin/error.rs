//! Why a plugin cannot be used, in words.

use super::Sha256;
use crate::{
    process::IsolationError,
    report::{os_words, size},
    sandbox::{BUILD, limits},
};
use std::io;

/// The interfaces of this version of the contract.
const CONTRACT: &str = "wrapper:hook@0.1";

/// The last part of its version: who is built for a later one may need what is not here.
pub(super) const PATCH: u64 = 0;

/// How a compiled plugin is made.
const COMPILE: &str = if cfg!(target_endian = "big") {
    "`wrapper-plugin compile PLUGIN.wasm -o PLUGIN.cwasm --target pulley64be`"
} else {
    "`wrapper-plugin compile PLUGIN.wasm -o PLUGIN.cwasm`"
};

/// Why a plugin cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot be read: {}", os_words(.0))]
    Unreadable(io::Error),
    /// A folder, a device, a pipe.
    #[error("is not a regular file")]
    NotAFile,
    /// Nothing in it.
    #[error("is empty")]
    Empty,
    /// More than any plugin has.
    #[error("has more than {} MiB", limits::PLUGIN_FILE >> 20)]
    TooLarge,
    /// Not the file that was meant.
    #[error("has the SHA-256 digest {found}, not {expected} as its sha256= says")]
    OtherDigest {
        /// The file's.
        found: Sha256,
        /// The one asked for.
        expected: Sha256,
    },
    /// Not the bytes that were checked.
    #[error("has changed since it was checked, before the job")]
    Changed,
    /// In the cache: another file's, or damaged.
    #[error("is not what was compiled from it")]
    NotWhole,
    /// Something else than WebAssembly.
    #[error("is not WebAssembly")]
    NotWasm,
    /// A module that has not been made a component.
    #[error("is a core WebAssembly module, not a component; make it one with `wrapper-plugin component`")]
    CoreModule,
    /// A .cwasm that is none.
    #[error("is not a compiled plugin; make one with {COMPILE}")]
    NotCompiled,
    /// A .cwasm for another wrapper or another CPU.
    #[error("was not compiled for {BUILD} on this CPU ({0}); compile it again: {COMPILE}")]
    OtherBuild(String),
    /// Machine code on a file system that does not let it run.
    #[error(
        "is machine code in a place that is mounted noexec; put it elsewhere, or compile it to bytecode: {COMPILE}"
    )]
    NoExec,
    /// This build takes compiled plugins only.
    #[error("cannot be compiled, as this wrapper is the slim one; compile it beforehand: {COMPILE}")]
    NoCompiler,
    /// WebAssembly with a fault in it, such as a missing end.
    #[error("is not a valid component: {0}")]
    Invalid(String),
    /// WebAssembly that is valid, and asks for more than there is.
    #[error("needs {0}, which this wrapper does not run; compile it without")]
    Feature(&'static str),
    /// What came of it would lie in memory that the job may need.
    #[error(
        "takes more than {} MiB when it is compiled; compile it ahead of time or set --cache: {COMPILE}",
        limits::COMPILED >> 20
    )]
    CompiledTooLarge,
    /// Built for the WASI that comes next.
    #[error(
        "is built for WASI 0.3, and this wrapper runs WASI 0.2; build it for wasm32-wasip2 or wasm32-unknown-unknown"
    )]
    OtherWasi,
    /// Built against more of the contract than there is.
    #[error("is built for {found}, of which this wrapper has only {CONTRACT}.{PATCH}; take a newer wrapper")]
    Newer {
        /// The interface in question.
        found: String,
    },
    /// Built against a contract that this wrapper does not have.
    #[error("is built for {found}; this wrapper runs {CONTRACT}.x")]
    OtherVersion {
        /// The interface in question.
        found: String,
    },
    /// A component that is no plugin.
    #[error("exports no hook: a plugin exports wrapper:hook/after-exit or wrapper:hook/before-start, this exports {0}")]
    NoHook(String),
    /// It exports a hook under the right name that takes or returns something else.
    #[error("exports {0}, but not as wrapper:hook defines it")]
    OtherType(String),
    /// A key that has no meaning for it.
    #[error("has no {hook} hook, for which {key}= is")]
    NoSuchHook {
        /// The key.
        key: &'static str,
        /// The hook.
        hook: &'static str,
    },
    /// Its memory does not fit.
    #[error("begins with {} of memory, and has {}; memory= allows more", size(*needs), size(*granted))]
    Memory {
        /// What it declares, in bytes.
        needs: u64,
        /// What it may have, in bytes.
        granted: u64,
    },
    /// It asks for more than the sandbox has.
    #[error("cannot be granted what it imports: {0}")]
    Import(String),
    /// The system has no memory for the engine.
    #[error("the engine cannot be started: {0}")]
    Engine(String),
    /// The time is over for compiling plugins.
    #[error("takes too long to read and compile; --start-timeout allows more")]
    CompilerTooSlow,
    /// What the process that looked into it says.
    #[error("{0}")]
    Refused(String),
    /// That process could not be run, or did not survive the file.
    #[error("cannot be compiled: {0}")]
    NoCompilation(IsolationError),
}

/// What the end of a process means that looked into a plugin.
pub fn explain(error: IsolationError) -> LoadError {
    match error {
        IsolationError::Failed(why) => LoadError::Refused(why),
        IsolationError::TimedOut => LoadError::CompilerTooSlow,
        why => LoadError::NoCompilation(why),
    }
}
