//! Collecting children: the job, and the orphans that an init inherits.

use super::{ExitStatus, Signal};
use std::{io, os::unix::process::ExitStatusExt as _, process};

/// What became of a child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It ended.
    Ended(ExitStatus),
    /// A signal stopped it.
    Stopped(Signal),
}

/// Collects every child that has ended, and tells what became of each. SIGCHLD is one signal for any number of children, so
/// all are asked after. An error is one of the system, such as a seccomp filter that refuses to wait.
pub fn reap_all(mut tell: impl FnMut(libc::pid_t, Change)) -> io::Result<()> {
    loop {
        let mut status = 0;
        // SAFETY: the pointer is to a valid integer for the duration of the call.
        let pid = unsafe { libc::waitpid(-1, &mut status, libc::WNOHANG | libc::WUNTRACED) };
        if pid <= 0 {
            let error = io::Error::last_os_error();
            return if pid == 0 || error.raw_os_error() == Some(libc::ECHILD) { Ok(()) } else { Err(error) };
        }
        let status = process::ExitStatus::from_raw(status);
        tell(
            pid,
            match status.stopped_signal().and_then(Signal::new) {
                Some(signal) => Change::Stopped(signal),
                None => Change::Ended(status.into()),
            },
        );
    }
}

/// Whether there is any child, running or ended.
pub fn has_children() -> bool {
    // SAFETY: siginfo_t is plain data, and the pointer to it is valid; WNOWAIT leaves the child as it is.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        libc::waitid(libc::P_ALL, 0, &mut info, libc::WEXITED | libc::WNOHANG | libc::WNOWAIT) == 0
    }
}
