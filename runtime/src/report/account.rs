//! `--report`: one JSON document about the run, written when it is over. Its form is told in `docs/report.md`.
//!
//! Kubernetes shows what stands in a container's `/dev/termination-log`, of which it takes 4,096 bytes. So texts are cut
//! until all of it fits, and the structure is left whole.
//! <https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/>

use super::{os_words, words::cut};
use crate::{
    process::ExitStatus,
    sandbox::{JobFacts, Started},
};
use rustix::process::geteuid;
use serde_json::{Value, json};
use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Write as _},
    os::{
        fd::AsFd as _,
        unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    },
    path::Path,
    time::Duration,
};

/// What Kubernetes takes of a termination message, in bytes.
const LONGEST: usize = 4096;

/// Of this form.
const VERSION: u32 = 1;

/// How a hook ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookResult {
    /// Its plugin.
    pub plugin: String,
    /// `before-start` or `after-exit`.
    pub hook: &'static str,
    /// How long it took.
    pub took: Duration,
    /// The memory that it had, in bytes; none where it failed.
    pub memory: Option<u64>,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It did its work.
    Done,
    /// It did not, and this sentence says why.
    Failed(String),
    /// It was not run, and this sentence says why.
    Skipped(String),
}

/// A run that is over.
#[derive(Clone, Copy, Debug)]
pub struct Account<'a> {
    /// What hooks are told of the job.
    pub job: &'a JobFacts,
    /// How it ended.
    pub status: &'a ExitStatus,
    /// The wrapper's own.
    pub exit_code: u8,
    /// In the order in which they ran.
    pub hooks: &'a [HookResult],
}

impl Account<'_> {
    /// Writes it, and warns where that fails: it is no reason to change an exit code.
    pub fn write(&self, path: &Path) {
        if let Err(error) = write(path, self.text().as_bytes()) {
            tracing::warn!("the report cannot be written to {}: {}", path.display(), os_words(&error));
        }
    }

    /// The document, with texts cut to where all of it fits.
    fn text(&self) -> String {
        let mut longest = LONGEST;
        loop {
            let text = format!("{}\n", self.json(longest));
            if text.len() <= LONGEST || longest == 0 {
                return text;
            }
            longest = longest * 3 / 4;
        }
    }

    fn json(&self, longest: usize) -> Value {
        let started = self.job.started.as_ref();
        let status = match self.status {
            ExitStatus::Exited(code) => json!({ "kind": "exited", "code": code }),
            ExitStatus::Signaled { signal, core_dumped } => {
                json!({ "kind": "signaled", "signal": signal, "core-dumped": core_dumped })
            }
            ExitStatus::NotStarted { why, .. } => json!({ "kind": "not-started", "reason": cut(why, longest) }),
        };
        let hooks = self.hooks.iter().map(|result| {
            json!({
                "plugin": cut(&result.plugin, longest.min(NAME)),
                "hook": result.hook,
                "result": match result.outcome {
                    Outcome::Done => "done",
                    Outcome::Failed(_) => "failed",
                    Outcome::Skipped(_) => "skipped",
                },
                "duration-ms": milliseconds(result.took),
                "memory-bytes": result.memory,
                "message": match &result.outcome {
                    Outcome::Done => None,
                    Outcome::Failed(why) | Outcome::Skipped(why) => Some(cut(why, longest)),
                },
            })
        });
        json!({
            "version": VERSION,
            "command": cut(&self.job.name, longest.min(NAME)),
            "pid": started.map(|started| started.pid),
            "started-at": started.map(|Started { at, .. }| humantime::format_rfc3339_millis(*at).to_string()),
            "duration-ms": self.job.ran.map(milliseconds),
            "status": status,
            "exit-code": self.exit_code,
            "hooks": hooks.collect::<Vec<_>>(),
        })
    }
}

/// A name as long as this is cut, in bytes.
const NAME: usize = 128;

/// To a tenth, as in the log.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e4).round() / 10.
}

/// Replaces the file at once where that leaves its owner, its mode and its other names as they are and its folder can be
/// written to, and otherwise writes into it: `/dev/termination-log` is a mount of its own, and a link or a device is meant to
/// be written through.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let before = fs::symlink_metadata(path).ok();
    let can_replace = before.as_ref().is_none_or(|file| {
        file.is_file() && file.nlink() == 1 && file.uid() == geteuid().as_raw() && own_stream(path).is_none()
    });
    let folder = path.parent().unwrap_or(Path::new("/"));
    // The umask takes from this what it takes from every new file.
    let mode = Permissions::from_mode(0o666);
    if can_replace
        && let Ok(mut file) = tempfile::Builder::new().prefix(".report").permissions(mode).tempfile_in(folder)
    {
        // Where the disk is full, what stood there before is left as it is.
        file.write_all(bytes)?;
        let same_mode = before.is_none_or(|before| file.as_file().set_permissions(before.permissions()).is_ok());
        if same_mode && file.persist(path).is_ok() {
            return Ok(());
        }
    }
    if let Some(mut stream) = own_stream(path) {
        return stream.write_all(bytes);
    }
    // A pipe that nobody reads must not hold up the end.
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
    options.open(path)?.write_all(bytes)
}

/// The wrapper's stdout or stderr, where the path leads to it and it is a file: that goes on where the job has left off, and is
/// not begun anew.
fn own_stream(path: &Path) -> Option<File> {
    let meant = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    let stdout = io::stdout().as_fd().try_clone_to_owned();
    let stderr = io::stderr().as_fd().try_clone_to_owned();
    [stdout, stderr]
        .into_iter()
        .flatten()
        .map(File::from)
        .find(|stream| stream.metadata().is_ok_and(|stream| (stream.dev(), stream.ino()) == (meant.dev(), meant.ino())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    static NOT_ASKED: AtomicBool = AtomicBool::new(false);

    fn text(hooks: &[HookResult], why: &str) -> String {
        let job = JobFacts { name: "job".to_owned(), started: None, status: None, ran: None, asked_to_end: &NOT_ASKED };
        let status = ExitStatus::refused(why);
        Account { job: &job, status: &status, exit_code: 125, hooks }.text()
    }

    #[test]
    fn texts_are_cut_until_it_fits_and_the_structure_is_whole() {
        let failure = |text: &str| HookResult {
            plugin: "p".to_owned(),
            hook: "after-exit",
            took: Duration::from_micros(1640),
            memory: None,
            outcome: Outcome::Failed(text.to_owned()),
        };
        for (count, piece) in [(1, "x"), (1, "\u{1}"), (3, "漢"), (20, "\"")] {
            let hooks = vec![failure(&piece.repeat(10_000)); count];
            let text = text(&hooks, &piece.repeat(10_000));
            assert!(text.len() <= LONGEST, "{} bytes", text.len());
            assert!(text.len() > LONGEST / 2, "{} bytes", text.len());
            let value: Value = serde_json::from_str(&text).unwrap();
            let hooks = value["hooks"].as_array().unwrap();
            assert_eq!(hooks.len(), count);
            assert!(hooks.iter().all(|hook| hook["message"].as_str().unwrap().ends_with("...")));
            assert_eq!(hooks[0]["duration-ms"], 1.6);
        }
    }

    #[test]
    fn what_fits_is_not_cut() {
        let value: Value = serde_json::from_str(&text(&[], "sh was not found")).unwrap();
        assert_eq!(value["status"], json!({ "kind": "not-started", "reason": "sh was not found" }));
    }
}
