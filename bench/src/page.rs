//! `docs/benchmark.md`: every figure beside its target.

use crate::{measure::Values, plot::Plot};
use anyhow::Result;
use std::{fmt::Write as _, fs, process::Command};

/// What a figure counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Micros,
    Kibibytes,
    Number,
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Self::Micros => format!("{:.2} ms", value / 1e3),
            Self::Kibibytes => format!("{value:.0} KiB"),
            Self::Number => format!("{value}"),
        }
    }
}

/// A line of the table.
pub struct Row {
    what: &'static str,
    who: String,
    median: f64,
    p90: f64,
    count: usize,
    /// What is subtracted before ratios are taken.
    base: f64,
    unit: Unit,
}

impl Row {
    pub fn new(what: &'static str, values: &Values, unit: Unit) -> Self {
        Self {
            what,
            who: values.name.clone(),
            median: values.quantile(0.5),
            p90: values.quantile(0.9),
            count: values.count(),
            base: 0.0,
            unit,
        }
    }

    /// Ratios are those of what comes on top of this.
    pub fn over(self, base: f64) -> Self {
        Self { base, ..self }
    }
}

/// A figure that is aimed at.
struct Target {
    what: &'static str,
    who: &'static str,
    /// At most so much, or so many times another contender's figure.
    most: f64,
    of: Option<&'static str>,
}

const fn target(what: &'static str, who: &'static str, most: f64) -> Target {
    Target { what, who, most, of: None }
}

const fn ratio(what: &'static str, who: &'static str, most: f64, of: &'static str) -> Target {
    Target { what, who, most, of: Some(of) }
}

const RUN: &str = "whole run of `/bin/true`";

const TARGETS: &[Target] = &[
    ratio(RUN, "wrapper, no hooks", 1.1, "tini"),
    ratio(RUN, "wrapper-slim, no hooks", 1.1, "tini"),
    ratio(RUN, "wrapper", 1.7, "tini"),
    ratio(RUN, "wrapper-slim", 1.7, "tini"),
    ratio(RUN, "wrapper", 0.15, "sh, curl"),
    ratio(RUN, "wrapper-slim", 0.15, "sh, curl"),
    target("from the end of a job of a second to the request", "wrapper", 1000.0),
    target("from the end of a job of a second to the request", "wrapper-slim", 1000.0),
    ratio("SIGTERM until the job has it", "wrapper, no hooks", 1.0, "tini"),
    ratio("SIGTERM until the job has it", "wrapper-slim, no hooks", 1.0, "tini"),
    target("private dirty memory while the job sleeps", "wrapper, no hooks", 128.0),
    target("private dirty memory while the job sleeps", "wrapper-slim, no hooks", 128.0),
    target("resident memory while the job sleeps", "wrapper, no hooks", 2048.0),
    target("resident memory while the job sleeps", "wrapper-slim, no hooks", 2048.0),
    target("threads while the job sleeps", "wrapper, no hooks", 1.0),
    target("threads while the job sleeps", "wrapper-slim, no hooks", 1.0),
    target("most memory of a process in a whole run", "wrapper", 6144.0),
    target("most memory of a process in a whole run", "wrapper-slim", 6144.0),
    target("size of the file", "wrapper", 12288.0),
    target("size of the file", "wrapper-slim", 4096.0),
    target("from the job's end to a plugin's first line", "Python", 20_000.0),
    target("from the job's end to a plugin's first line", "JavaScript", 20_000.0),
];

/// Every target, and whether it is held; then every figure.
pub fn table(rows: &[Row]) -> String {
    let find = |what: &str, who: &str| rows.iter().find(|row| row.what == what && row.who == who);
    let mut text = String::from("| what | whose | target | measured | |\n|---|---|---|---|---|\n");
    for target in TARGETS {
        let Some(row) = find(target.what, target.who) else { continue };
        let (aim, measured, value) = match target.of.and_then(|other| find(target.what, other)) {
            Some(other) => {
                let ratio = (row.median - row.base) / (other.median - other.base);
                (format!("≤ {} × {}", target.most, other.who), format!("{ratio:.2} ×"), ratio)
            }
            None => (format!("≤ {}", row.unit.show(target.most)), row.unit.show(row.median), row.median),
        };
        let held = if value <= target.most { "held" } else { "**missed**" };
        let over = if row.base > 0.0 { ", over plain" } else { "" };
        writeln!(text, "| {}{over} | {} | {aim} | {measured} | {held} |", row.what, row.who).expect("a string");
    }
    text += "\n| what | whose | median | 90 % | rounds | over plain |\n|---|---|---|---|---|---|\n";
    for row in rows {
        let show = |value| row.unit.show(value);
        let over = if row.base > 0.0 { show(row.median - row.base) } else { String::new() };
        let (median, p90) = (show(row.median), show(row.p90));
        writeln!(text, "| {} | {} | {median} | {p90} | {} | {over} |", row.what, row.who, row.count).expect("a string");
    }
    text
}

const HEAD: &str = "# What the wrapper costs

`make bench` measures all of this in one run and writes this page. The contenders take turns, each run is checked (its exit
code, and that the request arrived), and the sidecar is a stub that answers at once. *Over plain* is what remains when the
job's own time, that of `/bin/true` with nothing above it, is subtracted; ratios are between such remainders. Absolute times
are this machine's; the ratios are what to compare. [What was tried](performance.md) tells where the time goes, and
[Sizing](sizing.md) what a cluster pays.
";

/// The whole page.
pub fn page(rows: &[Row], plots: &[Plot]) -> Result<String> {
    let mut page = format!("{HEAD}\n{}\n\n{}", machine(&PACKAGES)?, table(rows));
    page += "\n## As the work grows\n";
    for plot in plots {
        write!(page, "\n![{}]({})\n", plot.title, plot.file)?;
    }
    Ok(page)
}

/// Debian's packages that are measured beside it.
const PACKAGES: [&str; 5] = ["tini", "dumb-init", "catatonit", "curl", "busybox-static"];

/// What it was measured on, and with which packages.
pub fn machine(packages: &[&str]) -> Result<String> {
    let cpus = fs::read_to_string("/proc/cpuinfo")?;
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": an unknown CPU");
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let count = std::thread::available_parallelism()?;
    let mut text = format!("{count} × {}, Linux {}", model.trim_start_matches([' ', '\t', ':']), kernel.trim());
    for package in packages {
        let version = Command::new("dpkg-query").args(["-W", "-f", "${Version}", package]).output();
        if let Ok(output) = version
            && output.status.success()
        {
            write!(text, ", {package} {}", String::from_utf8_lossy(&output.stdout))?;
        }
    }
    Ok(text + ".")
}
