//! Signals, blocked and waited for.
//!
//! All are blocked from the first moment of `main`. The kernel then keeps a signal until it is asked for, so that one that
//! arrives before the job exists reaches the job once it does, and none runs a handler or ends the wrapper.

use std::{io, mem, process, ptr, time::Instant};

/// Signals sent to this process are blocked and can be waited for.
#[derive(Debug)]
pub struct Signals {
    blocked: libc::sigset_t,
    callers_mask: libc::sigset_t,
}

/// A signal that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal {
    /// Its number.
    pub number: i32,
    /// Whether a key at the terminal made it, such as Ctrl-C. The kernel sends such a signal to every process of the
    /// foreground group, so the job has it already.
    pub from_terminal: bool,
    /// Whether the wrapper made it itself, such as SIGPIPE by writing to a closed stderr.
    pub own: bool,
}

impl Signals {
    /// Blocks all signals but those that stop a process at the terminal, for this thread and those it will start.
    pub fn block() -> Self {
        // SAFETY: sigset_t is plain data; each call gets valid pointers to it, and none keeps them.
        unsafe {
            let mut blocked = mem::zeroed();
            let mut callers_mask = mem::zeroed();
            libc::sigfillset(&mut blocked);
            for stop in [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU] {
                libc::sigdelset(&mut blocked, stop);
            }
            let result = libc::pthread_sigmask(libc::SIG_SETMASK, &blocked, &mut callers_mask);
            assert_eq!(result, 0, "pthread_sigmask fails only for an unknown first argument");
            // Where the caller ignores SIGCHLD the kernel would throw the job's exit status away (waitpid(2), NOTES).
            libc::signal(libc::SIGCHLD, libc::SIG_DFL);
            Self { blocked, callers_mask }
        }
    }

    /// Waits for the next signal, until the deadline if there is one. None when it passes.
    pub fn wait(&self, deadline: Option<Instant>) -> Option<Signal> {
        loop {
            // SAFETY: the pointers are to valid values of the right types for the duration of the call.
            let (number, info) = unsafe {
                let mut info: libc::siginfo_t = mem::zeroed();
                let number = match deadline {
                    None => libc::sigwaitinfo(&self.blocked, &mut info),
                    Some(deadline) => {
                        let left = deadline.saturating_duration_since(Instant::now());
                        let left = libc::timespec {
                            tv_sec: left.as_secs().try_into().unwrap_or(libc::time_t::MAX),
                            tv_nsec: left.subsec_nanos().into(),
                        };
                        libc::sigtimedwait(&self.blocked, &mut info, &left)
                    }
                };
                (number, info)
            };
            if number > 0 {
                // SAFETY: si_pid is there for every signal that a process sent, and is a plain number for others.
                let sender = unsafe { info.si_pid() };
                let own = info.si_code <= 0 && u32::try_from(sender) == Ok(process::id());
                return Some(Signal { number, from_terminal: info.si_code == libc::SI_KERNEL, own });
            }
            match io::Error::last_os_error().raw_os_error() {
                Some(libc::EINTR) => {} // stopped and continued
                _ => return None,
            }
        }
    }

    /// In a child between fork and exec: gives the job the mask that the wrapper was started with.
    pub(super) fn restore_callers_mask(callers_mask: &libc::sigset_t) -> io::Result<()> {
        // SAFETY: async-signal-safe per POSIX, and the pointer is valid; no old mask is asked for.
        match unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, callers_mask, ptr::null_mut()) } {
            0 => Ok(()),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }

    pub(super) fn callers_mask(&self) -> libc::sigset_t {
        self.callers_mask
    }
}

/// A signal's name, such as SIGTERM, or its number in words where it has none.
pub fn signal_name(number: i32) -> String {
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM",
        "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF",
        "WINCH", "IO", "PWR", "SYS",
    ];
    match usize::try_from(number).ok().and_then(|number| NAMES.get(number.checked_sub(1)?)) {
        Some(name) => format!("SIG{name}"),
        None => format!("signal {number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::signal_name;

    #[test]
    fn signals_have_the_names_of_the_manual_page() {
        for (number, name) in [(libc::SIGHUP, "SIGHUP"), (libc::SIGKILL, "SIGKILL"), (libc::SIGSYS, "SIGSYS")] {
            assert_eq!(signal_name(number), name);
        }
        assert_eq!(signal_name(34), "signal 34");
        assert_eq!(signal_name(0), "signal 0");
    }
}
