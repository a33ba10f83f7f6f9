//! Starting the job.

use super::{ExitStatus, Signal, Signals, code, terminal::Terminal};
use crate::report::{os_words, printable};
use std::{
    ffi::{CStr, OsString},
    io,
    os::unix::process::CommandExt as _,
    process::{self, Command},
    time::{Instant, SystemTime},
};

/// The job, running. What the wrapper knows of it from outside.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    /// Its process id, which is also that of its process group.
    pub pid: u32,
    /// When it was started, for people.
    pub started_at: SystemTime,
    /// When it was started, for measuring.
    pub started: Instant,
}

impl Job {
    /// Its process group.
    pub fn group(&self) -> libc::pid_t {
        self.pid as libc::pid_t
    }
}

/// Starts a program with its arguments, found in `PATH` as `execvp` does.
///
/// It has the caller's streams, environment, working directory, signal mask and dispositions, a process group of its own,
/// and the terminal where there is one. `parent_death` is sent to it when the wrapper dies.
///
/// Returns the status that a shell would report where it cannot be started.
pub(super) fn spawn(
    program: &OsString,
    arguments: &[OsString],
    signals: &Signals,
    terminal: Option<Terminal>,
    parent_death: Option<Signal>,
) -> Result<Job, ExitStatus> {
    let mut command = Command::new(program);
    command.args(arguments);
    let callers = signals.callers();
    let terminal = terminal.filter(|terminal| terminal.is_ours());
    let wrapper = process::id();
    // SAFETY: between fork and exec the closure makes async-signal-safe calls and allocates nothing.
    unsafe {
        command.pre_exec(move || {
            libc::setpgid(0, 0);
            if let Some(terminal) = terminal {
                // All signals are still blocked here, SIGTTOU among them.
                terminal.give_to(libc::getpid());
            }
            if let Some(signal) = parent_death {
                libc::prctl(libc::PR_SET_PDEATHSIG, signal.number());
                // The wrapper may have died before that.
                if libc::getppid() as u32 != wrapper {
                    libc::raise(signal.number());
                }
            }
            callers.restore()
        })
    };
    let (started, started_at) = (Instant::now(), SystemTime::now());
    match command.spawn() {
        Ok(child) => Ok(Job { pid: child.id(), started_at, started }),
        Err(error) => Err(ExitStatus::NotStarted {
            why: format!("{}: {}", printable(&program.to_string_lossy()), os_words(&error)),
            code: match error.kind() {
                io::ErrorKind::NotFound => code::NOT_FOUND,
                // No process, no memory, no descriptor: nothing is wrong with the command.
                io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory => code::REFUSED,
                _ if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)) => code::REFUSED,
                _ => code::NOT_EXECUTABLE,
            },
        }),
    }
}

/// The path by which the kernel was told to execute this program (getauxval(3), AT_EXECFN).
pub fn called_as() -> Option<&'static CStr> {
    // SAFETY: the kernel puts the string on the stack below `main`, where it stays as long as the process.
    unsafe {
        let name = libc::getauxval(libc::AT_EXECFN) as *const libc::c_char;
        (!name.is_null()).then(|| CStr::from_ptr(name))
    }
}
