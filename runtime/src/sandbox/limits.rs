//! What a guest may use up. Every bound of the sandbox that is a number is here, with its reason.

use std::time::Duration;
use wasmtime::{ResourceLimiter, Result};

/// Memory of one run of a hook by default, all its linear memories together, in bytes; `memory=` says otherwise.
/// A Rust or C hook needs one or two MiB, one in Python or JavaScript 20 to 40.
pub const MEMORY: u64 = 64 << 20;
/// Elements of all tables together. A Go or Python guest has some ten thousand functions in them.
const TABLE_ELEMENTS: usize = 200_000;
/// Core instances of one component. Language runtimes come as a dozen modules with their adapters.
const INSTANCES: usize = 100;
/// Memories and tables, each: one a core instance.
const MEMORIES_AND_TABLES: usize = 100;

/// Host memory that one call may make the host allocate for its arguments, in bytes: fuel of the component model.
pub const HOSTCALL_BYTES: usize = 16 << 20;
/// Resources (streams, requests, pollables, …) that a guest may hold at once: eight for each of its [`REQUESTS`], as some languages
/// free them late.
pub const HANDLES: usize = 8 * REQUESTS as usize;
/// Random bytes of one call. A seed is 32.
pub const RANDOM_BYTES: u64 = 64 << 10;

/// Log lines of one run of a hook, in bytes as they are written in JSON. Some thousand lines.
pub const LOG_BYTES: usize = 1 << 20;

/// Requests of one run of a hook: a wait that polls every 10 ms for a minute needs 6,000.
pub const REQUESTS: u32 = 10_000;
/// Requests at a time.
pub const CONCURRENT_REQUESTS: usize = 16;
/// The body of a request, in bytes.
pub const REQUEST_BODY: usize = 4 << 20;
/// The body of a response, in bytes.
pub const RESPONSE_BODY: u64 = 4 << 20;
/// The head of a response, in bytes, and what is buffered of it.
pub const RESPONSE_HEAD: usize = 64 << 10;
/// Header fields of a response; what Envoy has by default (`max_response_headers_count`).
pub const RESPONSE_HEADERS: usize = 100;
/// Header fields of a response of which the status alone counts: as many as fit into its head, nearly.
pub const STATUS_HEADERS: usize = 2_000;
/// The body of such a response, in bytes, until the hook hangs up; and how long that may take.
pub const HEARD_OUT: (usize, Duration) = (1 << 20, Duration::from_secs(10));
/// What a hook sees of that body, in bytes. A message of an error is some hundred.
pub const STATUS_BODY: usize = 4 << 10;
/// Header fields of a request, in bytes of host memory.
pub const REQUEST_HEADERS: usize = 64 << 10;
/// Until a connection of `wasi:http` stands, if the hook sets no time. It takes microseconds unless the server's queue of
/// connections is full.
pub const CONNECT: Duration = Duration::from_secs(5);
/// Until a connection is given up and tried anew.
pub const CONNECT_ATTEMPT: Duration = Duration::from_millis(500);

/// A plugin's file, in bytes. A whole Python in one is 18 MB.
pub const PLUGIN_FILE: u64 = 128 << 20;
/// A compiled plugin that is kept in memory while the job runs, in bytes: the container is charged for it, and no process that
/// could be ended for it. The largest of the five languages' is 70 MB, as machine code.
pub const COMPILED: usize = 96 << 20;
/// Address space for compiling a plugin, in bytes. A whole Python takes 400 MB (measured), a hostile file all there is.
pub const COMPILER_MEMORY: u64 = 1 << 30;

/// Address space of the process that runs the hooks, beside a guest's own memory, in bytes. A run takes 20 MiB of it, and
/// [`growth`] for each linear memory, of which most is never touched; strings that a guest has the host keep take the rest.
const HOST_MEMORY: u64 = 256 << 20;

/// Address space that is reserved for the growth of each linear memory of a guest that has so much, in bytes: all of it, as memory
/// that moves is there twice. A guest of 1 GiB got 576 MiB with 64 MiB at a time (measured).
pub const fn growth(memory: u64) -> u64 {
    if memory > MEMORY { memory } else { MEMORY }
}

/// Address space of the process that runs a hook with so much memory, in bytes.
pub const fn address_space(memory: u64) -> u64 {
    memory.saturating_add(HOST_MEMORY).saturating_add(growth(memory) - MEMORY)
}

/// The time on a CPU between two ticks, at which a spinning guest yields.
pub const TICK: Duration = Duration::from_millis(10);

/// Keeps one run of a hook within its memory, and remembers whether it wanted more.
#[derive(Debug)]
pub struct Limiter {
    memory: u64,
    memory_left: u64,
    /// What was given last, which may turn out not to be there.
    last: u64,
    table_elements_left: usize,
    /// Whether memory was refused: then this is the likely cause of what fails next.
    pub memory_refused: bool,
}

impl Limiter {
    /// `memory` in bytes, for all linear memories together.
    pub fn new(memory: u64) -> Self {
        Self { memory, memory_left: memory, last: 0, table_elements_left: TABLE_ELEMENTS, memory_refused: false }
    }

    /// The memory that was given, in bytes. A linear memory never shrinks, so this is the most there was at once.
    pub fn memory_given(&self) -> u64 {
        self.memory - self.memory_left
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        let wanted = (desired - current) as u64;
        let left = self.memory_left.checked_sub(wanted);
        self.memory_refused |= left.is_none();
        self.last = left.map_or(0, |_| wanted);
        self.memory_left = left.unwrap_or(self.memory_left);
        Ok(left.is_some())
    }

    /// The system had none to give, or none was granted.
    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> Result<()> {
        self.memory_left += std::mem::take(&mut self.last);
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        let left = self.table_elements_left.checked_sub(desired - current);
        self.table_elements_left = left.unwrap_or(self.table_elements_left);
        Ok(left.is_some())
    }

    fn instances(&self) -> usize {
        INSTANCES
    }

    fn tables(&self) -> usize {
        MEMORIES_AND_TABLES
    }

    fn memories(&self) -> usize {
        MEMORIES_AND_TABLES
    }
}
