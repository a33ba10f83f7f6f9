//! How the cost grows with the work.

use crate::{job::now, measure::Values, plot::Plot, stub::Stub};
use anyhow::{Result, ensure};
use std::process::{Command, Stdio};
use wrapper_tests::{HOSTILE, dist};

/// The plots of the page.
pub fn plots(stub: &Stub, rounds: usize) -> Result<Vec<Plot>> {
    Ok(vec![hooks(stub, rounds)?, lines(rounds)?, bodies(stub, rounds)?])
}

/// Medians of a whole run for each amount of work.
fn measure(
    amounts: &[usize],
    rounds: usize,
    run: impl Fn(usize) -> Result<Command>,
    check: impl Fn(usize) -> Result<()>,
) -> Result<Vec<(f64, f64)>> {
    let mut all: Vec<_> = amounts.iter().map(|amount| Values::new(amount.to_string())).collect();
    for _ in 0..rounds {
        for (&amount, values) in amounts.iter().zip(&mut all) {
            let mut command = run(amount)?;
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let started = now();
            let status = command.status()?;
            values.push((now() - started) as f64 / 1e3);
            ensure!(status.success(), "{amount}: {status}");
            check(amount)?;
        }
    }
    Ok(Plot::line(&all))
}

fn hooks(stub: &Stub, rounds: usize) -> Result<Plot> {
    let line = |file: &str| {
        let run = |count| {
            let mut command = Command::new(dist(file));
            command.args(["--plugin", "istio-quit"].repeat(count));
            command.arg("/bin/true");
            Ok(command)
        };
        measure(&[1, 8, 16, 32], rounds, run, |count| stub.requests(count).map(drop))
    };
    Ok(Plot {
        name: "hooks",
        title: "A whole run, by the number of its hooks",
        x: "hooks, one after the other",
        lines: vec![("wrapper".to_owned(), line("wrapper")?), ("wrapper-slim".to_owned(), line("wrapper-slim")?)],
    })
}

/// The guest of the tests, told what to do after the job.
fn guest(instruction: String) -> Command {
    let mut command = Command::new(dist("wrapper"));
    command.args(["--plugin", HOSTILE, "/bin/true"]).env("HOOK_AFTER", instruction);
    command
}

fn lines(rounds: usize) -> Result<Plot> {
    let line = measure(&[0, 1_000, 5_000, 10_000], rounds, |count| Ok(guest(format!("lines {count}"))), |_| Ok(()))?;
    Ok(Plot {
        name: "lines",
        title: "A whole run, by what its hook logs",
        x: "lines of log",
        lines: vec![("wrapper, a .wasm compiled in the run".to_owned(), line)],
    })
}

fn bodies(stub: &Stub, rounds: usize) -> Result<Plot> {
    let run = |mebibytes| Ok(guest(format!("get 15020 /{mebibytes}")));
    let line = measure(&[0, 1, 2, 5, 10], rounds, run, |_| stub.requests(1).map(drop))?;
    Ok(Plot {
        name: "bodies",
        title: "A whole run, by the answer that its hook gets; what exceeds 4 MiB is refused",
        x: "MiB",
        lines: vec![("wrapper, a .wasm compiled in the run".to_owned(), line)],
    })
}
