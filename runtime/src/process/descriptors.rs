//! Descriptors that the caller gave this process. They are the job's: the wrapper itself needs no more of them than stderr, and a
//! reader at the other end waits for as long as anybody has one.

use std::{
    fs::{self, Metadata},
    os::unix::fs::MetadataExt as _,
};

/// The highest that is looked for if there is no /proc.
const HIGHEST: libc::c_int = 1023;

/// Fills the lowest number that is free with something that can neither be read nor written, and that no job inherits: a socket
/// whose other end is closed. Whatever was opened next would have that number otherwise.
pub(super) fn fill() {
    let mut ends = [0; 2];
    // SAFETY: the pointer is to two valid integers for the duration of the call.
    unsafe {
        if libc::socketpair(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0, ends.as_mut_ptr()) == 0 {
            libc::close(ends[1]);
        }
    }
}

/// Lets go of what was inherited but for stderr, and for what leads to this file.
pub(super) fn let_go(kept: Option<&Metadata>) {
    let is_kept = |descriptor: libc::c_int| {
        kept.is_some_and(|kept| {
            let file = fs::metadata(format!("/proc/self/fd/{descriptor}"));
            // Without /proc nothing leads to one.
            file.is_ok_and(|file| (file.dev(), file.ino()) == (kept.dev(), kept.ino()))
        })
    };
    for descriptor in inherited().into_iter().filter(|&descriptor| !is_kept(descriptor)) {
        // SAFETY: no pointers. What this process has opened itself is closed on execution, and so is none of these.
        unsafe { libc::close(descriptor) };
        if descriptor < libc::STDERR_FILENO {
            fill();
        }
    }
}

/// Those that would be inherited further, but for stderr.
fn inherited() -> Vec<libc::c_int> {
    let all: Vec<_> = match fs::read_dir("/proc/self/fd") {
        Ok(entries) => entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect(),
        Err(_) => (0..=HIGHEST).collect(),
    };
    let is_inherited = |descriptor: libc::c_int| {
        // SAFETY: no pointers. It fails for what is not open.
        let flags = unsafe { libc::fcntl(descriptor, libc::F_GETFD) };
        descriptor != libc::STDERR_FILENO && flags >= 0 && flags & libc::FD_CLOEXEC == 0
    };
    all.into_iter().filter(|&descriptor| is_inherited(descriptor)).collect()
}
