//! Starting the job.

use super::{ExitStatus, Signals, code};
use crate::report::{os_words, printable};
use std::{
    ffi::OsString,
    io,
    os::unix::process::CommandExt as _,
    process::Command,
    time::{Instant, SystemTime},
};

/// The job, running. What the wrapper knows of it from outside.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    /// Its process id.
    pub pid: u32,
    /// When it was started, for people.
    pub started_at: SystemTime,
    /// When it was started, for measuring.
    pub started: Instant,
}

/// Starts a program with its arguments, found in `PATH` as `execvp` does, with the wrapper's own streams, environment and
/// working directory and the signal mask that the wrapper was started with.
///
/// Returns the status that a shell would report where it cannot be started.
pub fn spawn(program: &OsString, arguments: &[OsString], signals: &Signals) -> Result<Job, ExitStatus> {
    let mut command = Command::new(program);
    command.args(arguments);
    let callers_mask = signals.callers_mask();
    // SAFETY: between fork and exec the closure makes one async-signal-safe call and allocates nothing.
    unsafe { command.pre_exec(move || Signals::restore_callers_mask(&callers_mask)) };
    let (started, started_at) = (Instant::now(), SystemTime::now());
    match command.spawn() {
        Ok(child) => Ok(Job { pid: child.id(), started_at, started }),
        Err(error) => Err(ExitStatus::NotStarted {
            why: format!("{}: {}", printable(&program.to_string_lossy()), os_words(&error)),
            code: match error.kind() {
                io::ErrorKind::NotFound => code::NOT_FOUND,
                // No process, no memory: nothing is wrong with the command.
                io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory => code::REFUSED,
                _ => code::NOT_EXECUTABLE,
            },
        }),
    }
}
