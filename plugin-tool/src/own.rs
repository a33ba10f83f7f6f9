//! A process of this program's own: what looks after hooks takes over the signals and forks, which a process with threads and
//! a terminal must not.

use anyhow::{Context as _, Result};
use rustix::process::{Signal, set_parent_process_death_signal};
use std::{ffi::OsStr, process::Command};

/// A hidden command of this program.
pub fn command<I: IntoIterator<Item: AsRef<OsStr>>>(name: &str, arguments: I) -> Result<Command> {
    let program = std::env::current_exe().context("this program does not find its own file (is /proc mounted?)")?;
    let mut command = Command::new(program);
    command.arg(name).args(arguments);
    Ok(command)
}

/// In it: ends with the program that started it, whose Ctrl-C is for both.
pub fn end_with_parent() -> Result<()> {
    Ok(set_parent_process_death_signal(Some(Signal::KILL))?)
}
