//! Memory: what is left of the stack at the start, and what a supervisor does not need while it does nothing but wait.

use super::called_as;
use std::time::Duration;

/// What the wrapper takes of its stack at the most, in bytes, and some more. Reading options takes the most, some 36 KiB.
const STACK: u64 = 44 << 10;

/// How much stack the wrapper would need and how much there is, in bytes, if that is not enough. Command line and environment are a
/// part of it.
pub fn too_little_stack() -> Option<(u64, u64)> {
    let here = 0_u8;
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // The path lies near its beginning.
    let used = called_as()?.as_ptr() as u64 - &raw const here as u64;
    // SAFETY: the pointer is to a valid value for the duration of the call.
    let is_known = unsafe { libc::getrlimit(libc::RLIMIT_STACK, &mut limit) } == 0;
    let needed = used.saturating_add(STACK);
    (is_known && limit.rlim_cur < needed).then_some((needed, limit.rlim_cur))
}

/// Gives back what the start of a run has used: free memory of the heap, the stack below this call, and this program's own
/// pages, which are read from its file again when they are needed.
pub fn give_back() {
    /// More than the start of a run uses, in bytes.
    const STACK: usize = 512 << 10;
    const PAGE: usize = 4 << 10;

    unsafe extern "C" {
        // The linker's names for the first byte of the file, and for the first after its code (end(3)).
        static __executable_start: u8;
        static etext: u8;
    }
    let here = 0_u8;
    let below = (&raw const here as usize - 4 * PAGE) & !(PAGE - 1);
    let first = (&raw const __executable_start as usize).next_multiple_of(PAGE);
    let code = (&raw const etext as usize & !(PAGE - 1)).saturating_sub(first);
    // SAFETY: below the red zone of this call nothing on the stack is in use, and no thread but this one has a stack there; what
    // is not mapped is passed over. Constants and code are unchanged since they were read from the file.
    unsafe {
        libc::madvise((below - STACK) as *mut libc::c_void, STACK, libc::MADV_DONTNEED);
        libc::madvise(first as *mut libc::c_void, code, libc::MADV_DONTNEED);
    }
}

/// How long the kernel may take to take so much memory away from a process that ends, beyond a tenth of a second: up to 0.42 ms for
/// each MiB (measured on a slow machine).
pub fn taking_away(memory: u64) -> Duration {
    Duration::from_micros((memory >> 20).saturating_mul(420)).saturating_sub(Duration::from_millis(100))
}

/// The most memory that a child had which was waited for, in bytes: for `wrapper-plugin`, which tells what compiling takes.
pub fn most_of_a_child() -> u64 {
    // SAFETY: plain data, and a valid pointer to it; the call cannot fail with these (getrusage(2), `ru_maxrss` in KiB).
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_CHILDREN, &mut usage);
        usage
    };
    u64::try_from(usage.ru_maxrss).unwrap_or(0) << 10
}
