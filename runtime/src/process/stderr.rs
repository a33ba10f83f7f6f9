//! Writing lines to stderr without ever being held up by it.
//!
//! Stderr belongs to the job too, so it cannot be made non-blocking. A pipe whose reader has stopped would block a plain
//! write for ever, and the pod with it. So each line asks first whether there is room.

use std::{
    io::{self, Write},
    sync::atomic::{AtomicI32, Ordering},
    time::{Duration, Instant},
};

/// The descriptor that lines are written to.
static DESCRIPTOR: AtomicI32 = AtomicI32::new(libc::STDERR_FILENO);

/// Moves it to another number. What the runtime itself writes when it aborts, past the log and its format, goes nowhere then.
pub(super) fn take_for_the_log() {
    // SAFETY: no pointers. Where there is no descriptor to be had, all stays as it is.
    unsafe {
        let copy = libc::fcntl(libc::STDERR_FILENO, libc::F_DUPFD_CLOEXEC, 3);
        if copy >= 0 {
            DESCRIPTOR.store(copy, Ordering::Relaxed);
            libc::close(libc::STDERR_FILENO);
        }
    }
}

/// How long one line may wait for a slow reader. After that it is dropped, and so are the next ones until there is room
/// again.
const PATIENCE: Duration = Duration::from_millis(100);

/// The longest line in bytes, its newline included: what a pipe that is ready takes without blocking (PIPE_BUF, pipe(7)),
/// and takes whole, not mixed with the job's own output.
const LONGEST: usize = libc::PIPE_BUF;

/// Standard error, a line at a time.
#[derive(Debug, Default)]
pub struct Stderr {
    full: bool,
}

impl Stderr {
    fn has_room(&mut self) -> bool {
        let deadline = Instant::now() + if self.full { Duration::ZERO } else { PATIENCE };
        let ready = loop {
            let mut stderr = libc::pollfd { fd: DESCRIPTOR.load(Ordering::Relaxed), events: libc::POLLOUT, revents: 0 };
            let left = deadline.saturating_duration_since(Instant::now()).as_millis() as libc::c_int;
            // SAFETY: the pointer is to one valid pollfd for the duration of the call.
            match unsafe { libc::poll(&mut stderr, 1, left) } {
                // A timer's signal came: it says nothing of the room.
                -1 if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
                count => break count,
            }
        };
        self.full = ready == 0;
        !self.full
    }
}

impl Write for Stderr {
    /// Writes one line; what is longer than a pipe takes at once is cut. Never fails: there is nowhere to report it to.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.has_room() {
            let cut: Vec<u8>;
            let bytes = if line.len() <= LONGEST {
                line
            } else {
                cut = [&line[..LONGEST - 4], b"...\n"].concat();
                &cut
            };
            // SAFETY: the pointer and the length are those of a live slice. An error means a closed stderr.
            unsafe { libc::write(DESCRIPTOR.load(Ordering::Relaxed), bytes.as_ptr().cast(), bytes.len()) };
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
