//! Facts about the job. Its arguments and environment are withheld: they may hold secrets.

use crate::{ExitStatus, bindings::wrapper::hook::job};
use std::time::{Duration, SystemTime};

/// The file name of the command, without its folder: `ls` for `/bin/ls -l`.
pub fn name() -> String {
    job::name()
}

/// Process id of the job. None before the start, and where the job never started.
pub fn pid() -> Option<u32> {
    job::pid()
}

/// When the job was started, to the millisecond. None before the start.
pub fn started_at() -> Option<SystemTime> {
    job::started_at().map(|milliseconds| SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds))
}

/// Time since the job was started, to the millisecond. It goes on after the job has ended. Zero before the start.
pub fn elapsed() -> Duration {
    Duration::from_millis(job::elapsed())
}

/// How the job ended. None until it has.
pub fn status() -> Option<ExitStatus> {
    job::status()
}

/// Whether a signal has asked the job or the wrapper to end by now. The pod may be killed soon, so a hook that waits for what
/// may never come gives up then.
pub fn asked_to_end() -> bool {
    job::asked_to_end()
}

/// From the job's start to its end, to the millisecond. None until it has ended, and where it never started.
pub fn duration() -> Option<Duration> {
    job::duration().map(Duration::from_millis)
}
