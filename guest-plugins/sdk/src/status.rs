//! How a job ended, in words.

use crate::ExitStatus;
use std::fmt;

impl ExitStatus {
    /// Whether the job ran and exited with code 0.
    pub fn success(&self) -> bool {
        matches!(self, Self::Exited(0))
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exited {code}"),
            Self::Signaled(signal) => write!(f, "was killed by signal {signal}"),
            Self::NotStarted(why) => write!(f, "was not started: {why}"),
        }
    }
}
