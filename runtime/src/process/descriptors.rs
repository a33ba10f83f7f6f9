//! Descriptors that the caller gave this process. They are the job's: the wrapper itself needs no more of them than stderr, and a
//! reader at the other end waits for as long as anybody has one.

use std::{
    ffi::CStr,
    fs::{self, File, Metadata},
    os::{fd::AsRawFd as _, unix::fs::MetadataExt as _},
    sync::OnceLock,
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

/// Looks for what was inherited, if that was not done before. A process that is forked need not do so itself.
pub(super) fn look() {
    inherited();
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
    for &descriptor in inherited().iter().filter(|&&descriptor| is_inherited(descriptor) && !is_kept(descriptor)) {
        close(descriptor);
        if descriptor < libc::STDERR_FILENO {
            fill();
        }
    }
}

/// The same in a process that writes nothing to a number that it does not know.
pub(super) fn let_go_of_all() {
    inherited().iter().copied().filter(|&descriptor| is_inherited(descriptor)).for_each(close);
}

fn close(descriptor: libc::c_int) {
    // SAFETY: no pointers. What this process has opened itself is closed on execution, and so is none of these.
    unsafe { libc::close(descriptor) };
}

/// Those that would be inherited further, but for stderr. They are looked for once, as none is added: the processes that are forked
/// know them too.
fn inherited() -> &'static [libc::c_int] {
    static INHERITED: OnceLock<Vec<libc::c_int>> = OnceLock::new();
    INHERITED.get_or_init(|| open().unwrap_or_else(|| (0..=HIGHEST).filter(|&number| is_inherited(number)).collect()))
}

fn is_inherited(descriptor: libc::c_int) -> bool {
    // SAFETY: no pointers. It fails for what is not open.
    let flags = unsafe { libc::fcntl(descriptor, libc::F_GETFD) };
    descriptor != libc::STDERR_FILENO && flags >= 0 && flags & libc::FD_CLOEXEC == 0
}

/// Those of all that are open which are inherited, if there is a /proc. The kernel is asked itself: a C library takes a heap of its
/// own for a folder.
fn open() -> Option<Vec<libc::c_int>> {
    let folder = File::open("/proc/self/fd").ok()?;
    let (mut found, mut buffer) = (Vec::new(), [0_u64; 128]);
    loop {
        let (at, size) = (buffer.as_mut_ptr(), size_of_val(&buffer));
        // SAFETY: the pointer and the size are those of the buffer.
        let filled = unsafe { libc::syscall(libc::SYS_getdents64, folder.as_raw_fd(), at, size) };
        let filled = usize::try_from(filled).ok()?;
        if filled == 0 {
            return Some(found);
        }
        // SAFETY: so many bytes of it are entries (getdents64(2)), each with its length after two numbers of 8 bytes, and its name,
        // which ends with a zero, after that and a byte for its type.
        let bytes = unsafe { std::slice::from_raw_parts(buffer.as_ptr().cast::<u8>(), filled) };
        let mut rest = bytes;
        while let (Some(&[low, high]), Some(name)) = (rest.get(16..18), rest.get(19..)) {
            let name = CStr::from_bytes_until_nul(name).ok()?.to_str().ok()?;
            found.extend(name.parse().ok().filter(|&number| is_inherited(number)));
            rest = rest.get(usize::from(u16::from_ne_bytes([low, high])).max(1)..)?;
        }
    }
}
