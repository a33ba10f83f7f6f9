//! Real programs as sidecars: each is started in a folder of its own, shows its log if a test fails, and ends with the test.

use std::{
    env, fmt,
    fs::{self, File},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    thread::{self, JoinHandle},
    time::Duration,
};
use tempfile::TempDir;
use wait_timeout::ChildExt as _;

/// What `scripts/setup` installs.
pub const TOOLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tools");

/// Longer than a sidecar takes to end.
const BOUND: Duration = Duration::from_secs(10);

/// A program that can be started.
#[derive(Clone, Debug)]
pub struct Program {
    path: String,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    files: Vec<(String, String)>,
    needs: Vec<String>,
}

impl Program {
    /// A file of `target/tools`, or a program of `PATH` if there is no slash in it.
    pub fn new(path: &str, arguments: &[&str]) -> Self {
        let path = if path.contains('/') { format!("{TOOLS}/{path}") } else { path.to_owned() };
        let program = Self { path, arguments: Vec::new(), variables: Vec::new(), files: Vec::new(), needs: Vec::new() };
        program.arguments(arguments)
    }

    /// More arguments.
    #[must_use]
    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|&argument| argument.to_owned()));
        self
    }

    /// Sets a variable. In addition to these there are `PATH` and `HOME`, and no others.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A file in its working folder.
    #[must_use]
    pub fn file(mut self, name: &str, text: &str) -> Self {
        self.files.push((name.to_owned(), text.to_owned()));
        self
    }

    /// A further file of `target/tools` without which it does not start.
    #[must_use]
    pub fn needs(mut self, file: &str) -> Self {
        self.needs.push(format!("{TOOLS}/{file}"));
        self
    }

    /// What is not installed of it, as a sentence.
    pub fn missing(&self) -> Option<String> {
        let is_there = |file: &str| {
            let folders = env::var_os("PATH").unwrap_or_default();
            // A path with a slash is absolute here, and remains what it is when a folder is put before it.
            env::split_paths(&folders).chain([Path::new(TOOLS).to_owned()]).any(|folder| folder.join(file).exists())
        };
        let missing = self.needs.iter().chain([&self.path]).find(|file| !is_there(file))?;
        let name = Path::new(missing).file_name().unwrap_or_default();
        Some(format!("{} is not there; `scripts/setup sidecars`, or `dapr`, installs it", name.display()))
    }

    /// Starts it in the network of this thread.
    pub fn start(&self) -> Sidecar {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in &self.files {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().expect("it is in the folder")).expect("a folder");
            fs::write(file, text).expect("it can be written");
        }
        let log = File::create(folder.path().join("log")).expect("it can be written");
        let mut command = Command::new(&self.path);
        command.args(&self.arguments).env_clear().envs(self.variables.iter().cloned());
        command.env("PATH", env::var_os("PATH").unwrap_or_default()).env("HOME", folder.path());
        // A group of its own, since it may have a process such as Envoy below it.
        command.current_dir(&folder).process_group(0).stdin(Stdio::null());
        command.stdout(log.try_clone().expect("a second handle")).stderr(log);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Sidecar { child, folder }
    }

    /// Starts it in the same network, but later.
    pub fn start_after(&self, delay: Duration) -> JoinHandle<Sidecar> {
        let program = self.clone();
        thread::spawn(move || {
            thread::sleep(delay);
            program.start()
        })
    }
}

/// A program that was started. In messages it is its log.
pub struct Sidecar {
    child: Child,
    folder: TempDir,
}

impl Sidecar {
    /// Its exit code, if it ends within ten seconds and no signal ended it.
    pub fn exit_code(&mut self) -> Option<i32> {
        self.child.wait_timeout(BOUND).expect("it can be waited for").and_then(|status| status.code())
    }

    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("it can be waited for").is_none()
    }

    /// Asserts that it ends by itself, and with success.
    #[track_caller]
    pub fn ends(&mut self) {
        let code = self.exit_code();
        assert_eq!(code, Some(0), "{self:?}");
    }

    /// Asserts that it has not ended, also half a second later.
    #[track_caller]
    pub fn stays(&mut self) {
        thread::sleep(Duration::from_millis(500));
        assert!(self.is_running(), "{self:?}");
    }
}

impl fmt::Debug for Sidecar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let log = fs::read(self.folder.path().join("log")).unwrap_or_default();
        write!(f, "the sidecar's log:\n{}", String::from_utf8_lossy(&log))
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // SAFETY: no pointers; the group was made for this program, which is not waited for yet.
            unsafe { libc::kill(-(self.child.id() as libc::pid_t), libc::SIGKILL) };
            drop(self.child.wait());
        }
    }
}
