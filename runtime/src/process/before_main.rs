//! What must happen before `main`, and before Rust's start-up code where that runs.
//!
//! * Signals are blocked, so that none is lost from here on. Before this, the kernel drops those that are sent to process 1
//!   of a container, and ends any other process, as it does with every program that has just been executed.
//! * What the caller had SIGPIPE and SIGCHLD do is noted, for [`super::spawn`] to restore: the wrapper changes it.
//! * Where descriptor 0, 1 or 2 is closed, its place would be taken by the next socket, and a line of log written to that. So
//!   it is filled, with something that the job does not inherit: a socket whose other end is closed.

use std::{
    mem,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

/// The signal mask that the caller gave this process.
static MASK: OnceLock<libc::sigset_t> = OnceLock::new();

/// Whether the caller ignored SIGPIPE and SIGCHLD: the two whose disposition changes in this process.
static PIPE_IGNORED: AtomicBool = AtomicBool::new(false);
static CHLD_IGNORED: AtomicBool = AtomicBool::new(false);

/// The C runtime calls what stands in this section before `main`.
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = before_main;

extern "C" fn before_main() {
    callers_mask();
    PIPE_IGNORED.store(is_ignored(libc::SIGPIPE), Ordering::Relaxed);
    CHLD_IGNORED.store(is_ignored(libc::SIGCHLD), Ordering::Relaxed);
    for descriptor in 0..3 {
        // SAFETY: the pointer is to two valid integers for the duration of the call.
        unsafe {
            let mut ends = [0; 2];
            if libc::fcntl(descriptor, libc::F_GETFD) < 0
                && libc::socketpair(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0, ends.as_mut_ptr()) == 0
            {
                // The first end has the lowest free number, which is this one, as those below it are open.
                libc::close(ends[1]);
            }
        }
    }
}

/// The caller's signal mask. The first call blocks all signals, for this thread and those it will start.
pub(super) fn callers_mask() -> libc::sigset_t {
    *MASK.get_or_init(|| {
        // SAFETY: sigset_t is plain data, and each call gets valid pointers to it. The call cannot fail with these.
        unsafe {
            let (mut all, mut callers) = (mem::zeroed(), mem::zeroed());
            libc::sigfillset(&mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut callers);
            callers
        }
    })
}

fn is_ignored(signal: libc::c_int) -> bool {
    // SAFETY: sigaction is plain data, and the pointer to it is valid; nothing is changed.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &mut action) == 0 && action.sa_sigaction == libc::SIG_IGN
    }
}

/// The signals whose disposition this process has changed, and what the caller had given it.
pub(super) fn callers_dispositions() -> [(libc::c_int, libc::sighandler_t); 2] {
    [(libc::SIGPIPE, &PIPE_IGNORED), (libc::SIGCHLD, &CHLD_IGNORED)]
        .map(|(signal, ignored)| (signal, if ignored.load(Ordering::Relaxed) { libc::SIG_IGN } else { libc::SIG_DFL }))
}
