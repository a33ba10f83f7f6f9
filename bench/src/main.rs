//! What the wrapper costs, beside what others cost: all contenders in one run, by turns, on one machine.
//!
//! `make bench` writes the section of its kind of CPU into `docs/benchmark.md`, and its plots. `--quick` runs less of it,
//! writes nothing, and fails where a ratio is far worse than it was: the ratio of two medians of one run says the same on
//! a fast machine and on a slow one. `--scale` runs a thousand wrapped jobs, fifty at a time, and fails where one of them
//! does; with `--docs` it also measures what a cluster would pay for them, and writes `docs/sizing.md`.

mod child;
mod contender;
mod costs;
mod image;
mod job;
mod machine;
mod measure;
mod page;
mod plot;
mod scaling;
mod section;
mod simulation;
mod sizing;
mod stub;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser;
use page::{Row, Unit};
use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};
use stub::Stub;

/// Measure what the wrapper costs.
#[derive(Debug, Parser)]
struct Options {
    /// Rounds of each measurement; each contender runs once a round
    #[arg(long, value_name = "N", default_value_t = 60)]
    rounds: usize,
    /// Fewer rounds, the whole runs only, and a failure where a ratio has become far worse
    #[arg(long)]
    quick: bool,
    /// Many wrapped jobs at a time, and a failure where one of them fails
    #[arg(long, conflicts_with = "quick")]
    scale: bool,
    /// How many jobs
    #[arg(long, value_name = "N", default_value_t = 1_000, requires = "scale")]
    jobs: usize,
    /// How many of them at a time
    #[arg(long, value_name = "N", default_value_t = 50, requires = "scale")]
    at_once: usize,
    /// Write this CPU's section of benchmark.md and its plots into this folder; with --scale, sizing.md
    #[arg(long, value_name = "FOLDER")]
    docs: Option<PathBuf>,
}

fn main() -> Result<()> {
    // The programs that are measured start this one as their job.
    if let Some(what) = std::env::args().nth(1).as_deref().and_then(job::find) {
        what(std::env::args().skip(2).collect());
    }
    let options = Options::parse();
    ensure!(options.rounds > 0, "--rounds 0: there is nothing to measure; ask for 1 or more");
    ensure!(options.jobs > 0 && options.at_once > 0, "--jobs and --at-once: ask for 1 or more");
    wrapper_tests::own_network();
    if options.scale {
        return scale(&options);
    }
    let stub = Stub::start().context("the stub of a sidecar cannot listen on port 15020")?;
    let machine = machine::line(&page::PACKAGES)?;
    println!("{machine}");
    if options.quick {
        return quick(&stub);
    }
    let rows = rows(&stub, options.rounds)?;
    let plots = scaling::plots(&stub, options.rounds.min(20))?;
    print!("{}", page::table(&rows));
    if let Some(folder) = &options.docs {
        let maker = machine::maker()?;
        let section = page::section(maker, &machine::today(), &machine, &rows, &plots);
        write_section(&folder.join("benchmark.md"), maker, &section)?;
        for plot in &plots {
            fs::write(folder.join(plot.file(maker)), plot.svg()?)?;
        }
    }
    Ok(())
}

/// In place of the one that the page has of this maker's CPUs, or after the others.
fn write_section(file: &Path, maker: &str, section: &str) -> Result<()> {
    let page = match fs::read_to_string(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        read => read.with_context(|| format!("{} cannot be read", file.display()))?,
    };
    Ok(fs::write(file, section::put(&page, page::HEAD, maker, section))?)
}

/// Many jobs, and where a page is to be written, what each costs.
fn scale(options: &Options) -> Result<()> {
    let simulation = simulation::run(options.jobs, options.at_once)?;
    print!("{}", simulation.table());
    simulation.check()?;
    if let Some(folder) = &options.docs {
        let stub = Stub::start().context("the stub of a sidecar cannot listen on port 15020")?;
        let costs = costs::measure(&stub, options.rounds.min(40))?;
        let page = sizing::page(&costs, &costs::install(options.rounds.min(40))?, &simulation)?;
        fs::write(folder.join("sizing.md"), page)?;
    }
    Ok(())
}

/// What the job of the whole runs is called when nothing is above it.
const PLAIN: &str = "/bin/true";

/// Every row of the page.
fn rows(stub: &Stub, rounds: usize) -> Result<Vec<Row>> {
    let mut rows = vec![];
    let wall = measure::wall(stub, &contender::whole_runs(PLAIN), rounds)?;
    let plain = wall.median(PLAIN);
    for run in &wall.0 {
        rows.push(Row::new(page::RUN, run, Unit::Micros).over(plain));
    }
    for run in &measure::tail(stub, &contender::with_hook(), rounds.min(50))?.0 {
        rows.push(Row::new(page::TAIL, run, Unit::Micros));
    }
    for run in &measure::term(&contender::inits(), rounds)?.0 {
        rows.push(Row::new(page::TERM, run, Unit::Micros));
    }
    for run in &measure::memory(&contender::inits())? {
        rows.extend(run.rows());
    }
    for run in &measure::peak(stub, &contender::with_hook())?.0 {
        rows.push(Row::new(page::PEAK, run, Unit::Kibibytes));
    }
    if let Some(job) = contender::built("true-static") {
        for run in &measure::faults(stub, &contender::whole_runs(contender::ALONE), &job, rounds.min(20))?.0 {
            rows.push(Row::new(page::FAULTS, run, Unit::Number));
        }
    }
    for run in &measure::sizes()?.0 {
        rows.push(Row::new(page::SIZE, run, Unit::Kibibytes));
    }
    for run in &measure::ahead_of_time(rounds.min(50))?.0 {
        rows.push(Row::new(page::FIRST_LINE, run, Unit::Micros));
    }
    Ok(rows)
}

/// The most that a whole run may take, as a multiple of another's, both over plain `/bin/true`: twice what it takes.
const LIMITS: [(&str, &str, f64); 4] = [
    ("wrapper, no hooks", "tini", 0.8),
    ("wrapper-slim, no hooks", "tini", 0.8),
    ("wrapper-slim", "tini", 2.4),
    ("wrapper", "sh, curl", 0.3),
];

/// How often it is measured before a ratio counts as worse: another process may have had the machine.
const ATTEMPTS: u32 = 3;

/// Whole runs only, held against the limits.
fn quick(stub: &Stub) -> Result<()> {
    let mut worse = String::new();
    for _ in 0..ATTEMPTS {
        let wall = measure::wall(stub, &contender::whole_runs(PLAIN), 31)?;
        let over = |name: &str| wall.median(name) - wall.median(PLAIN);
        worse.clear();
        for (name, other, most) in LIMITS {
            let ratio = over(name) / over(other);
            println!("{name}: {ratio:.2} of {other} (at most {most})");
            if ratio > most {
                worse = format!("{name} takes {ratio:.2} times as long as {other}, both over plain /bin/true");
            }
        }
        if worse.is_empty() {
            return Ok(());
        }
    }
    bail!(worse)
}
