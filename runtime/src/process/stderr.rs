//! Writing lines to stderr without ever being held up by it.
//!
//! Stderr belongs to the job too, so it cannot be made non-blocking. A pipe whose reader has stopped would block a plain
//! write for ever, and the pod with it. So each line asks first whether there is room. The answer may be wrong a moment later, if
//! the job writes too, and a terminal says yes while it has room for a byte: so a write is cut short that waits all the same.

use super::alarm::cut_short;
use std::{
    io::{self, Write},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI32, Ordering},
    },
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

/// How long a write may take, if there is room and no patience.
const LEAST: Duration = Duration::from_millis(1);

/// The longest line in bytes, its newline included: what a pipe that is ready takes without blocking (PIPE_BUF, pipe(7)),
/// and takes whole, not mixed with the job's own output.
pub const LONGEST: usize = libc::PIPE_BUF;

/// The deadline that no line may be waited for past, if there is one.
static DEADLINE: Mutex<Option<Instant>> = Mutex::new(None);

/// From now on no line waits for a reader past this. Processes that are forked hold to it too.
pub fn log_until(deadline: Option<Instant>) {
    *DEADLINE.lock().unwrap_or_else(PoisonError::into_inner) = deadline;
}

/// Standard error, a line at a time.
#[derive(Debug, Default)]
pub struct Stderr {
    /// Whether the last line found no room.
    full: bool,
    /// Before this nothing is written, as a write was held up though there seemed to be room.
    not_before: Option<Instant>,
    /// Whether the last line was cut off by that.
    mid_line: bool,
}

impl Stderr {
    fn has_room(&mut self, until: Instant) -> bool {
        let ready = loop {
            let mut stderr = libc::pollfd { fd: DESCRIPTOR.load(Ordering::Relaxed), events: libc::POLLOUT, revents: 0 };
            let left = until.saturating_duration_since(Instant::now()).as_millis() as libc::c_int;
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

    /// Writes it in one piece, or as much of it as finds room until then.
    fn put(&mut self, bytes: &[u8], until: Instant) {
        let descriptor = DESCRIPTOR.load(Ordering::Relaxed);
        let left = until.saturating_duration_since(Instant::now()).max(LEAST);
        let until = Instant::now() + left;
        let mut rest = bytes;
        let held_up = cut_short(left, || {
            loop {
                // SAFETY: the pointer and the length are those of a live slice.
                let written = unsafe { libc::write(descriptor, rest.as_ptr().cast(), rest.len()) };
                match usize::try_from(written) {
                    Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                    Err(_) if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
                    // A closed stderr, a full disk: there is nowhere to report it to.
                    Err(_) => return false,
                }
                if rest.is_empty() || Instant::now() >= until {
                    return !rest.is_empty();
                }
            }
        });
        self.mid_line = held_up && rest.len() < bytes.len();
        if held_up {
            self.full = true;
            self.not_before = Some(Instant::now() + PATIENCE);
        }
    }
}

impl Write for Stderr {
    /// Writes one line; what is longer than a pipe takes at once is cut. Never fails: there is nowhere to report it to.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let now = Instant::now();
        if self.not_before.take_if(|at| *at <= now).is_none() && self.not_before.is_some() {
            return Ok(line.len());
        }
        let deadline = *DEADLINE.lock().unwrap_or_else(PoisonError::into_inner);
        let patience = if self.full { Duration::ZERO } else { PATIENCE };
        let until = deadline.map_or(now + patience, |deadline| deadline.min(now + patience));
        if self.has_room(until) {
            let start: &[u8] = if self.mid_line { b"\n" } else { b"" };
            let longest = LONGEST - start.len();
            let (line, end): (_, &[u8]) =
                if line.len() <= longest { (line, b"") } else { (&line[..longest - 4], b"...\n") };
            if start.is_empty() && end.is_empty() {
                self.put(line, until);
            } else {
                self.put(&[start, line, end].concat(), until);
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
