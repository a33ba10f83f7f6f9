//! Signals, blocked and waited for.
//!
//! All are blocked from before `main`. The kernel then keeps a signal until it is asked for, so that one that
//! arrives before the job exists reaches the job once it does, and none runs a handler, stops or ends the wrapper. What
//! cannot be blocked is a fault of the wrapper's own: the kernel ends a process that faults with the signal blocked.

use super::{
    alarm,
    before_main::{callers_dispositions, callers_mask},
    mask::Mask,
    signal::Signal,
};
use crate::report::os_words;
use std::{
    io, process,
    sync::Once,
    thread,
    time::{Duration, Instant},
};

/// Signals sent to this process are blocked and can be waited for.
#[derive(Debug)]
pub struct Signals {
    /// This process, asked for once: a signal on its way to the job is not to wait for it.
    own: u32,
    callers: CallersSignals,
}

/// What the caller had given this process, for the job to have again.
#[derive(Clone, Copy, Debug)]
pub(super) struct CallersSignals {
    mask: Mask,
    dispositions: [(libc::c_int, libc::sighandler_t); 3],
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
        // SAFETY: no pointers. Where the caller ignores SIGCHLD the kernel would throw the job's exit status away (waitpid(2),
        // NOTES).
        unsafe {
            libc::signal(libc::SIGCHLD, libc::SIG_DFL);
            // A closed stderr is no reason to be told, or to end.
            libc::signal(libc::SIGPIPE, libc::SIG_IGN);
        }
        let callers = CallersSignals { mask: callers_mask(), dispositions: callers_dispositions() };
        Self { own: process::id(), callers }
    }

    /// Gives the signals back: each does again what the caller had it do.
    pub fn release(self) {
        // An error would leave them blocked, which does no harm.
        drop(self.callers.restore());
    }

    /// Waits for the next signal, until the deadline if there is one. None if there is none, which may be before the deadline:
    /// who asks looks at the clock.
    pub fn wait(&self, deadline: Option<Instant>) -> Option<Arrived> {
        /// What is waited in the kernel's stead, if it does not do so.
        const PAUSE: Duration = Duration::from_millis(10);
        static TOLD: Once = Once::new();
        if alarm::came_meanwhile() {
            return Some(Arrived { signal: Signal::ALRM, own: false, value: None });
        }
        let left = || deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        match Mask::ALL.wait(left()) {
            Ok((number, info)) => return Signal::new(number).map(|signal| arrived(signal, &info, self.own)),
            // Stopped and continued.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                thread::sleep(PAUSE.min(left().unwrap_or(PAUSE)))
            }
            Err(error) => {
                TOLD.call_once(|| tracing::warn!("no signal can be passed on: {}", os_words(&error)));
                thread::sleep(PAUSE.min(left().unwrap_or(PAUSE)));
            }
        }
        None
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
        for (signal, disposition) in self.dispositions {
            // SAFETY: no pointers; the call is async-signal-safe, as is the next.
            unsafe { libc::signal(signal, disposition) };
        }
        self.mask.set().map(drop)
    }
}
