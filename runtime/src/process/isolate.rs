//! Work in a process of its own: the memory that it takes is given back with its end, and what breaks it breaks nothing else.
//!
//! Compiling a plugin is such work, and running a guest. Both deal with what an attacker may have written. In here it may
//! run out of memory, overflow its stack, find a flaw in the compiler or take for ever: the init lives on, and with it the
//! job's exit code.

use super::{ExitStatus, descriptors, harden, refused::named, signal::Signal, stderr::take_for_the_log};
use std::{
    fs::{self, File},
    io::{self, PipeWriter, Read as _, Seek as _, Write as _},
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

/// The exit code of work that returned an error.
const FAILED: u8 = 1;

/// The exit code of work that panicked; Rust's own.
const PANICKED: u8 = 101;

/// The exit code of work whose result found no room.
const NO_ROOM: u8 = 102;

/// The exit code of work for which there was no memory.
const NO_MEMORY: u8 = 103;

/// What is read of an error, in bytes.
const LONGEST_ERROR: u64 = 64 << 10;

/// What a pipe takes at the least, in bytes.
const FEW: usize = libc::PIPE_BUF;

/// What tells prepared work that it is not needed.
const DISMISSAL: &[u8] = &[0];

/// Of setpriority(2).
const LOWEST_PRIORITY: libc::c_int = 19;

/// What the work may have.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Address space, in bytes.
    pub memory: u64,
    /// Whether it runs machine code that it has compiled.
    pub native: bool,
    /// At a low priority, and with no more than this time on a CPU.
    pub background: Option<Duration>,
}

impl Bounds {
    /// The memory, or what the caller lets each process have if that is less.
    fn memory(&self) -> u64 {
        let limit = |kind| {
            let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            // SAFETY: the pointer is to a valid value for the duration of the call.
            if unsafe { libc::getrlimit(kind, &mut limit) } == 0 { limit.rlim_cur } else { u64::MAX }
        };
        self.memory.min(limit(libc::RLIMIT_AS)).min(limit(libc::RLIMIT_DATA))
    }
}

/// Where the result is put.
#[derive(Debug)]
pub enum Output {
    /// A pipe, which takes a few kilobytes whatever room there is elsewhere. Of an error it is so much.
    Few,
    /// A file without a name.
    Many,
    /// This file, which is empty. The result is on disk when the process has ended.
    Into(File),
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum IsolationError {
    /// The system has no process or no memory to give.
    #[error("{}", crate::report::os_words(.0))]
    System(#[from] io::Error),
    /// The work says itself that it failed.
    #[error("{0}")]
    Failed(String),
    /// It was done, and there was no room for what came of it: in memory, on the disk, or in what one file may have.
    #[error("there was no room for its result")]
    NoRoom,
    /// It had no more memory, and may have this much.
    #[error("its process ran out of memory: it may have {}", crate::report::size(*.0))]
    OutOfMemory(u64),
    /// It ended without a word, and might have had so much memory: out of stack, a fault of its own, or somebody else killed it.
    #[error("its process {}", died(.0, *.1))]
    Died(ExitStatus, u64),
    /// It was not done in time, and was killed.
    #[error("it was not done in time")]
    TimedOut,
    /// It was killed, as the wrapper is asked to end.
    #[error("{0} came meanwhile")]
    Signaled(Signal),
}

/// What an end means that says nothing for itself.
fn died(status: &ExitStatus, memory: u64) -> String {
    let more = match status {
        ExitStatus::Signaled { signal, .. } => match i32::from(*signal) {
            // Rust's own end where there is no memory, in programs that use this library with another heap.
            libc::SIGABRT if !wrapper_heap::is_in_charge() => {
                format!("; it may have {} of memory", crate::report::size(memory))
            }
            libc::SIGSYS => "; a seccomp filter kills for a system call that it needs".into(),
            libc::SIGKILL => "; the system may have had no more memory".into(),
            _ => String::new(),
        },
        _ => String::new(),
    };
    format!("{status}{more}")
}

/// Work that is under way.
#[derive(Debug)]
pub struct Isolated {
    /// Its process.
    pub pid: libc::pid_t,
    /// How that ended, once it has.
    pub(super) ended: Option<ExitStatus>,
    /// The memory that it may have, in bytes.
    pub(super) memory: u64,
    output: File,
    is_file: bool,
}

/// Work that has made itself ready, and waits to be told what came.
#[derive(Debug)]
pub struct Prepared {
    work: Isolated,
    go: PipeWriter,
}

impl Prepared {
    /// Starts it: all of `ready` is done at once, and `work` when it is told.
    pub fn start<T, U>(
        bounds: Bounds,
        prepare: impl FnOnce() -> T,
        ready: impl FnOnce(T) -> U,
        work: impl FnOnce(U, Vec<u8>) -> Result<Vec<u8>, String>,
    ) -> io::Result<Self> {
        let (mut wait, go) = io::pipe().map_err(named("pipe2"))?;
        let parents = go.as_raw_fd();
        let prepare = || {
            // The last writer is to be the parent.
            // SAFETY: in the child nobody uses the number any more; the parent's descriptor is another.
            unsafe { libc::close(parents) };
            prepare()
        };
        let work = Isolated::start(Output::Few, bounds, prepare, |prepared| {
            let ready = ready(prepared);
            // At once, and not up to the end of the pipe, of which a process that was started later has the other end too.
            let mut told = vec![0; libc::PIPE_BUF];
            match wait.read(&mut told) {
                Ok(count) if count > DISMISSAL.len() => {
                    told.truncate(count);
                    work(ready, told)
                }
                // SAFETY: no pointers; nothing of the parent's is to be flushed or dropped here.
                _ => unsafe { libc::_exit(0) },
            }
        })?;
        Ok(Self { work, go })
    }

    /// Its process.
    pub fn pid(&self) -> libc::pid_t {
        self.work.pid
    }

    /// Tells it to end.
    pub fn dismiss(mut self) {
        // Where it has ended already, nobody reads this.
        drop(self.go.write_all(DISMISSAL));
    }

    /// Tells it to go on. What is told is more than a byte, and no more than PIPE_BUF, so that it comes in one piece.
    pub fn go(mut self, told: &[u8]) -> io::Result<Isolated> {
        self.go.write_all(told)?;
        Ok(self.work)
    }
}

impl Isolated {
    /// Starts it. This process must have one thread only.
    ///
    /// What it needs files for comes first, in `prepare`: after that there are none for it.
    pub fn start<T>(
        output: Output,
        bounds: Bounds,
        prepare: impl FnOnce() -> T,
        work: impl FnOnce(T) -> Result<Vec<u8>, String>,
    ) -> io::Result<Self> {
        let is_file = !matches!(output, Output::Few);
        let (output, mut result, longest, is_kept) = match output {
            Output::Few => {
                let (reader, writer) = io::pipe().map_err(named("pipe2"))?;
                (File::from(OwnedFd::from(reader)), File::from(OwnedFd::from(writer)), FEW, false)
            }
            Output::Many => {
                let file = nameless()?;
                (file.try_clone()?, file, usize::MAX, false)
            }
            Output::Into(file) => (file.try_clone()?, file, usize::MAX, true),
        };
        descriptors::look();
        // SAFETY: there is one thread, so the child finds no lock held by another that is not there any more.
        match unsafe { libc::fork() } {
            -1 => Err(named("fork")(io::Error::last_os_error())),
            0 => {
                limit(bounds);
                descriptors::let_go_of_all();
                let confined = || {
                    let prepared = prepare();
                    confine(bounds);
                    work(prepared)
                };
                let (code, mut bytes) = match catch_unwind(AssertUnwindSafe(confined)) {
                    Ok(Ok(bytes)) => (0, bytes),
                    Ok(Err(why)) => (FAILED, why.into_bytes()),
                    Err(_) => (PANICKED, Vec::new()),
                };
                if code == FAILED {
                    bytes.truncate(longest);
                }
                let is_written =
                    bytes.len() <= longest && result.write_all(&bytes).is_ok() && (!is_kept || sync(&result));
                let code = if is_written { code } else { NO_ROOM };
                // SAFETY: no pointers. Nothing of the parent's is to be flushed or dropped here.
                unsafe { libc::_exit(code.into()) }
            }
            pid => Ok(Self { pid, ended: None, memory: bounds.memory(), output, is_file }),
        }
    }

    /// What came of it, when its process has ended.
    pub(super) fn result(mut self) -> Result<File, IsolationError> {
        // A pipe has no beginning to go back to.
        if self.is_file {
            self.output.rewind()?;
        }
        match self.ended.unwrap_or(ExitStatus::Exited(PANICKED)) {
            ExitStatus::Exited(0) => Ok(self.output),
            ExitStatus::Exited(FAILED) => {
                let mut bytes = Vec::new();
                self.output.take(LONGEST_ERROR).read_to_end(&mut bytes)?;
                Err(IsolationError::Failed(String::from_utf8_lossy(&bytes).into_owned()))
            }
            ExitStatus::Exited(NO_MEMORY) => Err(IsolationError::OutOfMemory(self.memory)),
            ExitStatus::Exited(NO_ROOM) => Err(IsolationError::NoRoom),
            other => Err(IsolationError::Died(other, self.memory)),
        }
    }
}

/// A file without a name, in memory if it can be.
fn nameless() -> io::Result<File> {
    // SAFETY: the name is a C string; the descriptor is new and nobody else's.
    match unsafe { libc::memfd_create(c"result".as_ptr(), libc::MFD_CLOEXEC) } {
        // Some profiles of container runtimes refuse it.
        -1 => tempfile::tempfile(),
        // SAFETY: as before.
        descriptor => Ok(unsafe { File::from_raw_fd(descriptor) }),
    }
}

/// Whether all of it is on disk, as far as the system says so. One that refuses the call has said nothing of the disk.
fn sync(file: &File) -> bool {
    match file.sync_data() {
        Ok(()) => true,
        Err(error) => matches!(error.raw_os_error(), Some(libc::EPERM | libc::EACCES | libc::ENOSYS | libc::EINVAL)),
    }
}

/// What the work takes of the heap at the least, in bytes (measured with a built-in).
const HEAP: usize = 176 << 10;

/// In the child: bounds, and an end with the parent's. All signals are blocked still, so that only SIGKILL ends it.
fn limit(bounds: Bounds) {
    // SAFETY: no pointers.
    wrapper_heap::at_an_end(|_| unsafe { libc::_exit(NO_MEMORY.into()) });
    wrapper_heap::touch(HEAP);
    // The first to go where the pod's memory is short, rather than the job. Where there is no /proc, as chance has it.
    drop(fs::write("/proc/self/oom_score_adj", "1000"));
    // SAFETY: the pointers are to valid values for the duration of each call.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, Signal::KILL.number());
        let mut space: libc::rlimit = std::mem::zeroed();
        libc::getrlimit(libc::RLIMIT_AS, &mut space);
        space.rlim_cur = space.rlim_cur.min(bounds.memory);
        libc::setrlimit(libc::RLIMIT_AS, &space);
        if let Some(time) = bounds.background {
            libc::setpriority(libc::PRIO_PROCESS, 0, LOWEST_PRIORITY);
            let seconds = time.as_secs().max(1);
            libc::setrlimit(libc::RLIMIT_CPU, &libc::rlimit { rlim_cur: seconds, rlim_max: seconds });
        }
    }
    take_for_the_log();
    harden::refuse_core_dumps();
}

/// In the child: no way back to what the work does not need.
fn confine(bounds: Bounds) {
    if !bounds.native {
        harden::refuse_new_code();
    }
    harden::confine_thread(bounds.native);
}
