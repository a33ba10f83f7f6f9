//! Whether a signal has asked the wrapper to end: noted by the init, seen by the processes that run hooks.

use std::{
    mem, ptr,
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

/// The flag, and when it was set.
#[derive(Debug)]
pub struct Asked {
    flag: &'static AtomicBool,
    at: Option<Instant>,
}

impl Asked {
    /// Nobody has asked yet. Processes that are forked from now on share the flag.
    pub(super) fn new() -> Self {
        let size = mem::size_of::<AtomicBool>();
        // SAFETY: a new mapping that is anywhere and nobody else's. Its bytes are zero, and it is never unmapped.
        let shared = unsafe {
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            libc::mmap(ptr::null_mut(), size, protection, libc::MAP_SHARED | libc::MAP_ANONYMOUS, -1, 0)
        };
        let flag = if shared == libc::MAP_FAILED {
            // Without memory that is shared, a hook does not see it. Its deadline is the same.
            Box::leak(Box::new(AtomicBool::new(false)))
        } else {
            // SAFETY: it is aligned to a page, and zero is a valid value.
            unsafe { &*shared.cast::<AtomicBool>() }
        };
        Self { flag, at: None }
    }

    /// Notes that it has been asked, now. The first time counts.
    pub(super) fn note(&mut self) {
        self.flag.store(true, Ordering::Relaxed);
        self.at.get_or_insert_with(Instant::now);
    }

    /// When that was first.
    pub fn at(&self) -> Option<Instant> {
        self.at
    }

    /// What the processes see.
    pub fn flag(&self) -> &'static AtomicBool {
        self.flag
    }
}
