//! Hostile guests, hostile servers and a failing world: what was tried, and what came of it.
//!
//! Every row asserts that the job's exit code is kept, that the wrapper ends within 100 ms of the hooks' deadline, that
//! memory stays bounded, and that a line of log says what was stopped. `make sandbox-table` writes what it finds into
//! `docs/sandbox-table.md`.

mod faults;
mod files;
mod guests;
mod servers;

use std::{fs, path::Path, process::Stdio, time::Duration};
use wrapper_tests::{HOSTILE, Outcome, Run, own_network, run};

/// What the hooks have, unless a row says otherwise.
const DEADLINE: Duration = Duration::from_secs(1);

/// How long after it the wrapper may end.
const OVER: Duration = Duration::from_millis(100);

/// How often a row is run that ends too late.
const ATTEMPTS: u32 = 3;

/// What a row's processes may take at most, each: the host's own and what a response may have.
const HOST_MEMORY: u64 = 48 << 20;

/// Something that is tried, and what should come of it.
struct Row {
    tried: &'static str,
    run: Run,
    /// Where the log goes, if not to the test.
    stderr: Option<Stdio>,
    /// What stands in the log and tells what happened.
    says: Option<String>,
    code: i32,
    memory: u64,
    deadline: Duration,
}

impl Row {
    /// A run of a job that exits 3, after which this is said.
    fn new(tried: &'static str, run: Run, says: &str) -> Self {
        Self { tried, run, stderr: None, says: Some(says.to_owned()), code: 3, memory: HOST_MEMORY, deadline: DEADLINE }
    }

    /// A run whose log cannot be read.
    fn silent(tried: &'static str, run: Run, stderr: Stdio) -> Self {
        Self { says: None, stderr: Some(stderr), ..Self::new(tried, run, "") }
    }

    fn code(self, code: i32) -> Self {
        Self { code, ..self }
    }

    /// May take so much memory, in MiB.
    fn memory(self, mebibytes: u64) -> Self {
        Self { memory: mebibytes << 20, ..self }
    }

    fn deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Runs it, and tells it as a line of the table, or what is not as it should be.
    fn measure(mut self) -> Result<String, String> {
        let peak = tempfile::NamedTempFile::new().unwrap();
        self.run = self.run.under(&[env!("CARGO_BIN_EXE_probe"), "peak", peak.path().to_str().unwrap()]);
        if let Some(stderr) = self.stderr.take() {
            self.run = self.run.with(|command| {
                command.stderr(stderr);
            });
        }
        // A machine that has other things to do may hold up a run by more than the time allowed, though not each of some.
        let mut outcome = self.run.outcome();
        for _ in 1..ATTEMPTS {
            if self.took(&outcome) > self.deadline + OVER {
                outcome = self.run.outcome();
            }
        }
        let peak = fs::read_to_string(peak.path()).unwrap().parse().map_or(0, |kibibytes: u64| kibibytes << 10);
        let wrong = |what: String| Err(format!("{}: {what}: {}", self.tried, shown(&outcome)));
        if outcome.code != self.code {
            return wrong(format!("code {} instead of {}", outcome.code, self.code));
        }
        let happened = match &self.says {
            None => "nothing that can be read".to_owned(),
            Some(text) => match outcome.stderr.lines().find(|line| line.contains(text)) {
                None => return wrong(format!("nothing says {text:?}")),
                Some(line) => format!("`{}`", cut(line).replace('|', "\\|")),
            },
        };
        let took = self.took(&outcome);
        if took > self.deadline + OVER {
            return wrong(format!("{took:?} after the job"));
        }
        if peak > self.memory {
            return wrong(format!("{} MiB of memory", peak >> 20));
        }
        let over = took.checked_sub(self.deadline).map(|over| format!("{} ms", over.as_millis()));
        let over = over.as_deref().unwrap_or("none");
        Ok(format!("| {} | {happened} | {over} | {} MiB | {} |", self.tried, peak >> 20, outcome.code))
    }

    /// What has the deadline: where no job was started, it is all of the run.
    fn took(&self, outcome: &Outcome) -> Duration {
        if self.code == 3 { outcome.after_job } else { outcome.took }
    }
}

fn shown(outcome: &Outcome) -> String {
    format!("code {}, {:?}, {:?}: {}", outcome.code, outcome.took, outcome.after_job, cut_to(&outcome.stderr, 4_000))
}

/// A line for the table: without folders that are another's tomorrow, and not too long.
fn cut(line: &str) -> String {
    let line = line.replace(&format!("{}/", HOSTILE.rsplit_once('/').expect("a path").0), "");
    let words: Vec<_> = line.split(' ').map(|word| word.strip_prefix("/tmp/").map_or(word, file_name)).collect();
    cut_to(&words.join(" "), 220)
}

fn file_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

fn cut_to(text: &str, length: usize) -> String {
    match text.char_indices().nth(length) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A job that exits 3, and the guest that follows this instruction.
fn hostile(instruction: &str) -> Run {
    hostile_with("", instruction)
}

/// The same with further settings of the plugin, such as `,port=1`.
fn hostile_with(settings: &str, instruction: &str) -> Run {
    job(&format!("{HOSTILE}{settings}")).env("HOOK_AFTER", instruction)
}

/// A job that exits 3, and a plugin.
fn job(plugin: &str) -> Run {
    run(["--plugin", plugin, "--hook-timeout", "1s", "sh", "-c", "exit 3"])
}

const HEAD: &str = "# What hostile guests, servers and a failing world achieve

`make sandbox-table` runs all of it and writes this page. In each row the job exits 3 unless it is not started, the hooks
have one second, and a guest has 64 MiB of memory. *Over* is how long after its deadline the wrapper ended, *memory* the
most that any of its processes had at a time, *code* the wrapper's exit code: 3, or 125 where the plugin was refused before
the job. A guest can try everything that is not in here as well, and `SECURITY.md` says what then holds.
";

#[test]
fn nothing_that_is_tried_changes_the_exit_code_or_holds_the_pod() {
    own_network();
    let folder = tempfile::tempdir().unwrap();
    let only = std::env::var("ONLY").unwrap_or_default();
    let (mut page, mut wrong) = (HEAD.to_owned(), Vec::new());
    for (title, rows) in [
        ("Guests", guests::rows(folder.path())),
        ("Files that are no good plugins", files::rows(folder.path())),
        ("Requests and servers", servers::rows()),
        ("A failing world", faults::rows(folder.path())),
    ] {
        page += &format!("\n## {title}\n\n| tried | what happened | over | memory | code |\n|---|---|---|---|---|\n");
        for row in rows.into_iter().filter(|row| row.tried.contains(&only)) {
            match row.measure() {
                Ok(line) => {
                    println!("{line}");
                    page += &(line + "\n");
                }
                Err(what) => wrong.push(what),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    if let Some(file) = std::env::var_os("SANDBOX_TABLE") {
        fs::write(file, page).unwrap();
    }
}

#[test]
fn the_page_has_the_rows_that_are_measured() {
    own_network();
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/sandbox-table.md")).unwrap();
    let described: Vec<_> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").next())
        .filter(|tried| *tried != "tried")
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let rows = [guests::rows(folder.path()), files::rows(folder.path()), servers::rows(), faults::rows(folder.path())];
    let measured: Vec<_> = rows.iter().flatten().map(|row| row.tried).collect();
    assert_eq!(described, measured, "run `make sandbox-table`");
}
