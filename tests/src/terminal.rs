//! A terminal of a test's own, for what a library for dialogues does not do.

use std::{
    ffi::{CStr, OsStr},
    fs::File,
    os::{
        fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
        unix::{ffi::OsStrExt as _, process::CommandExt as _},
    },
    process::{Child, Command},
};

/// Starts a command on a terminal that controls its session, and returns the end that a person would sit at.
pub fn on_a_terminal(mut command: Command) -> (OwnedFd, Child) {
    // SAFETY: the calls get no pointers, but the name's, which is read at once. What is called in the child is
    // async-signal-safe.
    let (person, program) = unsafe {
        let person = OwnedFd::from_raw_fd(libc::posix_openpt(libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC));
        assert_eq!(libc::grantpt(person.as_raw_fd()), 0);
        assert_eq!(libc::unlockpt(person.as_raw_fd()), 0);
        let name = CStr::from_ptr(libc::ptsname(person.as_raw_fd())).to_owned();
        (person, File::options().read(true).write(true).open(OsStr::from_bytes(name.as_bytes())).expect("a terminal"))
    };
    command
        .stdin(program.try_clone().expect("a terminal"))
        .stdout(program.try_clone().expect("a terminal"))
        .stderr(program);
    // SAFETY: async-signal-safe.
    unsafe {
        command.pre_exec(|| {
            libc::setsid();
            libc::ioctl(0, libc::TIOCSCTTY, 0);
            Ok(())
        })
    };
    let child = command.spawn().expect("a terminal");
    (person, child)
}
