//! Running the binary, bounded in time, and what came of it.

use std::{
    env,
    ffi::OsStr,
    io::{BufRead as _, BufReader, Read, Write},
    mem,
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    ptr, thread,
    time::{Duration, Instant},
};
use wait_timeout::ChildExt as _;

/// Longer than any run in these tests ought to take.
const BOUND: Duration = Duration::from_secs(60);

/// A file of `target/dist`.
pub fn dist(file: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/dist").join(file);
    assert!(path.exists(), "{} is not there; run `make build` first", path.display());
    path
}

/// A program that `scripts/setup` installs, such as a real Envoy.
pub fn tool(file: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools").join(file);
    assert!(
        path.exists(),
        "{} is not there; run `make test`, or `scripts/setup` with what it installs",
        path.display()
    );
    path
}

/// The binary under test.
pub fn wrapper() -> PathBuf {
    env::var_os("WRAPPER").map_or_else(|| dist("wrapper"), PathBuf::from)
}

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    /// The exit code; 128 and the signal where one killed the wrapper itself.
    pub code: i32,
    /// What the job wrote.
    pub stdout: String,
    /// What the wrapper and the job wrote.
    pub stderr: String,
    /// From start to end.
    pub took: Duration,
    /// From the line that tells how the job ended to the end of all; nothing where there is no such line.
    pub after_job: Duration,
}

impl Outcome {
    /// Asserts the exit code, and shows everything where it is another.
    #[track_caller]
    pub fn exits(&self, code: i32) -> &Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    /// Asserts that stderr has this text somewhere.
    #[track_caller]
    pub fn says(&self, text: &str) -> &Self {
        assert!(self.stderr.contains(text), "{text:?} is not in {self:#?}");
        self
    }

    /// Asserts that stderr has this text nowhere.
    #[track_caller]
    pub fn never_says(&self, text: &str) -> &Self {
        assert!(!self.stderr.contains(text), "{text:?} is in {self:#?}");
        self
    }

    /// Asserts that the run was over by then.
    #[track_caller]
    pub fn within(&self, bound: Duration) -> &Self {
        assert!(self.took <= bound, "over {bound:?}: {self:#?}");
        self
    }
}

/// The wrapper with these arguments and no variables of its own, ready to be started.
pub fn run<I: IntoIterator<Item: AsRef<OsStr>>>(arguments: I) -> Run {
    run_program(wrapper(), arguments)
}

/// The same with another program.
pub fn run_program<I: IntoIterator<Item: AsRef<OsStr>>>(program: impl AsRef<OsStr>, arguments: I) -> Run {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("WRAPPER") || name.to_string_lossy().starts_with("HOOK_") {
            command.env_remove(name);
        }
    }
    Run { command, input: Vec::new(), above: 0, bound: BOUND }
}

/// A job without hooks, under a wrapper with these options that is process 1 of its own namespace or is not.
pub fn init(options: &[&str], as_pid_1: bool, job: &[&str]) -> Run {
    let run = run(["--plugin", "none"].iter().chain(options).chain(job));
    if as_pid_1 { run.as_pid_1() } else { run }
}

/// The ways in which the wrapper can be an init: what to call it, its options, and whether it is process 1.
pub const MODES: [(&str, &[&str], bool); 5] = [
    ("plain", &[], false),
    ("group", &["-g"], false),
    ("subreaper", &["-s"], false),
    ("PID 1", &[], true),
    ("PID 1, group", &["-g"], true),
];

/// A run that is being prepared.
#[derive(Debug)]
pub struct Run {
    command: Command,
    input: Vec<u8>,
    above: usize,
    bound: Duration,
}

impl Run {
    /// How many processes there are above the one in question, beginning with the one that is started.
    pub(crate) fn above(&self) -> usize {
        self.above
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Lets it take longer than most, in seconds.
    #[must_use]
    pub fn bound(mut self, seconds: u64) -> Self {
        self.bound = Duration::from_secs(seconds);
        self
    }

    /// Gives the job this on its stdin.
    #[must_use]
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.command.stdin(Stdio::piped());
        self.input = bytes.into();
        self
    }

    /// Changes the command in a way that this type does not know.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Command)) -> Self {
        change(&mut self.command);
        self
    }

    /// Has these signals ignored, and these blocked, when it begins.
    #[must_use]
    pub fn with_signals(mut self, ignored: &'static [i32], blocked: &'static [i32]) -> Self {
        // Rust's own `Command` resets SIGPIPE and the mask in the child; this comes after that.
        // SAFETY: what is called is async-signal-safe, and the pointers are valid.
        unsafe {
            self.command.pre_exec(move || {
                for &signal in ignored {
                    libc::signal(signal, libc::SIG_IGN);
                }
                let mut set: libc::sigset_t = mem::zeroed();
                libc::sigemptyset(&mut set);
                for &signal in blocked {
                    libc::sigaddset(&mut set, signal);
                }
                libc::pthread_sigmask(libc::SIG_SETMASK, &set, ptr::null_mut());
                Ok(())
            })
        };
        self
    }

    /// Runs it by means of another program, such as `chroot FOLDER`, that takes a command as its last arguments.
    #[must_use]
    pub fn under(mut self, prefix: &[&str]) -> Self {
        let mut command = Command::new(prefix[0]);
        command.args(&prefix[1..]).arg(self.command.get_program()).args(self.command.get_args());
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        self.command = command;
        self
    }

    /// Runs it where nothing in a folder may be executed.
    #[must_use]
    pub fn with_noexec(self, folder: &Path) -> Self {
        let mount = "mount --bind \"$0\" \"$0\" && mount -o remount,bind,noexec \"$0\" && exec \"$@\"";
        self.under(&["unshare", "--mount", "sh", "-c", mount, folder.to_str().expect("UTF-8")])
    }

    /// Runs it as process 1 of a PID namespace with a /proc of its own, which ends when it does.
    #[must_use]
    pub fn as_pid_1(self) -> Self {
        let mut run = self.under(&["unshare", "--fork", "--pid", "--mount-proc", "--kill-child"]);
        run.above += 1;
        run
    }

    /// Runs it below a shell that is process 1, and reaps nothing that it has not started.
    #[must_use]
    pub fn as_pid_1_of_a_shell(self) -> Self {
        let mut run = self.under(&["sh", "-c", "\"$0\" \"$@\"; exit $?"]).as_pid_1();
        run.above += 1;
        run
    }

    /// Starts it and leaves it to the caller; a group of its own, so that a test can be sure to end all of it.
    pub fn start(&mut self) -> Child {
        self.command.process_group(0);
        self.command.spawn().unwrap_or_else(|error| panic!("{:?}: {error}", self.command))
    }

    /// Runs it to its end.
    #[track_caller]
    pub fn outcome(&mut self) -> Outcome {
        let input = self.input.clone();
        let started = Instant::now();
        let mut child = self.start();
        if let Some(mut stdin) = child.stdin.take() {
            // A job that does not read its input closes the pipe, which is its right.
            thread::spawn(move || drop(stdin.write_all(&input)));
        }
        let stdout = collect(child.stdout.take());
        let stderr = collect(child.stderr.take());
        let status = child.wait_timeout(self.bound).expect("it can be waited for").unwrap_or_else(|| {
            // SAFETY: no pointers; the group was made for this run.
            unsafe { libc::kill(-(child.id() as libc::pid_t), libc::SIGKILL) };
            child.wait().expect("it can be waited for")
        });
        let ended = Instant::now();
        let took = ended - started;
        let ((stdout, _), (stderr, job_ended)) =
            (stdout.join().expect("it is read"), stderr.join().expect("it is read"));
        assert!(took < self.bound, "still running after {:?}: {stderr}", self.bound);
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
        let after_job = job_ended.map_or(Duration::ZERO, |job| ended - job);
        Outcome { code, stdout, stderr, took, after_job }
    }
}

/// Reads all of a stream, and notes when it told how the job ended.
fn collect(stream: Option<impl Read + Send + 'static>) -> thread::JoinHandle<(String, Option<Instant>)> {
    thread::spawn(move || {
        let (mut text, mut job_ended) = (String::new(), None);
        // Some tests give the run a stream of their own.
        let Some(stream) = stream else { return (text, job_ended) };
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while stream.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            let read = String::from_utf8_lossy(&line);
            if job_ended.is_none() && (read.contains(" exited ") || read.contains(" was killed ")) {
                job_ended = Some(Instant::now());
            }
            text += &read;
            line.clear();
        }
        (text, job_ended)
    })
}
