//! A process and what it uses.

use crate::job::now;
use anyhow::{Context as _, Result, ensure};
use std::{
    fs, io,
    iter::Sum,
    mem,
    os::unix::process::ExitStatusExt as _,
    process::{Child, ExitStatus},
    time::Duration,
};

/// How a process ended.
pub struct Ended {
    pub status: ExitStatus,
    /// When that was known, in nanoseconds of the monotonic clock.
    pub at: u64,
    /// Microseconds on a CPU, of the process and of all below it that was waited for. Only the sum of user and system is
    /// exact: the kernel divides it by samples.
    pub cpu: f64,
    /// The most memory that one of them had, in KiB.
    pub peak: u64,
    /// Page faults that needed no disk, of the same processes as `cpu`.
    pub faults: u64,
}

/// Waits for a process, which consumes it: nobody else may wait for it.
pub fn wait(child: Child) -> Result<Ended> {
    let mut status = 0;
    // SAFETY: rusage is plain data, the pointers are valid for the duration of the call, and nobody else waits for the child.
    let (pid, usage) = unsafe {
        let mut usage: libc::rusage = mem::zeroed();
        (libc::wait4(child.id() as libc::pid_t, &mut status, 0, &mut usage), usage)
    };
    let at = now();
    ensure!(pid > 0, "{}", io::Error::last_os_error());
    let micros = |time: libc::timeval| time.tv_sec as f64 * 1e6 + time.tv_usec as f64;
    Ok(Ended {
        status: ExitStatus::from_raw(status),
        at,
        cpu: micros(usage.ru_utime) + micros(usage.ru_stime),
        peak: usage.ru_maxrss as u64,
        faults: usage.ru_minflt as u64,
    })
}

/// The same, and SIGKILL for what is not over by then.
pub fn wait_within(child: Child, bound: Duration) -> Result<Ended> {
    // SAFETY: no pointers, and the child is not waited for yet, so its id is its own (pidfd_open(2)).
    let pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, child.id(), 0) } as libc::c_int;
    ensure!(pidfd >= 0, "{}", io::Error::last_os_error());
    let mut event = libc::pollfd { fd: pidfd, events: libc::POLLIN, revents: 0 };
    // SAFETY: the pointer is to one valid structure; the descriptor is this function's own.
    let ready = unsafe {
        let ready = libc::poll(&mut event, 1, bound.as_millis() as libc::c_int);
        libc::close(pidfd);
        ready
    };
    if ready != 1 {
        // SAFETY: no pointers, and the child is not waited for yet.
        unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGKILL) };
    }
    let ended = wait(child)?;
    ensure!(ready == 1, "it was still running after {bound:?}");
    Ok(ended)
}

/// The children of a process, whichever of its threads has started them.
pub fn children(pid: u32) -> Result<Vec<u32>> {
    let mut children = Vec::new();
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread that has just ended is listed for a moment; its children are another's then.
        let text = fs::read_to_string(task?.path().join("children")).unwrap_or_default();
        children.extend(text.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
    }
    Ok(children)
}

/// Whether this process has a child, dead or alive.
pub fn has_any() -> bool {
    // SAFETY: siginfo is plain data, and the pointer to it is valid for the duration of the call.
    unsafe {
        let mut info: libc::siginfo_t = mem::zeroed();
        libc::waitid(libc::P_ALL, 0, &mut info, libc::WEXITED | libc::WNOHANG | libc::WNOWAIT | libc::__WALL) == 0
    }
}

/// What a process has at a moment, or several together, in KiB.
#[derive(Clone, Copy, Default)]
pub struct Memory {
    pub private_dirty: u64,
    pub pss: u64,
    pub rss: u64,
}

impl Memory {
    /// Of one process; an error where it is gone.
    pub fn of(pid: u32) -> Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
        let number = |field: &str| -> Result<u64> {
            let line = text.lines().find_map(|line| line.strip_prefix(field)).context("proc(5)")?;
            Ok(line.split_whitespace().next().context("proc(5)")?.parse()?)
        };
        Ok(Self { private_dirty: number("Private_Dirty:")?, pss: number("Pss:")?, rss: number("Rss:")? })
    }

    /// Each figure becomes the greater of the two.
    pub fn rise_to(&mut self, other: Self) {
        self.private_dirty = self.private_dirty.max(other.private_dirty);
        self.pss = self.pss.max(other.pss);
        self.rss = self.rss.max(other.rss);
    }
}

impl Sum for Memory {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |one, other| Self {
            private_dirty: one.private_dirty + other.private_dirty,
            pss: one.pss + other.pss,
            rss: one.rss + other.rss,
        })
    }
}
