//! A program under an init: what it says while it runs, and signals for the init.

use crate::Run;
use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    process::Child,
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

/// Longer than anything ought to take that a test waits for.
const BOUND: Duration = Duration::from_secs(10);

/// A run that is under way.
#[derive(Debug)]
pub struct Running {
    child: Child,
    lines: Receiver<String>,
    /// The init's process id, as the test sees it.
    pub init: libc::pid_t,
}

impl Running {
    /// Starts it, and waits for the job's first line.
    pub fn start(mut run: Run) -> (Self, String) {
        let above = run.above();
        let mut child = run.start();
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                // The test may be over.
                drop(sender.send(line));
            }
        });
        let mut running = Self { init: child.id() as libc::pid_t, child, lines };
        let line = running.line();
        for _ in 0..above {
            // A job that has no more to say may have ended by now, and the init with it.
            running.init = children(running.init).first().copied().unwrap_or(running.init);
        }
        (running, line)
    }

    /// The job's next line.
    #[track_caller]
    pub fn line(&self) -> String {
        self.line_within(BOUND).expect("a line within the bound")
    }

    /// The job's next line, if it comes by then.
    pub fn line_within(&self, bound: Duration) -> Option<String> {
        self.lines.recv_timeout(bound).ok()
    }

    /// Sends the init a signal.
    pub fn send(&self, signal: i32) {
        // SAFETY: no pointers; the process is not waited for yet, so its id is its own.
        assert_eq!(unsafe { libc::kill(self.init, signal) }, 0);
    }

    /// The exit code, and the rest of stderr.
    pub fn end(mut self) -> (Option<i32>, String) {
        let mut stderr = String::new();
        self.child.stderr.take().expect("a pipe").read_to_string(&mut stderr).expect("it can be read");
        (self.child.wait().expect("it can be waited for").code(), stderr)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // SAFETY: no pointers; the group was made for this run, and the child is not waited for yet.
            unsafe { libc::kill(-(self.child.id() as libc::pid_t), libc::SIGKILL) };
            drop(self.child.wait());
        }
    }
}

/// The process ids of a process's children.
pub fn children(pid: libc::pid_t) -> Vec<libc::pid_t> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// Whether a process runs. A zombie that nobody reaps has ended all the same.
pub fn is_alive(pid: libc::pid_t) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.starts_with(" Z")))
}

/// Waits until something is so, and fails where it does not come about.
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let bound = Instant::now() + BOUND;
    while !condition() {
        assert!(Instant::now() < bound, "{what} does not come about");
        thread::sleep(Duration::from_millis(2));
    }
}
