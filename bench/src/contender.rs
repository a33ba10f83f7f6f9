//! Who is measured.

use anyhow::{Context as _, Result};
use std::{
    env,
    ffi::OsStr,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    process::Command,
};
use wrapper_tests::{dist, tool};

/// What tells the wrapper which hooks to run.
const PLUGINS: &str = "WRAPPER_PLUGIN_PATH";

/// A copy of a program beside those of the others. How a file lies in the kernel's cache, in large pieces or in small ones,
/// makes a tenth of how long it takes to execute it; copied one after the other they lie there alike.
fn copy(program: &Path) -> PathBuf {
    let folder = dist("wrapper").with_file_name("bench").join("programs");
    let found = in_path(program).unwrap_or_else(|error| panic!("{error}"));
    let copy = folder.join(found.file_name().expect("a file"));
    fs::create_dir_all(&folder)
        .and_then(|()| {
            fs::remove_file(&copy)
                .or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })
        })
        .and_then(|()| fs::copy(&found, &copy))
        .unwrap_or_else(|error| panic!("{} cannot be copied: {error}", found.display()));
    copy
}

/// Where a shell would find a program.
pub fn in_path(program: impl AsRef<Path>) -> Result<PathBuf> {
    let program = program.as_ref();
    env::split_paths(&env::var_os("PATH").unwrap_or_default())
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
        .with_context(|| format!("{} is not in PATH; `scripts/setup bench inits scale` installs it", program.display()))
}

/// A static program that `scripts/setup inits` builds, unless this machine lacks what it is built with.
pub fn built(file: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/inits").join(file);
    path.is_file().then_some(path)
}

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
        let program = program.into();
        let program = if program.as_os_str().is_empty() { program } else { copy(&program) };
        Self { name, kind: Kind::Before(program, arguments), requests }
    }

    /// The command that runs this job.
    pub fn command(&self, job: &[&OsStr]) -> Command {
        let mut command = match &self.kind {
            Kind::Before(program, arguments) if program.as_os_str().is_empty() => {
                let mut command = Command::new(job[0]);
                command.args(arguments).args(&job[1..]).env(PLUGINS, "none");
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
        // Told to all, so that it costs all the same.
        command.args(job).env(PLUGINS, if self.requests == 0 { "none" } else { "istio-quit" });
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
    // Configured by the environment, as in a pod. A line of log for each thing that happens; where it goes is the caller's.
    Contender::new(name, dist(file), &[], usize::from(hook))
}

/// Inits, which end with the job.
pub fn inits() -> Vec<Contender> {
    let mut inits = vec![
        Contender::new("tini", "tini", &["-s", "--"], 0),
        Contender::new("dumb-init", "dumb-init", &["--"], 0),
        Contender::new("catatonit", "catatonit", &["--"], 0),
        wrapper(false, false),
        wrapper(true, false),
    ];
    if let Some(program) = built("dumb-init-musl") {
        inits.insert(2, Contender::new("dumb-init, static musl", program, &["--"], 0));
    }
    inits
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

/// Everyone, and the job by itself under this name.
pub fn whole_runs(alone: &'static str) -> Vec<Contender> {
    std::iter::once(Contender::new(alone, "", &[], 0)).chain(inits()).chain(with_hook()).collect()
}

/// The job by itself, and those that ask a sidecar to quit and keep the job's exit code.
pub fn sized() -> Vec<Contender> {
    let curl = "\"$@\"; code=$?; curl -fsS -XPOST localhost:15020/quitquitquit; exit $code";
    let wget =
        "\"$@\"; code=$?; busybox wget -q -O /dev/null --post-data= http://127.0.0.1:15020/quitquitquit; exit $code";
    vec![
        Contender::new(ALONE, "", &[], 0),
        Contender::new("tini, no quit", "tini", &["-s", "--"], 0),
        wrapper(false, true),
        wrapper(true, true),
        Contender::new("Go launcher", tool("launcher"), &[], 1),
        Contender { name: "sh, curl", kind: Kind::Shell("sh", curl), requests: 1 },
        Contender { name: "busybox sh, wget", kind: Kind::Shell("busybox sh", wget), requests: 1 },
    ]
}

/// What a job is called that runs under nothing.
pub const ALONE: &str = "the job alone";
