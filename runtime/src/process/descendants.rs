//! The processes that descend from this one, as /proc shows them.
//!
//! An init could signal all processes at once (kill(2), -1), but would hit those that `kubectl exec` has put beside the job.

use std::{collections::HashMap, fs, process};

/// The process ids of all children, their children, and so on. Empty where there is no /proc, or one of another PID
/// namespace, in which these numbers would be those of strangers.
pub fn descendants() -> Vec<libc::pid_t> {
    let own = process::id().to_string();
    if !fs::read_link("/proc/self").is_ok_and(|link| link.as_os_str() == own.as_str()) {
        return Vec::new();
    }
    let mut children: HashMap<libc::pid_t, Vec<libc::pid_t>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if let Some((pid, parent)) = pid.and_then(|pid| Some((pid, parent(pid)?))) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = Vec::new();
    let mut from = vec![process::id() as libc::pid_t];
    while let Some(pid) = from.pop() {
        for child in children.remove(&pid).unwrap_or_default() {
            found.push(child);
            from.push(child);
        }
    }
    found
}

/// The parent of a process: the second field after its name, which is in brackets and may hold anything (proc(5)).
fn parent(pid: libc::pid_t) -> Option<libc::pid_t> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}
