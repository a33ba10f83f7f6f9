//! The init's loop: wait for a signal, pass it on, reap whoever ended.

use super::{ExitStatus, Job, Signal, Signals, signal_name};
use std::{
    io,
    os::unix::process::ExitStatusExt as _,
    process,
    sync::mpsc::{Receiver, TryRecvError},
    time::Instant,
};

/// Waits for processes and for the wrapper's own hooks. It has no thread and no timer: it sleeps in one system call.
#[derive(Debug)]
pub struct Supervisor {
    signals: Signals,
}

/// What ended a wait for hooks.
#[derive(Debug, PartialEq, Eq)]
pub enum Waited<T> {
    /// They are done and this is what they say.
    Done(T),
    /// Their thread ended without a word: it panicked, which is a fault of the wrapper's own.
    Died,
    /// The deadline passed.
    TimedOut,
    /// A signal asked the wrapper to end.
    Signaled(i32),
}

/// Whether a wait for hooks goes on when a signal asks the wrapper to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnSignal {
    /// Nothing has started yet: give up.
    Return,
    /// The job is over, and so are its signals; what is left to do is bounded by its deadline.
    Ignore,
}

impl Supervisor {
    /// Takes the signals over, from now on.
    pub fn new(signals: Signals) -> Self {
        Self { signals }
    }

    /// The blocked signals, for the spawn.
    pub fn signals(&self) -> &Signals {
        &self.signals
    }

    /// Waits until the job has ended, passing signals on to it and reaping orphans meanwhile.
    pub fn wait_for_job(&self, job: &Job) -> ExitStatus {
        loop {
            if let Some(status) = reap(job.pid) {
                return status;
            }
            match self.signals.wait(None) {
                Some(signal) if signal.number != libc::SIGCHLD && !signal.own => forward(signal, job),
                _ => {}
            }
        }
    }

    /// Waits for a message from a thread that calls [`wake`] after sending it, reaping orphans meanwhile.
    pub fn wait_for<T>(&self, receiver: &Receiver<T>, deadline: Instant, on_signal: OnSignal) -> Waited<T> {
        loop {
            reap(0);
            match receiver.try_recv() {
                Ok(message) => return Waited::Done(message),
                Err(TryRecvError::Disconnected) => return Waited::Died,
                Err(TryRecvError::Empty) => {}
            }
            match self.signals.wait(Some(deadline)) {
                None => return Waited::TimedOut,
                Some(Signal { number, own: false, .. }) if ends_a_process(number) => match on_signal {
                    OnSignal::Return => return Waited::Signaled(number),
                    OnSignal::Ignore => {
                        tracing::info!("{} ignored: the job has ended, hooks are running", signal_name(number))
                    }
                },
                Some(_) => {}
            }
        }
    }
}

/// Wakes the thread in [`Supervisor::wait_for`]. A pending SIGCHLD is kept, so no wake-up is lost.
pub fn wake() {
    // SAFETY: no pointers.
    unsafe { libc::kill(process::id() as libc::pid_t, libc::SIGCHLD) };
}

/// Collects every child that has ended, the job among them or not; an init inherits orphans that it never started.
fn reap(job: u32) -> Option<ExitStatus> {
    let mut job_status = None;
    loop {
        let mut status = 0;
        // SAFETY: the pointer is to a valid integer for the duration of the call.
        let pid = unsafe { libc::waitpid(-1, &mut status, libc::WNOHANG) };
        if pid == job as libc::pid_t && pid > 0 {
            job_status = Some(process::ExitStatus::from_raw(status).into());
        }
        if pid <= 0 {
            return job_status;
        }
    }
}

/// Sends the job what was sent to the wrapper.
fn forward(signal: Signal, job: &Job) {
    let name = signal_name(signal.number);
    if signal.from_terminal {
        tracing::debug!("{name} from the terminal: the job has it too");
        return;
    }
    // SAFETY: no pointers. The job is not reaped yet, so its id is its own.
    if unsafe { libc::kill(job.pid as libc::pid_t, signal.number) } == 0 {
        tracing::debug!("{name} passed on");
    } else {
        tracing::warn!("{name} could not be passed on: {}", io::Error::last_os_error());
    }
}

/// Whether a signal's default action is to end the process that gets it.
fn ends_a_process(number: i32) -> bool {
    !matches!(number, libc::SIGCHLD | libc::SIGCONT | libc::SIGURG | libc::SIGWINCH)
}
