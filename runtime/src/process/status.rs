//! How a job ended, and the exit code that says so.

use super::Signal;
use std::os::unix::process::ExitStatusExt as _;
use std::{fmt, process::ExitStatus as Wait};

/// Exit codes of the wrapper's own, as `docker run`, `env` and POSIX shells use them.
/// <https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html#tag_19_08_02>
pub mod code {
    /// The wrapper itself refused: a bad option, a plugin that cannot be loaded, a failed before-start hook.
    pub const REFUSED: u8 = 125;
    /// The command was found and could not be executed.
    pub const NOT_EXECUTABLE: u8 = 126;
    /// The command was not found.
    pub const NOT_FOUND: u8 = 127;
    /// To this the number of the signal is added that ended the job.
    pub const SIGNALED: u8 = 128;
}

/// How the job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// It exited by itself, with this code.
    Exited(u8),
    /// A signal killed it.
    Signaled {
        /// The signal's number.
        signal: u8,
        /// Whether the kernel dumped its memory.
        core_dumped: bool,
    },
    /// It never ran.
    NotStarted {
        /// The reason, in a sentence.
        why: String,
        /// The wrapper's exit code that says so.
        code: u8,
    },
}

impl ExitStatus {
    /// A job that the wrapper refused to start.
    pub fn refused(why: impl Into<String>) -> Self {
        Self::NotStarted { why: why.into(), code: code::REFUSED }
    }

    /// A job that a signal came before.
    pub fn asked_to_end(signal: Signal) -> Self {
        Self::NotStarted { why: format!("{signal} came before its start"), code: signal.exit_code() }
    }

    /// The wrapper's exit code: the job's own, or 128 and the signal.
    pub fn code(&self) -> u8 {
        match self {
            Self::Exited(code) | Self::NotStarted { code, .. } => *code,
            Self::Signaled { signal, .. } => code::SIGNALED + signal,
        }
    }

    /// Whether the job ran and exited with 0.
    pub fn success(&self) -> bool {
        *self == Self::Exited(0)
    }
}

impl From<Wait> for ExitStatus {
    fn from(status: Wait) -> Self {
        // The kernel keeps an exit code in 8 bits and a signal's number in 7.
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Exited(code as u8),
            (None, signal) => Self::Signaled {
                signal: signal.expect("a process that ended either exited or was signaled") as u8,
                core_dumped: status.core_dumped(),
            },
        }
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exited {code}"),
            Self::Signaled { signal, core_dumped } => {
                match Signal::new(i32::from(*signal)) {
                    Some(signal) => write!(f, "was killed by {signal}")?,
                    None => write!(f, "was killed by signal {signal}")?,
                }
                if *core_dumped {
                    f.write_str(" (core dumped)")?;
                }
                Ok(())
            }
            Self::NotStarted { why, .. } => write!(f, "was not started: {why}"),
        }
    }
}
