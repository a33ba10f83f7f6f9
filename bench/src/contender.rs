//! Who is measured.

use std::{ffi::OsStr, path::PathBuf, process::Command};
use wrapper_tests::dist;

/// A way to run a job.
#[derive(Clone)]
pub struct Contender {
    /// What the page calls it.
    pub name: &'static str,
    kind: Kind,
    /// How many requests a run sends.
    pub requests: usize,
}

#[derive(Clone)]
enum Kind {
    /// This program and these arguments, and then the job.
    Before(PathBuf, Vec<String>),
    /// A shell's line, in which `"$@"` is the job.
    Shell(&'static str, &'static str),
}

impl Contender {
    fn new(name: &'static str, program: impl Into<PathBuf>, arguments: &[&str], requests: usize) -> Self {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Self { name, kind: Kind::Before(program.into(), arguments), requests }
    }

    /// The command that runs this job.
    pub fn command(&self, job: &[&OsStr]) -> Command {
        let mut command = match &self.kind {
            Kind::Before(program, arguments) if program.as_os_str().is_empty() => {
                let mut command = Command::new(job[0]);
                command.args(arguments).args(&job[1..]);
                return command;
            }
            Kind::Before(program, arguments) => {
                let mut command = Command::new(program);
                command.args(arguments);
                command
            }
            Kind::Shell(shell, line) => {
                let (program, applet) = shell.split_once(' ').unwrap_or((shell, ""));
                let mut command = Command::new(program);
                if !applet.is_empty() {
                    command.arg(applet);
                }
                command.args(["-c", line, "sh"]);
                command
            }
        };
        command.args(job);
        command
    }
}

fn wrapper(slim: bool, hook: bool) -> Contender {
    let (name, file) = match (slim, hook) {
        (false, true) => ("wrapper", "wrapper"),
        (false, false) => ("wrapper, no hooks", "wrapper"),
        (true, true) => ("wrapper-slim", "wrapper-slim"),
        (true, false) => ("wrapper-slim, no hooks", "wrapper-slim"),
    };
    let plugin = if hook { "istio-quit" } else { "none" };
    // A line of log for each thing that happens, as in production; where it goes is the caller's.
    Contender::new(name, dist(file), &["--plugin", plugin], usize::from(hook))
}

/// Inits, which end with the job.
pub fn inits() -> Vec<Contender> {
    vec![
        Contender::new("tini", "tini", &["-s", "--"], 0),
        Contender::new("dumb-init", "dumb-init", &["--"], 0),
        Contender::new("catatonit", "catatonit", &["--"], 0),
        wrapper(false, false),
        wrapper(true, false),
    ]
}

/// Those that ask a sidecar to quit.
pub fn with_hook() -> Vec<Contender> {
    let curl = "\"$@\"; curl -s -X POST http://localhost:15020/quitquitquit";
    let wget = "\"$@\"; busybox wget -q -O /dev/null --post-data= http://127.0.0.1:15020/quitquitquit";
    vec![
        Contender { name: "sh, curl", kind: Kind::Shell("sh", curl), requests: 1 },
        Contender { name: "busybox sh, wget", kind: Kind::Shell("busybox sh", wget), requests: 1 },
        wrapper(false, true),
        wrapper(true, true),
    ]
}

/// Everyone, and the job by itself.
pub fn whole_runs() -> Vec<Contender> {
    let plain = Contender::new("/bin/true", "", &[], 0);
    std::iter::once(plain).chain(inits()).chain(with_hook()).collect()
}
