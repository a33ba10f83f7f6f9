//! What must happen before `main`, and before Rust's start-up code where that runs.
//!
//! * Signals are blocked, so that none is lost from here on. Before this, the kernel drops those that are sent to process 1
//!   of a container, and ends any other process, as it does with every program that has just been executed. The kernel is told
//!   to begin with `wrapper_entry`, which does this with its first instructions and then goes on to the C library's own start.
//! * What the caller had SIGPIPE, SIGCHLD and SIGALRM do is noted, for [`super::spawn`] to restore: the wrapper changes it.
//! * Where descriptor 0, 1 or 2 is closed, its place would be taken by the next socket, and a line of log written to that. So
//!   it is filled, with something that the job does not inherit: a socket whose other end is closed.

use super::{descriptors, mask::Mask};
use std::sync::{
    OnceLock,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

/// The signal mask that the caller gave this process, if the entry has blocked all signals.
static CALLERS: AtomicU64 = AtomicU64::new(0);
static IS_BLOCKED: AtomicBool = AtomicBool::new(false);

/// The same, where the program does not begin with the entry: on other CPUs, and in programs that use this library.
static MASK: OnceLock<Mask> = OnceLock::new();

// rt_sigprocmask(SIG_SETMASK, every signal, the caller's, 8), with the first mask on the stack, a page that is there; and then what a
// static program's start finds in the registers. The build script names the entry to the linker.
#[cfg(target_arch = "x86_64")]
std::arch::global_asm!(
    ".pushsection .text.wrapper_entry, \"ax\", @progbits",
    ".globl wrapper_entry",
    "wrapper_entry:",
    "mov eax, {call}",
    "mov edi, {how}",
    "push -1",
    "mov rsi, rsp",
    "lea rdx, [rip + {callers}]",
    "mov r10d, 8",
    "syscall",
    "pop rsi",
    "test eax, eax",
    "sete byte ptr [rip + {is_blocked}]",
    "xor edx, edx",
    "jmp _start",
    ".popsection",
    call = const libc::SYS_rt_sigprocmask,
    how = const libc::SIG_SETMASK,
    callers = sym CALLERS,
    is_blocked = sym IS_BLOCKED,
);
#[cfg(target_arch = "aarch64")]
std::arch::global_asm!(
    ".pushsection .text.wrapper_entry, \"ax\", @progbits",
    ".globl wrapper_entry",
    "wrapper_entry:",
    "mov x8, #{call}",
    "mov x0, #{how}",
    "mov x9, #-1",
    "str x9, [sp, #-16]!",
    "mov x1, sp",
    "adrp x2, {callers}",
    "add x2, x2, :lo12:{callers}",
    "mov x3, #8",
    "svc #0",
    "add sp, sp, #16",
    "cmp x0, #0",
    "cset w1, eq",
    "adrp x2, {is_blocked}",
    "strb w1, [x2, :lo12:{is_blocked}]",
    "mov x0, #0",
    "b _start",
    ".popsection",
    call = const libc::SYS_rt_sigprocmask,
    how = const libc::SIG_SETMASK,
    callers = sym CALLERS,
    is_blocked = sym IS_BLOCKED,
);
/// The signals whose disposition changes in this process.
const CHANGED: [libc::c_int; 3] = [libc::SIGPIPE, libc::SIGCHLD, libc::SIGALRM];

/// Whether the caller ignored them.
static IGNORED: [AtomicBool; CHANGED.len()] = [const { AtomicBool::new(false) }; CHANGED.len()];

/// The C runtime calls what stands in this section before `main`.
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = before_main;

extern "C" fn before_main() {
    callers_mask();
    for (signal, ignored) in CHANGED.into_iter().zip(&IGNORED) {
        ignored.store(is_ignored(signal), Ordering::Relaxed);
    }
    for descriptor in 0..3 {
        // SAFETY: no pointers.
        if unsafe { libc::fcntl(descriptor, libc::F_GETFD) } < 0 {
            descriptors::fill();
        }
    }
}

/// The caller's signal mask. The first call blocks all signals, for this thread and those it will start.
pub(super) fn callers_mask() -> Mask {
    if IS_BLOCKED.load(Ordering::Relaxed) {
        return Mask::from_bits(CALLERS.load(Ordering::Relaxed));
    }
    *MASK.get_or_init(|| Mask::ALL.set().unwrap_or(Mask::NONE))
}

fn is_ignored(signal: libc::c_int) -> bool {
    // SAFETY: sigaction is plain data, and the pointer to it is valid; nothing is changed.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &mut action) == 0 && action.sa_sigaction == libc::SIG_IGN
    }
}

/// The signals whose disposition this process has changed, and what the caller had given it.
pub(super) fn callers_dispositions() -> [(libc::c_int, libc::sighandler_t); CHANGED.len()] {
    std::array::from_fn(|at| {
        (CHANGED[at], if IGNORED[at].load(Ordering::Relaxed) { libc::SIG_IGN } else { libc::SIG_DFL })
    })
}
