//! What the wrapper tells of a run: lines of log while it goes on, and an account of it when it is over.

mod account;
mod log;
mod words;

pub use account::{Account, HookResult, Outcome};
pub use log::{LogFormat, LogLevel, end_at_once, end_without_memory, init};
pub use words::{LONGEST, in_json, millis, one_line, os_words, printable, size};
