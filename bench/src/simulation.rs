//! Many wrapped jobs at a time, each with a sidecar of its own, and what became of each.
//!
//! A run has failed where the exit code is not the job's, where the sidecar was not asked once and for what it should be, or
//! where it is not over after a minute. At the end nothing may be left: this process adopts every orphan, so that a zombie
//! or a process that outlives its wrapper is a child of this one.

use crate::{
    child::{self, Memory},
    job::now,
    measure::Values,
    stub::Sidecar,
};
use anyhow::{Context as _, Result, bail, ensure};
use std::{
    collections::BTreeSet,
    env, fs,
    io::Read as _,
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream, process::ExitStatusExt as _},
    },
    process::{self, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};
use wrapper_tests::dist;

/// The longest that a run may take; its job takes 3.4 s at most.
const BOUND: Duration = Duration::from_secs(60);

/// How often it is asked how much memory all wrappers have.
const SAMPLE: Duration = Duration::from_millis(200);

/// What came of all jobs.
pub struct Simulation {
    pub jobs: usize,
    pub at_once: usize,
    /// From a job's last moment to the request at its sidecar, in µs.
    pub to_request: Values,
    /// From a job's last moment to where the wrapper's parent knows of its end, in µs.
    pub to_exit: Values,
    /// Of wrappers, hooks and jobs, in seconds.
    pub cpu: f64,
    /// From the first start to the last end, in seconds.
    pub took: f64,
    /// The most of all wrappers together that was seen at one moment, in KiB.
    pub memory: Memory,
    pub failures: Vec<String>,
}

/// How a job is to end. Of twenty, fifteen succeed, three exit with 3, and one each is killed and terminated by a signal.
fn code(index: usize) -> i32 {
    match index % 20 {
        3 | 8 | 13 => 3,
        5 => 128 + libc::SIGKILL,
        17 => 128 + libc::SIGTERM,
        _ => 0,
    }
}

/// How long a job lasts, in ms: one in ten is over before the wrapper has settled, the others take 0.6 to 3.4 s, 2 s on
/// average. With fifty at a time some 28 start a second, 100,000 an hour.
fn lasts(index: usize) -> usize {
    if index % 10 == 9 { 10 } else { 600 + index * 1_733 % 2_800 }
}

/// What is known while it goes on.
struct State {
    next: AtomicUsize,
    over: AtomicBool,
    wrappers: Mutex<BTreeSet<u32>>,
    result: Mutex<Simulation>,
}

/// Runs so many jobs, and so many of them at once.
pub fn run(jobs: usize, at_once: usize) -> Result<Simulation> {
    // SAFETY: no pointers.
    ensure!(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) } == 0, "prctl(2)");
    let state = State {
        next: AtomicUsize::new(0),
        over: AtomicBool::new(false),
        wrappers: Mutex::default(),
        result: Mutex::new(Simulation {
            jobs,
            at_once,
            to_request: Values::new("from the job's end to the sidecar's request"),
            to_exit: Values::new("from the job's end to the wrapper's exit"),
            cpu: 0.0,
            took: 0.0,
            memory: Memory::default(),
            failures: Vec::new(),
        }),
    };
    let started = now();
    thread::scope(|scope| {
        let slots: Vec<_> = (0..at_once.min(jobs)).map(|_| scope.spawn(|| slot(&state, jobs))).collect();
        scope.spawn(|| watch(&state));
        for slot in slots {
            slot.join().expect("a slot does not panic");
        }
        state.over.store(true, Ordering::Relaxed);
    });
    let mut result = state.result.into_inner().expect("no slot panics");
    result.took = (now() - started) as f64 / 1e9;
    result.failures.extend(left_behind()?);
    Ok(result)
}

/// One job after the other.
fn slot(state: &State, jobs: usize) {
    loop {
        let index = state.next.fetch_add(1, Ordering::Relaxed);
        if index >= jobs {
            return;
        }
        let run = one(state, index);
        let mut result = state.result.lock().expect("no slot panics");
        match run {
            Ok(run) => {
                result.to_request.push(run.to_request);
                result.to_exit.push(run.to_exit);
                result.cpu += run.cpu / 1e6;
            }
            Err(error) => {
                result.failures.push(format!("job {index} ({} ms, {}): {error:#}", lasts(index), code(index)));
            }
        }
    }
}

/// Figures of a run, in µs.
struct Run {
    to_request: f64,
    to_exit: f64,
    cpu: f64,
}

fn one(state: &State, index: usize) -> Result<Run> {
    let sidecar = Sidecar::start().context("a stand-in of a sidecar")?;
    // Sockets, so that reading them ends even where somebody keeps the other end.
    let ((mut stdout, job_stdout), (mut stderr, log)) = (UnixStream::pair()?, UnixStream::pair()?);
    let mut command = Command::new(dist("wrapper"));
    command.arg(env::current_exe()?).arg("job-end").args([lasts(index).to_string(), code(index).to_string()]);
    command.env("WRAPPER_PLUGIN_PATH", "istio-quit");
    command.env("HOOK_ISTIO_QUIT_URL", format!("http://localhost:{}/quitquitquit", sidecar.port));
    command.stdin(Stdio::null()).stdout(OwnedFd::from(job_stdout)).stderr(OwnedFd::from(log));
    let child = command.spawn()?;
    // It has this end of the sockets.
    drop(command);
    let pid = child.id();
    state.wrappers.lock().expect("no slot panics").insert(pid);
    let ended = child::wait_within(child, BOUND);
    state.wrappers.lock().expect("no slot panics").remove(&pid);
    let asked = sidecar.stop();
    let check = || -> Result<Run> {
        let (ended, asked) = (ended?, asked?);
        let status = ended.status;
        ensure!(status.code() == Some(code(index)), "exit code {:?}, signal {:?}", status.code(), status.signal());
        let lines: Vec<_> = asked.iter().map(|asked| asked.line.as_str()).collect();
        ensure!(lines == ["POST /quitquitquit HTTP/1.1"], "its sidecar was asked {lines:?}");
        let job_ended: u64 = read(&mut stdout)?.trim().parse().context("the job did not say when it ended")?;
        let since = |moment: u64| (moment as f64 - job_ended as f64) / 1e3;
        ensure!(since(asked[0].at) > 0.0, "the sidecar was asked before the job had ended");
        Ok(Run { to_request: since(asked[0].at), to_exit: since(ended.at), cpu: ended.cpu })
    };
    check().with_context(|| format!("its log: {:?}", read(&mut stderr).unwrap_or_default()))
}

/// What has come by now.
fn read(stream: &mut UnixStream) -> Result<String> {
    stream.set_nonblocking(true)?;
    let mut buffer = [0; 16 << 10];
    let count = stream.read(&mut buffer)?;
    Ok(String::from_utf8_lossy(&buffer[..count]).into_owned())
}

/// Adds up what all wrappers have, now and then, with the processes of their hooks, which run the same file.
fn watch(state: &State) {
    let program = |pid: u32| fs::read_link(format!("/proc/{pid}/exe")).ok();
    let hooks = |pid: u32| {
        let wrapper = program(pid);
        let children = child::children(pid).unwrap_or_default().into_iter();
        children.filter(move |&child| wrapper.is_some() && program(child) == wrapper)
    };
    while !state.over.load(Ordering::Relaxed) {
        let running = state.wrappers.lock().expect("no slot panics").clone();
        // One that has just ended has none.
        let all = running.into_iter().flat_map(|pid| std::iter::once(pid).chain(hooks(pid)));
        let sum = all.filter_map(|pid| Memory::of(pid).ok()).sum();
        // Not kept while this sleeps.
        state.result.lock().expect("no slot panics").memory.rise_to(sum);
        thread::sleep(SAMPLE);
    }
}

/// Every process that is still there though its wrapper is gone, dead or alive.
fn left_behind() -> Result<Vec<String>> {
    if !child::has_any() {
        return Ok(Vec::new());
    }
    let describe = |pid: u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let lines = status.lines().filter(|line| line.starts_with("Name:") || line.starts_with("State:"));
        format!("process {pid} was left behind: {:?}", lines.collect::<Vec<_>>())
    };
    let left: Vec<_> = child::children(process::id())?.into_iter().map(describe).collect();
    ensure!(!left.is_empty(), "a process was left behind that /proc does not list");
    Ok(left)
}

impl Simulation {
    /// An error where a job has failed.
    pub fn check(&self) -> Result<()> {
        if self.failures.is_empty() {
            return Ok(());
        }
        let first: Vec<_> = self.failures.iter().take(20).map(String::as_str).collect();
        bail!("{} failures in {} jobs:\n{}", self.failures.len(), self.jobs, first.join("\n"))
    }

    /// The page's table.
    pub fn table(&self) -> String {
        let row = |values: &Values| {
            let ms = |part| format!("{:.2} ms", values.quantile(part) / 1e3);
            format!("| {} | {} | {} | {} | {} |\n", values.name, ms(0.5), ms(0.9), ms(0.99), ms(1.0))
        };
        let mebibytes = |kibibytes: u64| format!("{:.1} MiB", kibibytes as f64 / 1024.0);
        let jobs = self.jobs as f64;
        let mut text = "| | p50 | p90 | p99 | most |\n|---|---|---|---|---|\n".to_owned();
        if self.to_exit.count() > 0 {
            text += &row(&self.to_request);
            text += &row(&self.to_exit);
        }
        text += "\n| | |\n|---|---|\n";
        let facts = [
            ("jobs, at a time", format!("{}, {}", self.jobs, self.at_once)),
            ("failures", self.failures.len().to_string()),
            ("time", format!("{:.1} s", self.took)),
            ("jobs a second", format!("{:.1}", jobs / self.took)),
            ("CPU time of wrappers, hooks and jobs", format!("{:.2} s", self.cpu)),
            ("the same, a job", format!("{:.2} ms", self.cpu / jobs * 1e3)),
            (
                "all wrappers and hooks at one moment, private dirty memory at most",
                mebibytes(self.memory.private_dirty),
            ),
            ("all wrappers and hooks at one moment, PSS at most", mebibytes(self.memory.pss)),
            ("all wrappers and hooks at one moment, resident memory at most", mebibytes(self.memory.rss)),
        ];
        for (what, value) in facts {
            text += &format!("| {what} | {value} |\n");
        }
        text
    }
}
