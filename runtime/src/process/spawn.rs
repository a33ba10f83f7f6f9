//! Starting the job.

use super::{ExitStatus, Signal, Signals, code, signals::CallersSignals, terminal::Terminal};
use crate::report::{os_words, printable};
use std::{
    ffi::{CStr, CString, OsString},
    io,
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

/// What the child needs between its start and its execution, all of it prepared: it allocates nothing.
struct Child<'a> {
    words: &'a [*const libc::c_char],
    callers: CallersSignals,
    terminal: Option<Terminal>,
    parent_death: Option<Signal>,
    wrapper: u32,
    /// Why it could not be executed, if it could not.
    failure: Option<io::Error>,
}

/// Stack of the child until it is executed, in bytes, beside the words of a script's command line: execvp puts the names
/// that it tries there, which are no longer than a path can be.
const STACK: usize = 64 << 10;

/// Starts a program with its arguments, found in `PATH` as `execvp` does, and returns when it is executed, or the status
/// that a shell would report where it cannot be.
///
/// It has the caller's streams, environment, working directory, signal mask and dispositions, a process group of its own,
/// and the terminal where there is one. `parent_death` is sent to it when the wrapper dies.
pub(super) fn spawn(
    program: &OsString,
    arguments: &[OsString],
    signals: &Signals,
    terminal: Option<Terminal>,
    parent_death: Option<Signal>,
) -> Result<Job, ExitStatus> {
    let name = printable(&program.to_string_lossy());
    let words: Result<Vec<_>, _> =
        std::iter::once(program).chain(arguments).map(|word| CString::new(word.as_bytes())).collect();
    // They come from a command line, where a zero byte would have been their end.
    let words = words.map_err(|error| not_started(&name, &error.into()))?;
    let pointers: Vec<_> = words.iter().map(|word| word.as_ptr()).chain([ptr::null()]).collect();
    let mut child = Child {
        words: &pointers,
        callers: signals.callers(),
        terminal: terminal.filter(|terminal| terminal.is_ours()),
        parent_death,
        wrapper: process::id(),
        failure: None,
    };
    let mut stack = Vec::<u128>::with_capacity((STACK + size_of_val(&pointers[..])) / size_of::<u128>());
    let (started, started_at) = (Instant::now(), SystemTime::now());
    // SAFETY: with these flags this thread, which is the only one, stands still until the child is executed or has ended, so
    // that the child has this memory for itself. It runs on a stack of its own that lives as long, makes async-signal-safe
    // calls, and handles no signal: they are blocked, and where the job's mask is restored none has a handler.
    let pid = unsafe {
        let top = stack.as_mut_ptr().add(stack.capacity());
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        libc::clone(execute, top.cast(), flags, (&raw mut child).cast())
    };
    match (u32::try_from(pid), child.failure) {
        (Ok(pid), None) => Ok(Job { pid, started_at, started }),
        (Ok(_), Some(error)) => {
            // SAFETY: the pointer is to a valid integer; the child is this one, and has no more to do than to end.
            unsafe { libc::waitpid(pid, &mut 0, 0) };
            Err(not_started(&name, &error))
        }
        (Err(_), _) => Err(not_started(&name, &io::Error::last_os_error())),
    }
}

/// In the child: becomes the job.
extern "C" fn execute(child: *mut libc::c_void) -> libc::c_int {
    // SAFETY: the pointer is to the parent's value, which nobody else uses until this has ended; the words end with a null.
    unsafe {
        let child = &mut *child.cast::<Child<'_>>();
        libc::setpgid(0, 0);
        if let Some(terminal) = child.terminal {
            // All signals are still blocked here, SIGTTOU among them.
            terminal.give_to(libc::getpid());
        }
        if let Some(signal) = child.parent_death {
            libc::prctl(libc::PR_SET_PDEATHSIG, signal.number());
            // The wrapper may have died before that.
            if libc::getppid() as u32 != child.wrapper {
                libc::kill(libc::getpid(), signal.number());
            }
        }
        child.failure = child.callers.restore().err();
        if child.failure.is_none() {
            libc::execvp(child.words[0], child.words.as_ptr());
            child.failure = Some(io::Error::last_os_error());
        }
        // The parent reads the failure. An emulator such as qemu-user makes a copy of the memory for the child, of which the
        // parent sees nothing: there the code alone tells.
        libc::_exit(child.failure.as_ref().map_or(code::NOT_EXECUTABLE, code_of).into())
    }
}

fn not_started(name: &str, error: &io::Error) -> ExitStatus {
    ExitStatus::NotStarted { why: format!("{name}: {}", os_words(error)), code: code_of(error) }
}

fn code_of(error: &io::Error) -> u8 {
    match error.kind() {
        io::ErrorKind::NotFound => code::NOT_FOUND,
        // No process, no memory, no descriptor: nothing is wrong with the command.
        io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory => code::REFUSED,
        _ if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)) => code::REFUSED,
        _ => code::NOT_EXECUTABLE,
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
