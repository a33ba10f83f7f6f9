//! The side of `run` that does what the wrapper does: loads the plugin, runs the hook that comes before a job, and the one that
//! comes after. There is no job; its end is made up.

use super::How;
use crate::{files::say, own};
use anyhow::{Result, anyhow};
use clap::Args;
use serde_json::{Value, json};
use std::time::{Duration, Instant, SystemTime};
use wrapper::{
    hooks,
    plugin::{self, PluginSpec},
    process::{Behaviour, Moment, Signals, Supervisor},
    report::{self, HookResult, LogFormat, Outcome, millis},
    sandbox::{JobFacts, Started, bindings::wrapper::hook::types::ExitStatus},
};

/// Prints what came of the hooks, as JSON.
#[derive(Debug, Args)]
pub struct Hooks {
    #[command(flatten)]
    how: How,
}

impl Hooks {
    /// Runs them.
    pub fn run(self) -> Result<()> {
        own::end_with_parent()?;
        let How { plugin, status, duration, job, hook_timeout, start_timeout, cache, log_level } = self.how;
        report::init(LogFormat::Text, log_level);
        let mut supervisor = Supervisor::new(Signals::take(), Behaviour::default());
        let spec: PluginSpec = plugin.parse().map_err(|error: String| anyhow!(error))?;
        let began = Instant::now();
        let start_by = began + start_timeout;
        let (mut plugins, mut refused) = plugin::load_all(&[spec], cache.as_deref(), &mut supervisor, start_by);
        // With a job it would be compiled beside that.
        for plugin in plugins.iter_mut().filter(|plugin| !plugin.is_compiled()) {
            if let Err(error) = plugin.compile(&mut supervisor, Moment::Loading, start_by) {
                refused = Some(format!("plugin {} {}", plugin.name, plugin::explain(error)));
            }
        }
        if let Some(why) = refused {
            say!("{}\n", json!({ "refused": why }));
            return Ok(());
        }
        let took = began.elapsed();
        if took > Duration::from_secs(1) {
            eprintln!("wrapper-plugin: loaded and compiled in {}", millis(took));
        }

        let mut facts = JobFacts {
            name: job,
            started: None,
            status: None,
            ran: None,
            asked_to_end: supervisor.asked_to_end.flag(),
        };
        let mut results = Vec::new();
        let gate = hooks::before_start(&mut supervisor, &mut plugins, &facts, (start_by, true), &mut results);
        let status = gate.map_or_else(|not_started| hooks::exit_status(&not_started), |()| status.0);
        if !matches!(status, ExitStatus::NotStarted(_)) {
            let ago = |now: Instant| now.checked_sub(duration).unwrap_or(now);
            let at = SystemTime::now().checked_sub(duration).unwrap_or(SystemTime::UNIX_EPOCH);
            facts.started = Some(Started { pid: std::process::id(), at, clock: ago(Instant::now()) });
            facts.ran = Some(duration);
        }
        let success = matches!(status, ExitStatus::Exited(0));
        facts.status = Some(status);
        hooks::after_exit(&mut supervisor, &mut plugins, &facts, success, Some(hook_timeout), None, &mut results);
        say!("{}\n", json!({ "hooks": results.iter().map(told).collect::<Vec<_>>() }));
        Ok(())
    }
}

fn told(result: &HookResult) -> Value {
    let (mut failed, mut skipped) = (None, None);
    match &result.outcome {
        Outcome::Done => {}
        Outcome::Failed(why) => failed = Some(why),
        Outcome::Skipped(why) => skipped = Some(why),
    }
    json!({
        "plugin": result.plugin, "hook": result.hook, "duration-ms": result.took.as_secs_f64() * 1e3,
        "memory-bytes": result.memory, "failed": failed, "skipped": skipped,
    })
}
