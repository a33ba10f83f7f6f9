//! Starting the job.

use super::{Command, ExitStatus, Signal, Signals, code, program, signals::CallersSignals, terminal::Terminal};
use crate::report::{os_words, printable};
use std::{
    env,
    ffi::{CStr, CString, NulError, OsStr, OsString},
    io,
    os::{
        fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    process,
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
    /// The files that may be the program, in the order of `PATH`.
    candidates: &'a [CString],
    command: Command,
    folder: Option<Folder>,
    callers: CallersSignals,
    terminal: Option<Terminal>,
    parent_death: Option<Signal>,
    wrapper: u32,
    /// Why it could not be executed, if it could not.
    failure: Option<io::Error>,
}

/// Stack of the child until it is executed, in bytes.
const STACK: usize = 16 << 10;

/// What runs a text without `#!`, as a shell has it; execvp(3) gives it all that is no program.
const SHELL: &CStr = c"/bin/sh";

/// Where a program is looked for if there is no `PATH`, as glibc has it.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// Starts a program with its arguments, found in `PATH` as `execvp` does, and returns when it is executed, or the status
/// that a shell would report where it cannot be.
///
/// It has the caller's streams, environment, working directory (which the wrapper leaves before, for `/`), signal mask and
/// dispositions, a process group of its own, and the terminal where there is one. `parent_death` is sent to it when the wrapper dies.
pub(super) fn spawn(
    command: Command,
    signals: &Signals,
    terminal: Option<Terminal>,
    parent_death: Option<Signal>,
) -> Result<Job, ExitStatus> {
    let program = command.program();
    let name = printable(&program.to_string_lossy());
    let candidates = candidates(program, env::var_os("PATH"));
    // They come from a command line and the environment, where a zero byte would have been their end.
    let candidates = candidates.map_err(|error| not_started(&name, &error.into()))?;
    let mut child = Child {
        candidates: &candidates,
        command,
        folder: Folder::leave(),
        callers: signals.callers(),
        terminal: terminal.filter(|terminal| terminal.is_ours()),
        parent_death,
        wrapper: process::id(),
        failure: None,
    };
    let mut stack = Vec::<u128>::with_capacity(STACK / size_of::<u128>());
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
            // Its name may be relative.
            let has_entered = child.folder.as_ref().is_some_and(Folder::enter);
            let why = candidates.iter().find_map(|candidate| program::explain(candidate, &error));
            if has_entered {
                Folder::leave();
            }
            let why = why.map_or_else(|| os_words(&error), |why| printable(&why));
            Err(ExitStatus::NotStarted { why: format!("{name}: {why}"), code: code_of(&error) })
        }
        // Nothing is wrong with the command.
        (Err(_), _) => {
            let error = io::Error::last_os_error();
            Err(ExitStatus::refused(format!("no process can be had for it (clone): {}", os_words(&error))))
        }
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
        if let Some(folder) = &child.folder {
            folder.enter();
        }
        child.failure = Some(match child.callers.restore() {
            Ok(()) => child.execute(),
            Err(error) => error,
        });
        // The parent reads the failure. An emulator such as qemu-user makes a copy of the memory for the child, of which the
        // parent sees nothing: there the code alone tells.
        libc::_exit(child.failure.as_ref().map_or(code::NOT_EXECUTABLE, code_of).into())
    }
}

impl Child<'_> {
    /// Executes the first of the files that can be. Returns why none can: as a shell, the one that may not be executed is told of
    /// rather than those that are not there.
    unsafe fn execute(&mut self) -> io::Error {
        let mut failure = io::Error::from_raw_os_error(libc::ENOENT);
        for candidate in self.candidates {
            self.command.execute(candidate);
            let mut error = io::Error::last_os_error();
            if error.raw_os_error() == Some(libc::ENOEXEC) && program::is_text(candidate) {
                // SAFETY: the parent stands still.
                unsafe { self.command.execute_by(SHELL, candidate) };
                error = io::Error::last_os_error();
            }
            match error.raw_os_error() {
                Some(libc::EACCES) => failure = error,
                Some(libc::ENOENT | libc::ENOTDIR | libc::ESTALE | libc::ENODEV | libc::ETIMEDOUT) => {}
                _ => return error,
            }
        }
        failure
    }
}

/// The files that a name may mean (execvp(3)): itself if it has a slash, or else one in each folder of `PATH`.
fn candidates(program: &OsStr, path: Option<OsString>) -> Result<Vec<CString>, NulError> {
    let name = program.as_bytes();
    if name.contains(&b'/') {
        return Ok(vec![CString::new(name)?]);
    }
    if name.is_empty() {
        return Ok(Vec::new());
    }
    let path = path.unwrap_or_else(|| DEFAULT_PATH.into());
    let in_folder = |folder: &[u8]| match folder {
        // The working directory.
        [] => CString::new(name),
        folder => CString::new([folder, b"/", name].concat()),
    };
    path.as_bytes().split(|byte| *byte == b':').map(in_folder).collect()
}

/// The working directory, which the job is to have and the wrapper is to leave, so as not to keep a file system from being
/// unmounted. It does so before the job can see it there.
struct Folder(OwnedFd);

impl Folder {
    /// Moves to `/`. None if the wrapper stays where it is: if it could not have come back, neither could the job.
    fn leave() -> Option<Self> {
        // SAFETY: the path is a C string; the descriptor is new and nobody else's.
        let folder = unsafe {
            match libc::open(c".".as_ptr(), libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC) {
                -1 => return None,
                descriptor => Self(OwnedFd::from_raw_fd(descriptor)),
            }
        };
        // SAFETY: no pointers but to a C string.
        let is_left = folder.enter() && unsafe { libc::chdir(c"/".as_ptr()) } == 0;
        is_left.then_some(folder)
    }

    /// Makes it the working directory. Async-signal-safe.
    fn enter(&self) -> bool {
        // SAFETY: no pointers.
        unsafe { libc::fchdir(self.0.as_raw_fd()) == 0 }
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
