//! Starting the job.

use super::{ExitStatus, Signal, Signals, code, terminal::Terminal};
use crate::report::{os_words, printable};
use std::{
    ffi::{CStr, CString, OsString},
    io::{self, PipeReader, Read as _, Write as _},
    os::unix::ffi::OsStrExt as _,
    process, ptr,
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

/// A job that has been forked; whether it can be executed is not known yet.
#[derive(Debug)]
pub(super) struct Starting {
    /// What it will be.
    pub job: Job,
    name: String,
    /// An error number, if it cannot; nothing, once it is executed.
    failure: PipeReader,
}

/// Starts a program with its arguments, found in `PATH` as `execvp` does.
///
/// It has the caller's streams, environment, working directory, signal mask and dispositions, a process group of its own,
/// and the terminal where there is one. `parent_death` is sent to it when the wrapper dies.
pub(super) fn spawn(
    program: &OsString,
    arguments: &[OsString],
    signals: &Signals,
    terminal: Option<Terminal>,
    parent_death: Option<Signal>,
) -> Result<Starting, ExitStatus> {
    let name = printable(&program.to_string_lossy());
    let callers = signals.callers();
    let terminal = terminal.filter(|terminal| terminal.is_ours());
    let wrapper = process::id();
    let words: Result<Vec<_>, _> =
        std::iter::once(program).chain(arguments).map(|word| CString::new(word.as_bytes())).collect();
    // They come from a command line, where a zero byte would have been their end.
    let words = words.map_err(|error| not_started(&name, &error.into()))?;
    let argv: Vec<_> = words.iter().map(|word| word.as_ptr()).chain([ptr::null()]).collect();
    let (failure, mut report) = io::pipe().map_err(|error| not_started(&name, &error))?;
    let (started, started_at) = (Instant::now(), SystemTime::now());
    // SAFETY: there is one thread. Between fork and exec the child makes async-signal-safe calls and allocates nothing; the
    // pointers are to C strings that live until then, and the list of them ends with a null.
    let pid = unsafe {
        match libc::fork() {
            0 => {
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
                let error = match callers.restore() {
                    Ok(()) => {
                        libc::execvp(argv[0], argv.as_ptr());
                        io::Error::last_os_error()
                    }
                    Err(error) => error,
                };
                // Where even this fails, the exit code says so.
                drop(report.write_all(&error.raw_os_error().unwrap_or_default().to_ne_bytes()));
                libc::_exit(code::NOT_EXECUTABLE.into())
            }
            pid => pid,
        }
    };
    drop(report);
    match u32::try_from(pid) {
        Ok(pid) => Ok(Starting { job: Job { pid, started_at, started }, name, failure }),
        Err(_) => Err(not_started(&name, &io::Error::last_os_error())),
    }
}

impl Starting {
    /// Waits until it is executed. Returns the status that a shell would report where it cannot be.
    pub fn finish(mut self) -> Result<Job, ExitStatus> {
        let mut number = [0; 4];
        match self.failure.read_exact(&mut number) {
            Ok(()) => {
                // SAFETY: the pointer is to a valid integer; the child is this one, and has no more to do than to end.
                unsafe { libc::waitpid(self.job.group(), &mut 0, 0) };
                Err(not_started(&self.name, &io::Error::from_raw_os_error(i32::from_ne_bytes(number))))
            }
            // It closed its end by being executed, or by its death.
            Err(_) => Ok(self.job),
        }
    }
}

fn not_started(name: &str, error: &io::Error) -> ExitStatus {
    ExitStatus::NotStarted {
        why: format!("{name}: {}", os_words(error)),
        code: match error.kind() {
            io::ErrorKind::NotFound => code::NOT_FOUND,
            // No process, no memory, no descriptor: nothing is wrong with the command.
            io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory => code::REFUSED,
            _ if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)) => code::REFUSED,
            _ => code::NOT_EXECUTABLE,
        },
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
