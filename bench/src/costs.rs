//! What one run costs under each contender: time, CPU, memory, and what an image must have for it.
//!
//! The job sleeps for half a second, so that everything is as it is at the end of a job that lasts: what a wrapper prepares
//! in its first moments is dropped by then.

use crate::{
    child::{self, Memory},
    contender::{self, ALONE, Contender},
    image::{Files, files},
    job::now,
    measure::{self, Series, Values, by_turns, micros, quiet},
    stub::Stub,
};
use anyhow::{Result, ensure};
use std::process::Command;
use wrapper_tests::dist;

/// The figures of one contender, medians; times are on top of those of the job by itself.
pub struct Cost {
    pub name: &'static str,
    /// How many runs the times are medians of.
    pub rounds: usize,
    /// Milliseconds that a run takes longer.
    pub wall: f64,
    /// Milliseconds on a CPU.
    pub cpu: f64,
    /// Of the process above the job while it sleeps.
    pub memory: Memory,
    /// The most that a process of the run has, in KiB; nothing where nothing is sent.
    pub peak: Option<f64>,
    /// What the image must have, beside the job.
    pub files: Files,
}

/// What `--install` costs, a run.
pub struct Install {
    pub name: &'static str,
    pub wall: f64,
    pub cpu: f64,
    pub bytes: u64,
}

/// Of every contender but the job by itself.
pub fn measure(stub: &Stub, rounds: usize) -> Result<Vec<Cost>> {
    let contenders = contender::sized();
    let (wall, cpu) = runs(stub, &contenders, rounds)?;
    let hooked: Vec<_> = contenders.iter().filter(|contender| contender.requests > 0).cloned().collect();
    let peaks = measure::peak(stub, &hooked)?;
    let wrapped: Vec<_> = contenders.into_iter().filter(|contender| contender.name != ALONE).collect();
    let residents = measure::memory(&wrapped)?;
    stub.requests(hooked.len())?;
    let over = |series: &Series, name| (series.median(name) - series.median(ALONE)) / 1e3;
    residents
        .iter()
        .map(|resident| {
            let name = resident.name;
            let peak = peaks.0.iter().find(|values| values.name == name).map(|values| values.quantile(0.5));
            let (wall, cpu) = (over(&wall, name), over(&cpu, name));
            Ok(Cost { name, rounds, wall, cpu, memory: resident.memory, peak, files: files(name)? })
        })
        .collect()
}

/// How long a run takes, and how long on a CPU, in µs.
fn runs(stub: &Stub, contenders: &[Contender], rounds: usize) -> Result<(Series, Series)> {
    let mut cpu: Vec<Option<Values>> = contenders.iter().map(|_| None).collect();
    let wall = by_turns(contenders, rounds, |which, contender| {
        // By its path, since a shell may have a sleep of its own.
        let mut command = contender.command(&["/bin/sleep".as_ref(), "0.5".as_ref()]);
        let started = now();
        let ended = child::wait(quiet(&mut command).spawn()?)?;
        ensure!(ended.status.success(), "{}", ended.status);
        stub.requests(contender.requests)?;
        // As with the time, the first round does not count.
        match &mut cpu[which] {
            None => cpu[which] = Some(Values::new(contender.name)),
            Some(values) => values.push(ended.cpu),
        }
        Ok(micros(ended.at - started))
    })?;
    Ok((wall, Series(cpu.into_iter().flatten().collect())))
}

/// A copy of each build, as an init container makes it.
pub fn install(rounds: usize) -> Result<Vec<Install>> {
    let folder = tempfile::tempdir_in(dist("wrapper").with_file_name("bench"))?;
    let mut builds = ["wrapper", "wrapper-slim"].map(|name| (name, Values::new(name), Values::new(name)));
    for round in 0..=rounds {
        for (name, wall, cpu) in &mut builds {
            let copy = folder.path().join(&name);
            let started = now();
            let ended = child::wait(quiet(Command::new(dist(name)).arg("--install").arg(&copy)).spawn()?)?;
            ensure!(ended.status.success(), "{name} --install: {}", ended.status);
            std::fs::remove_file(&copy)?;
            // The first does not count.
            if round > 0 {
                wall.push(micros(ended.at - started));
                cpu.push(ended.cpu);
            }
        }
    }
    let of = |(name, wall, cpu): (&'static str, Values, Values)| {
        let bytes = std::fs::metadata(dist(name))?.len();
        Ok(Install { name, wall: wall.quantile(0.5) / 1e3, cpu: cpu.quantile(0.5) / 1e3, bytes })
    };
    builds.into_iter().map(of).collect()
}
