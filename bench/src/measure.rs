//! The measurements: contenders by turns, and a check that each has done its work.

use crate::{
    child::{self, Memory},
    contender::Contender,
    job::now,
    page::{DIRTY, RESIDENT, Row, THREADS, Unit},
    stub::Stub,
};
use anyhow::{Context as _, Result, ensure};
use std::{
    env,
    ffi::OsStr,
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};
use wrapper_tests::dist;

/// What was measured of a contender, one value a round.
#[derive(Clone)]
pub struct Values {
    pub name: String,
    values: Vec<f64>,
}

impl Values {
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), values: Vec::new() }
    }

    pub fn push(&mut self, value: f64) {
        self.values.push(value);
    }

    /// One value, from 0 to 1 of the way from the least to the most.
    pub fn quantile(&self, part: f64) -> f64 {
        let mut sorted = self.values.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted[((sorted.len() - 1) as f64 * part).round() as usize]
    }

    pub fn count(&self) -> usize {
        self.values.len()
    }
}

/// The values of several contenders.
pub struct Series(pub Vec<Values>);

impl Series {
    /// The median of a contender that is in it.
    pub fn median(&self, name: &str) -> f64 {
        self.0.iter().find(|values| values.name == name).expect("a contender by that name").quantile(0.5)
    }
}

/// Lets each contender take a turn in each round. The first is another one each time, so that none has the best place.
pub fn by_turns(
    contenders: &[Contender],
    rounds: usize,
    mut measure: impl FnMut(usize, &Contender) -> Result<f64>,
) -> Result<Series> {
    let mut series: Vec<_> = contenders.iter().map(|contender| Values::new(contender.name)).collect();
    for round in 0..=rounds {
        for turn in 0..contenders.len() {
            let which = (round + turn) % contenders.len();
            let contender = &contenders[which];
            let value = measure(which, contender).with_context(|| format!("{}, round {round}", contender.name))?;
            // The first round fills the caches.
            if round > 0 {
                series[which].values.push(value);
            }
        }
    }
    Ok(Series(series))
}

pub fn micros(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e3
}

pub fn quiet(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null())
}

/// Whole runs of `/bin/true`.
pub fn wall(stub: &Stub, contenders: &[Contender], rounds: usize) -> Result<Series> {
    by_turns(contenders, rounds, |_, contender| {
        let mut command = contender.command(&["/bin/true".as_ref()]);
        quiet(&mut command);
        let started = now();
        let status = command.status()?;
        let took = now() - started;
        ensure!(status.success(), "{status}");
        stub.requests(contender.requests)?;
        Ok(micros(took))
    })
}

/// This program as a job.
fn job(contender: &Contender, arguments: &[&str]) -> Result<Command> {
    let this = env::current_exe()?;
    let job: Vec<_> = std::iter::once(this.as_os_str()).chain(arguments.iter().map(OsStr::new)).collect();
    Ok(contender.command(&job))
}

/// From the last moment of a job that took a second to the request on the wire.
pub fn tail(stub: &Stub, contenders: &[Contender], rounds: usize) -> Result<Series> {
    by_turns(contenders, rounds, |_, contender| {
        let mut command = job(contender, &["job-of", "1000"])?;
        let output = quiet(&mut command).stdout(Stdio::piped()).output()?;
        ensure!(output.status.success(), "{}", output.status);
        let ended: u64 = String::from_utf8(output.stdout)?.lines().next().context("no time")?.parse()?;
        Ok(micros(stub.requests(1)?[0] - ended))
    })
}

/// An init with a job that says when SIGTERM comes.
struct Caught {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Caught {
    fn start(contender: &Contender) -> Result<Self> {
        let mut child = quiet(&mut job(contender, &["job-catch"])?).stdout(Stdio::piped()).spawn()?;
        let lines = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut caught = Self { child, lines };
        caught.line()?;
        Ok(caught)
    }

    fn line(&mut self) -> Result<u64> {
        let mut line = String::new();
        self.lines.read_line(&mut line)?;
        Ok(line.trim().parse()?)
    }
}

impl Drop for Caught {
    fn drop(&mut self) {
        let own = self.child.id();
        let job = child::children(own).ok().and_then(|children| children.first().copied());
        // SAFETY: no pointers; neither is waited for yet, so their ids are their own.
        unsafe {
            libc::kill(job.unwrap_or(own) as libc::pid_t, libc::SIGKILL);
        }
        // It ends with its job.
        drop(self.child.wait());
    }
}

/// From SIGTERM for the init to SIGTERM in the job.
pub fn term(contenders: &[Contender], rounds: usize) -> Result<Series> {
    let mut running = contenders.iter().map(Caught::start).collect::<Result<Vec<_>>>()?;
    // The wrapper has something to prepare in its first moments.
    thread::sleep(Duration::from_millis(300));
    by_turns(contenders, rounds, |which, _| {
        let caught = &mut running[which];
        let sent = now();
        // SAFETY: no pointers; the process is not waited for yet.
        ensure!(unsafe { libc::kill(caught.child.id() as libc::pid_t, libc::SIGTERM) } == 0, "it is gone");
        Ok(micros(caught.line()? - sent))
    })
}

/// What an init has while its job sleeps.
pub struct Resident {
    pub name: &'static str,
    pub memory: Memory,
    threads: u64,
}

impl Resident {
    pub fn rows(&self) -> Vec<Row> {
        let value = |number: u64| Values { name: self.name.to_owned(), values: vec![number as f64] };
        vec![
            Row::new(DIRTY, &value(self.memory.private_dirty), Unit::Kibibytes),
            Row::new(RESIDENT, &value(self.memory.rss), Unit::Kibibytes),
            Row::new(THREADS, &value(self.threads), Unit::Number),
        ]
    }
}

/// Reads it from `/proc`. Pages of a file that was just written count as dirty, so everything is written back first.
pub fn memory(contenders: &[Contender]) -> Result<Vec<Resident>> {
    // SAFETY: no arguments.
    unsafe { libc::sync() };
    let of = |contender: &Contender| {
        // The hook of a wrapper that has one is not prepared for ever: by then it is gone.
        let mut child = quiet(&mut contender.command(&["/bin/sleep".as_ref(), "2".as_ref()])).spawn()?;
        thread::sleep(Duration::from_millis(1_000));
        ensure!(child::children(child.id())?.len() == 1, "{} has other children than its job", contender.name);
        let status = fs::read_to_string(format!("/proc/{}/status", child.id()))?;
        let threads =
            status.lines().find_map(|line| line.strip_prefix("Threads:")).context("proc(5)")?.trim().parse()?;
        let resident = Resident { name: contender.name, memory: Memory::of(child.id())?, threads };
        child.wait()?;
        Ok(resident)
    };
    contenders.iter().map(of).collect()
}

/// The most that one process of a whole run has.
pub fn peak(stub: &Stub, contenders: &[Contender]) -> Result<Series> {
    let this = env::current_exe()?;
    by_turns(contenders, 5, |_, contender| {
        let measured = contender.command(&["/bin/true".as_ref()]);
        let mut command = Command::new(&this);
        command.arg("job-peak").arg(measured.get_program()).args(measured.get_args());
        let output = quiet(&mut command).stdout(Stdio::piped()).output()?;
        ensure!(output.status.success(), "{}", output.status);
        stub.requests(1)?;
        Ok(String::from_utf8(output.stdout)?.trim().parse()?)
    })
}

/// Minor page faults of a whole run of this job: those of the contender and of all processes that it waited for, from before
/// it was executed. They are some more than the program's own, and the same for every contender.
pub fn faults(stub: &Stub, contenders: &[Contender], job: &Path, rounds: usize) -> Result<Series> {
    by_turns(contenders, rounds, |_, contender| {
        let ended = child::wait(quiet(&mut contender.command(&[job.as_os_str()])).spawn()?)?;
        ensure!(ended.status.success(), "{}", ended.status);
        stub.requests(contender.requests)?;
        Ok(ended.faults as f64)
    })
}

/// Sizes of the programs.
pub fn sizes() -> Result<Series> {
    let sizes = ["wrapper", "wrapper-slim"].map(|file| {
        let bytes = fs::metadata(dist(file))?.len();
        Ok(Values { name: file.to_owned(), values: vec![bytes as f64 / 1024.0] })
    });
    Ok(Series(sizes.into_iter().collect::<Result<_>>()?))
}

/// From the end of a job to the first line of a plugin in another language, compiled ahead of time.
pub fn ahead_of_time(rounds: usize) -> Result<Series> {
    let this = env::current_exe()?;
    let mut series = Vec::new();
    for (name, file) in [("Python", "bench/python.cwasm"), ("JavaScript", "bench/javascript.cwasm")] {
        let mut values = Values::new(name);
        for _ in 0..rounds {
            let mut command = Command::new(dist("wrapper-slim"));
            command.arg("--plugin").arg(dist(file)).arg(&this).args(["job-of", "100"]);
            let mut child = quiet(&mut command).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
            let mut log = BufReader::new(child.stderr.take().expect("a pipe"));
            let mut line = String::new();
            while !line.contains("hello from ") {
                line.clear();
                ensure!(log.read_line(&mut line)? > 0, "{name} says nothing");
            }
            let said = now();
            let mut ended = String::new();
            child.stdout.take().expect("a pipe").read_to_string(&mut ended)?;
            ensure!(child.wait()?.success());
            values.values.push(micros(said - ended.trim().parse::<u64>()?));
        }
        series.push(values);
    }
    Ok(Series(series))
}
