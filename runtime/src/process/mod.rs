//! The init: spawn, signals, reaping, exit status. It knows nothing of WebAssembly, and all libc calls are here.

mod signals;
mod spawn;
mod status;
mod stderr;
mod supervisor;

pub use signals::{Signal, Signals, signal_name};
pub use spawn::{Job, spawn};
pub use status::{ExitStatus, code};
pub use stderr::Stderr;
pub use supervisor::{OnSignal, Supervisor, Waited, wake};
