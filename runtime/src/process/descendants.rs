//! The processes that descend from this one, as /proc shows them.
//!
//! An init could signal all processes at once (kill(2), -1), but would hit those that `kubectl exec` has put beside the job.

use std::{fs, process};

/// The process ids of all children, their children, and so on. Empty where there is no /proc, or one of another PID
/// namespace, in which these numbers would be those of strangers.
///
/// A process that is started while this looks may be missing.
pub fn descendants() -> Vec<libc::pid_t> {
    let own = process::id();
    if !fs::read_link("/proc/self").is_ok_and(|link| link.as_os_str() == own.to_string().as_str()) {
        return Vec::new();
    }
    let mut found = children(own as libc::pid_t);
    let mut next = 0;
    while let Some(&pid) = found.get(next) {
        found.extend(children(pid));
        next += 1;
    }
    found
}

/// The children of a process, which /proc keeps for each of its threads (proc(5), from Linux 3.5).
fn children(pid: libc::pid_t) -> Vec<libc::pid_t> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()).collect()
}
