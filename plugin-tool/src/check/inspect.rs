//! The side of `check` that looks into a plugin as the wrapper does, and compiles it, in a process that is no other's.

use crate::{files::say, own};
use anyhow::{Result, anyhow};
use clap::Args;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use wrapper::{
    plugin::{self, PluginSpec},
    process::{Behaviour, Signals, Supervisor, most_of_a_child},
    report::{self, LogFormat, LogLevel},
};

/// Long enough for every plugin that a wrapper would wait for.
const TIMEOUT: Duration = Duration::from_secs(600);

/// Tells as JSON what there is to know of a plugin.
#[derive(Debug, Args)]
pub struct Inspect {
    spec: String,
}

impl Inspect {
    /// Prints what the wrapper's own `--check` tells, with the time and the memory that it took.
    pub fn run(self) -> Result<()> {
        own::end_with_parent()?;
        report::init(LogFormat::Text, LogLevel::Warn);
        let spec: PluginSpec = self.spec.parse().map_err(|error: String| anyhow!(error))?;
        let mut supervisor = Supervisor::new(Signals::take(), Behaviour::default());
        let started = Instant::now();
        let (_, text) = plugin::inspect(&spec, &mut supervisor, started + TIMEOUT, LogFormat::Json);
        let took = started.elapsed();
        let mut facts: Value = serde_json::from_slice(&text)?;
        facts["compile-ms"] = json!(took.as_secs_f64() * 1e3);
        facts["compile-memory-bytes"] = json!(most_of_a_child());
        say!("{facts}\n");
        Ok(())
    }
}
