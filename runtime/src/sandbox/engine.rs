//! One engine configuration, for the compiler in the build script and the runtime alike.
//!
//! What was compiled under another configuration is refused when it is loaded, so there is this one function.

use wasmtime::{Config, ModuleVersionStrategy, Result};

/// What guests are compiled to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Code {
    /// Pulley bytecode: the same bytes on every 64-bit little-endian CPU, and nothing executable is mapped at run time. A
    /// small guest takes as long as in machine code (measured: 2.03 ms against 2.08 ms a whole run).
    #[default]
    Pulley,
    /// This CPU's machine code, many times as fast in a loop.
    Native,
}

/// The stack of a guest's own calls, in bytes. A recursion deeper than this traps.
const WASM_STACK: usize = 256 << 10;

/// The stack that a guest and the host's functions it calls share, in bytes. Must exceed [`WASM_STACK`].
const ASYNC_STACK: usize = 512 << 10;

/// From wasmtime-environ's `obj` module. The flags are a number, whose low byte comes first or last.
const EF_WASMTIME_PULLEY64: u8 = 1 << 3;

impl Code {
    /// What compiled bytes are: wasmtime marks Pulley's in the flags of their ELF header (elf(5), `e_flags`).
    pub fn of(compiled: &[u8]) -> Self {
        match compiled.get(if cfg!(target_endian = "big") { 51 } else { 48 }) {
            Some(flags) if flags & EF_WASMTIME_PULLEY64 != 0 => Self::Pulley,
            _ => Self::Native,
        }
    }

    /// The target to compile for; none means this very CPU.
    pub fn target(self) -> Option<&'static str> {
        match self {
            Self::Pulley => Some(pulley(cfg!(target_endian = "big"))),
            Self::Native => None,
        }
    }
}

/// Bytecode is of two kinds: for CPUs whose numbers begin with the low byte, which is nearly all, and for the others.
pub fn pulley(big_endian: bool) -> &'static str {
    if big_endian { "pulley64be" } else { "pulley64" }
}

/// What an engine needs that compiles for a target or runs what was compiled. `build` is what compiled bytes are marked with:
/// they are trusted, so only the very same build may load them.
pub fn config(target: Option<&str>, build: &str) -> Result<Config> {
    let mut config = Config::new();
    if let Some(target) = target {
        config.target(target)?;
    }
    config
        .module_version(ModuleVersionStrategy::Custom(build.to_owned()))?
        // A spinning guest yields at every tick of the epoch, so that its deadline can be seen.
        .epoch_interruption(true)
        .concurrency_support(false)
        // By default a guest takes 4 GiB of address space and more for guards, which a pod under RLIMIT_AS does not
        // have. The price is explicit bounds checks. What is reserved for growth is for each sandbox to say: memory that
        // outgrows it is copied, and stands there twice meanwhile.
        .memory_reservation(0)
        // With no guard at all memory would be taken from the heap and zeroed page by page, though a guest touches a few
        // pages of its first mebibyte: 1.1 ms of a hook's 2.4 (measured).
        .memory_guard_size(64 << 10)
        .guard_before_linear_memory(false)
        // No handlers for SIGSEGV and the like in a process that is an init.
        .signals_based_traps(false)
        .max_wasm_stack(WASM_STACK)
        .async_stack_size(ASYNC_STACK)
        .generate_address_map(false)
        // A page-aligned image of the memory, to be mapped rather than copied, is larger than what a small guest begins
        // with; machine code is for those that are not small.
        .memory_init_cow(!target.is_some_and(|target| target.starts_with("pulley")));
    Ok(config)
}
