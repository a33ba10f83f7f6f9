//! `docs/benchmark.md`: every figure beside its target, in a section for each kind of CPU.

use crate::{measure::Values, plot::Plot};
use std::fmt::Write as _;

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

/// Rows that have targets.
pub const RUN: &str = "whole run of `/bin/true`";
pub const TAIL: &str = "from the end of a job of a second to the request";
pub const TERM: &str = "SIGTERM until the job has it";
pub const DIRTY: &str = "private dirty memory while the job sleeps";
pub const RESIDENT: &str = "resident memory while the job sleeps";
pub const THREADS: &str = "threads while the job sleeps";
pub const PEAK: &str = "most memory of a process in a whole run";
pub const FAULTS: &str = "page faults of a whole run";
pub const SIZE: &str = "size of the file";
pub const FIRST_LINE: &str = "from the job's end to a plugin's first line";

const TARGETS: &[Target] = &[
    ratio(RUN, "wrapper, no hooks", 0.3, "tini"),
    ratio(RUN, "wrapper-slim, no hooks", 0.3, "tini"),
    ratio(RUN, "wrapper", 0.8, "tini"),
    ratio(RUN, "wrapper-slim", 0.8, "tini"),
    ratio(RUN, "wrapper", 0.11, "sh, curl"),
    ratio(RUN, "wrapper-slim", 0.11, "sh, curl"),
    target(TAIL, "wrapper", 1000.0),
    target(TAIL, "wrapper-slim", 1000.0),
    ratio(TERM, "wrapper, no hooks", 1.0, "tini"),
    ratio(TERM, "wrapper-slim, no hooks", 1.0, "tini"),
    target(DIRTY, "wrapper, no hooks", 80.0),
    target(DIRTY, "wrapper-slim, no hooks", 80.0),
    target(RESIDENT, "wrapper, no hooks", 500.0),
    target(RESIDENT, "wrapper-slim, no hooks", 500.0),
    target(THREADS, "wrapper, no hooks", 1.0),
    target(THREADS, "wrapper-slim, no hooks", 1.0),
    target(PEAK, "wrapper", 6144.0),
    target(PEAK, "wrapper-slim", 6144.0),
    target(FAULTS, "wrapper-slim, no hooks", 45.0),
    target(FAULTS, "wrapper-slim", 140.0),
    // 10.5 and 3.7 MiB.
    target(SIZE, "wrapper", 10_752.0),
    target(SIZE, "wrapper-slim", 3_789.0),
    target(FIRST_LINE, "Python", 20_000.0),
    target(FIRST_LINE, "JavaScript", 20_000.0),
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

/// What the page says about every machine.
pub const HEAD: &str = "# What the wrapper costs

`make bench` measures all of this in one run. It writes the section of its own kind of CPU and keeps the others. The
contenders take turns. Each run is checked: its exit code, and that the request arrived. The sidecar is a stub that answers
at once. *Over plain* is what remains when the job's own time is subtracted, that of `/bin/true` with nothing above it;
ratios are between such remainders. Absolute times are those of a section's machine; the ratios are what to compare. On a
virtual machine each CPUID and each page fault may cost many times what they cost elsewhere, and a start has some of both:
so the cost of one of each is in the machine's line. *Page faults* are the minor faults of all processes of a run, with a
static job that does nothing. *dumb-init, static musl* is the source on PyPI, compiled with `musl-gcc -static -Os`. [What
was tried](performance.md) shows where the time goes, and [Sizing](sizing.md) what a cluster pays.
";

/// The section of one machine: when it was measured on what, every figure, and the plots.
pub fn section(maker: &str, date: &str, machine: &str, rows: &[Row], plots: &[Plot]) -> String {
    let mut text = format!("## {maker}\n\n{date}: {machine}\n\n{}\n### As the work grows\n", table(rows));
    for plot in plots {
        write!(text, "\n![{}]({})\n", plot.title, plot.file(maker)).expect("a string");
    }
    text
}

/// Debian's packages that are measured beside it, and the C library of what is linked with musl.
pub const PACKAGES: [&str; 6] = ["tini", "dumb-init", "catatonit", "curl", "busybox-static", "musl-tools"];
