//! The terminal: handed to the job, and taken back.
//!
//! The job is a process group of its own. For Ctrl-C, Ctrl-Z and input to reach it, that group must be the terminal's
//! foreground group (tcsetpgrp(3)). Only the present foreground group may hand the terminal on, so nothing is done where
//! the wrapper was started in the background, or without a terminal.

use std::ffi::CStr;

/// The controlling terminal, whatever the streams are (tty(4)).
const PATH: &CStr = c"/dev/tty";

/// The controlling terminal, by the descriptor it is known by.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    descriptor: libc::c_int,
    own_group: libc::pid_t,
}

impl Terminal {
    /// The controlling terminal, if stdin, stdout or stderr is it.
    pub fn find() -> Option<Self> {
        // SAFETY: no pointers. A descriptor that is not the controlling terminal gives ENOTTY.
        let (descriptor, own_group) =
            unsafe { ((0..3).find(|&descriptor| libc::tcgetpgrp(descriptor) >= 0)?, libc::getpgrp()) };
        Some(Self { descriptor, own_group })
    }

    /// The same if none of the three is it: a job may open it all the same.
    pub fn open() -> Option<Self> {
        // SAFETY: the path is a C string. The descriptor is kept until the end.
        let (descriptor, own_group) = unsafe {
            let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_NONBLOCK | libc::O_CLOEXEC;
            (libc::open(PATH.as_ptr(), flags), libc::getpgrp())
        };
        (descriptor >= 0).then_some(Self { descriptor, own_group })
    }

    /// The same by a descriptor that is no stream of the caller's, which are let go of.
    pub fn for_itself(self) -> Self {
        // SAFETY: no pointers. Where there is no descriptor to be had, that of stderr or none will do.
        let descriptor = unsafe { libc::fcntl(self.descriptor, libc::F_DUPFD_CLOEXEC, libc::STDERR_FILENO + 1) };
        Self { descriptor: if descriptor < 0 { libc::STDERR_FILENO } else { descriptor }, ..self }
    }

    /// Whether the wrapper's own group is in the foreground, and may so hand the terminal on.
    pub fn is_ours(self) -> bool {
        self.is_of(self.own_group)
    }

    /// Whether a group is in the foreground.
    pub fn is_of(self, group: libc::pid_t) -> bool {
        // SAFETY: no pointers.
        unsafe { libc::tcgetpgrp(self.descriptor) == group }
    }

    /// Hands the terminal to a group. SIGTTOU must be blocked, or the system stops whoever asks from the background.
    ///
    /// It fails where the terminal or the group is gone: then there is nothing to hand over. Async-signal-safe.
    pub fn give_to(self, group: libc::pid_t) {
        // SAFETY: no pointers.
        unsafe { libc::tcsetpgrp(self.descriptor, group) };
    }

    /// The wrapper's own process group.
    pub fn own_group(self) -> libc::pid_t {
        self.own_group
    }

    /// Takes the terminal back, if it is that group's now.
    pub fn take_back_from(self, group: libc::pid_t) {
        if self.is_of(group) {
            self.give_to(self.own_group);
        }
    }
}
