//! The init: spawn, signals, reaping, terminal, exit status. It knows nothing of WebAssembly, and all libc calls are here.

mod alarm;
mod asked;
mod before_main;
mod descendants;
mod descriptors;
mod exit_map;
mod harden;
mod isolate;
mod job_control;
mod mask;
mod memory;
mod orphans;
mod program;
mod reap;
pub mod refused;
mod seccomp;
mod signal;
mod signals;
mod spawn;
mod status;
mod stderr;
mod supervisor;
mod terminal;
mod words;

pub use alarm::at_every;
pub use asked::Asked;
pub use exit_map::{ExitMap, Mapping};
pub use isolate::{Bounds, Isolated, IsolationError, Output, Prepared};
pub use memory::{most_of_a_child, taking_away, too_little_stack};
pub use signal::Signal;
pub use signals::{Arrived, Signals};
pub use spawn::Job;
pub use status::{ExitStatus, code};
pub use stderr::{LONGEST as LONGEST_LINE, Stderr, log_until};
pub use supervisor::{Behaviour, Moment, Supervisor};
pub use words::{Command, Words, called_as, environment};
