//! Signals, blocked and waited for.
//!
//! All are blocked from before `main`. The kernel then keeps a signal until it is asked for, so that one that
//! arrives before the job exists reaches the job once it does, and none runs a handler, stops or ends the wrapper. What
//! cannot be blocked is a fault of the wrapper's own: the kernel ends a process that faults with the signal blocked.

use super::{
    before_main::{callers_dispositions, callers_mask},
    signal::Signal,
};
use std::{io, mem, process, ptr, time::Instant};

/// Signals sent to this process are blocked and can be waited for.
#[derive(Debug)]
pub struct Signals {
    /// This process, asked for once: a signal on its way to the job is not to wait for it.
    own: u32,
    blocked: libc::sigset_t,
    callers: CallersSignals,
}

/// What the caller had given this process, for the job to have again.
#[derive(Clone, Copy, Debug)]
pub(super) struct CallersSignals {
    mask: libc::sigset_t,
    dispositions: [(libc::c_int, libc::sighandler_t); 2],
}

/// A signal that arrived, and what came with it.
#[derive(Clone, Copy, Debug)]
pub struct Arrived {
    /// Which.
    pub signal: Signal,
    /// Whether the wrapper made it itself, such as SIGPIPE by writing to a closed stderr.
    pub own: bool,
    /// The value that a real-time signal carries (sigqueue(3)).
    pub(super) value: Option<libc::sigval>,
}

impl Signals {
    /// Takes over the signals, which are blocked since before `main`.
    pub fn take() -> Self {
        // SAFETY: sigset_t is plain data, and the pointer is valid. Where the caller ignores SIGCHLD the kernel would throw
        // the job's exit status away (waitpid(2), NOTES).
        let blocked = unsafe {
            let mut blocked = mem::zeroed();
            libc::sigfillset(&mut blocked);
            libc::signal(libc::SIGCHLD, libc::SIG_DFL);
            // A closed stderr is no reason to be told, or to end.
            libc::signal(libc::SIGPIPE, libc::SIG_IGN);
            blocked
        };
        let callers = CallersSignals { mask: callers_mask(), dispositions: callers_dispositions() };
        Self { own: process::id(), blocked, callers }
    }

    /// Gives the signals back: each does again what the caller had it do.
    pub fn release(self) {
        // An error would leave them blocked, which does no harm.
        drop(self.callers.restore());
    }

    /// Waits for the next signal, until the deadline if there is one. None when it passes.
    pub fn wait(&self, deadline: Option<Instant>) -> Option<Arrived> {
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
            match Signal::new(number) {
                Some(signal) => return Some(arrived(signal, &info, self.own)),
                // Stopped and continued: wait on.
                None if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
                None => return None,
            }
        }
    }

    pub(super) fn callers(&self) -> CallersSignals {
        self.callers
    }
}

fn arrived(signal: Signal, info: &libc::siginfo_t, own: u32) -> Arrived {
    // si_code is at most 0 for what a process sent (sigaction(2)).
    let from_process = info.si_code <= 0;
    // SAFETY: the fields are there for every signal that a process sent, and are plain numbers for others.
    let (sender, value) = unsafe { (info.si_pid(), info.si_value()) };
    Arrived {
        signal,
        own: from_process && u32::try_from(sender) == Ok(own),
        value: (info.si_code == libc::SI_QUEUE).then_some(value),
    }
}

impl CallersSignals {
    /// In a child between fork and exec: gives the job the dispositions and the mask that the wrapper was started with.
    pub(super) fn restore(&self) -> io::Result<()> {
        // SAFETY: both calls are async-signal-safe, and the pointer is valid; no old mask is asked for.
        unsafe {
            for (signal, disposition) in self.dispositions {
                libc::signal(signal, disposition);
            }
            match libc::pthread_sigmask(libc::SIG_SETMASK, &self.mask, ptr::null_mut()) {
                0 => Ok(()),
                error => Err(io::Error::from_raw_os_error(error)),
            }
        }
    }
}
