//! Sets of signals, as the kernel has them.
//!
//! A C library keeps two or three real-time signals to itself (glibc 32 and 33, musl 34 too) and takes them out of every set.
//! The wrapper passes on whatever comes, so it asks the kernel.

use std::{io, mem, ptr, time::Duration};

/// A set of signals: number N is bit N - 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(super) struct Mask(u64);

impl Mask {
    /// Every signal.
    pub const ALL: Self = Self(!0);

    /// No signal.
    pub const NONE: Self = Self(0);

    /// These, as the kernel has written them.
    pub fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// One signal.
    pub fn of(signal: libc::c_int) -> Self {
        Self(1 << (signal - 1))
    }

    /// Makes these the signals that this thread has blocked, and returns those that it had. Async-signal-safe.
    pub fn set(self) -> io::Result<Self> {
        self.change(libc::SIG_SETMASK)
    }

    /// Blocks these no longer, and returns what was blocked before.
    pub fn unblock(self) -> io::Result<Self> {
        self.change(libc::SIG_UNBLOCK)
    }

    fn change(self, how: libc::c_int) -> io::Result<Self> {
        let mut before = Self::NONE;
        // SAFETY: the pointers are to sets of the size that is given, for the duration of the call.
        let result = unsafe {
            let (new, old) = (&raw const self, &raw mut before);
            libc::syscall(libc::SYS_rt_sigprocmask, how, new, old, size_of::<Self>())
        };
        if result == 0 { Ok(before) } else { Err(io::Error::last_os_error()) }
    }

    /// Takes the next of these signals, which are blocked, and waits for it until this time is over, if there is one.
    pub fn wait(self, left: Option<Duration>) -> io::Result<(libc::c_int, libc::siginfo_t)> {
        let left = left.map(|left| libc::timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        });
        // SAFETY: siginfo_t is plain data; the pointers are to values of the right types for the duration of the call.
        let (number, info) = unsafe {
            let mut info: libc::siginfo_t = mem::zeroed();
            let left = left.as_ref().map_or(ptr::null(), |left| &raw const *left);
            let (set, info_at) = (&raw const self, &raw mut info);
            let number = libc::syscall(libc::SYS_rt_sigtimedwait, set, info_at, left, size_of::<Self>());
            (number, info)
        };
        if number < 0 { Err(io::Error::last_os_error()) } else { Ok((number as libc::c_int, info)) }
    }
}
