//! Job control: a job that is stopped, and one that goes on, at a terminal or without one.

use super::{Job, Signal, Supervisor, terminal::Terminal};
use std::process;

impl Supervisor {
    /// The job was stopped. Where a shell looks after the wrapper, the wrapper stops too, and with it the rest of its group,
    /// as a key would have done, so that the shell sees it and its `fg` and `bg` work. Where nobody does, it goes on.
    pub(super) fn job_stopped(&mut self, signal: Signal, job: &Job) {
        let wants_terminal = matches!(signal, Signal::TTIN | Signal::TTOU);
        if wants_terminal && self.terminal.is_none() {
            self.terminal = Terminal::open();
        }
        let is_init = process::id() == 1;
        // SAFETY: no pointers. A session leader has no shell above it, and process 1 none in its own namespace.
        let shell_above = !is_init
            && self.terminal.is_some()
            && unsafe { libc::getsid(0) != libc::getpid() && libc::getsid(libc::getppid()) == libc::getsid(0) };
        match self.terminal {
            // It has opened the terminal itself, or only now, and is meant to have it.
            Some(terminal) if wants_terminal && terminal.is_ours() => self.go_on(job),
            Some(terminal) if shell_above => {
                terminal.take_back_from(job.group());
                // SAFETY: no pointers. Those of the group that do not stop by it have their reasons; the wrapper has it
                // blocked. The second call returns when the wrapper is continued: SIGCONT then waits to be passed on.
                unsafe {
                    libc::kill(0, Signal::TSTP.number());
                    libc::raise(Signal::STOP.number());
                }
            }
            // In the background it would be stopped again at once, and again.
            Some(terminal) if terminal.is_ours() || terminal.is_of(job.group()) => self.undo_stop(signal, job),
            // A SIGSTOP is somebody's who will continue it.
            None if is_init && signal != Signal::STOP => self.undo_stop(signal, job),
            _ => {}
        }
    }

    fn undo_stop(&self, signal: Signal, job: &Job) {
        tracing::info!("{signal} undone: nobody is there to continue the job");
        self.go_on(job);
    }

    /// A shell's `fg` or `bg`: all of the job goes on, as all of it was stopped by the key, and after `fg` with the terminal.
    pub(super) fn go_on(&self, job: &Job) {
        if let Some(terminal) = self.terminal.filter(|terminal| terminal.is_ours()) {
            terminal.give_to(job.group());
        }
        tracing::debug!("{} passed on to the group", Signal::CONT);
        // SAFETY: no pointers; the group exists, as the job is not reaped.
        unsafe { libc::kill(-job.group(), Signal::CONT.number()) };
    }

    pub(super) fn take_terminal_back(&self, job: Option<&Job>) {
        match (self.terminal, job) {
            (Some(terminal), Some(job)) => terminal.take_back_from(job.group()),
            // A child that could not be executed had it; its group is gone with it.
            (Some(terminal), None) => terminal.give_to(terminal.own_group()),
            (None, _) => {}
        }
    }
}
