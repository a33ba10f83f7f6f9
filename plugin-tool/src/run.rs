//! `run`: a plugin's hooks, run as the wrapper would, beside fake sidecars that show what they are asked.
//!
//! This process serves; another, [`hooks`], does what the wrapper does. They have a terminal and Ctrl-C in common.

pub mod hooks;
mod serve;
mod status;

use crate::{files::say, own};
use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::Value;
use serve::{Fake, Sidecar};
use status::Status;
use std::{ffi::OsString, path::PathBuf, process::Stdio, str::FromStr as _, time::Duration};
use tokio::task::spawn_blocking;
use wrapper::{
    cli::parse_duration,
    plugin::PluginSpec,
    report::{LogLevel, millis, printable, size},
};

/// Run a plugin's hooks as the wrapper would: same sandbox, same limits
///
/// Each request that reaches a fake sidecar is shown, with the answer; then what came of each hook, how long it took and how
/// much memory it had. The exit code is 0 where all hooks did their work, and 1 where one failed.
#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    how: How,

    /// Let a fake sidecar listen on this port of localhost, and answer every request so: 8080=204, or 8080=200:pong with a body
    #[arg(long = "serve", value_name = "PORT=STATUS[:BODY]")]
    sidecars: Vec<Fake>,
}

/// What both processes are told.
#[derive(Debug, Args)]
pub struct How {
    /// The plugin: a file, or a built-in's name; with `,KEY=VALUE` as with the wrapper's --plugin
    #[arg(value_name = "PLUGIN.wasm", value_parser = spec)]
    plugin: String,

    /// How the job ended: exited:3, signaled:9 or not-started:why
    #[arg(long, value_name = "STATUS", default_value_t)]
    status: Status,

    /// How long the job ran
    #[arg(long, value_name = "DUR", default_value = "1s", value_parser = parse_duration)]
    duration: Duration,

    /// The job's name
    #[arg(long, value_name = "NAME", default_value = "job")]
    job: String,

    /// Deadline of the after-exit hook
    #[arg(long, value_name = "DUR", default_value = "20s", value_parser = parse_duration)]
    hook_timeout: Duration,

    /// Deadline of compiling the plugin and of its before-start hook
    #[arg(long, value_name = "DUR", default_value = "60s", value_parser = parse_duration)]
    start_timeout: Duration,

    /// Keep what was compiled in this folder, as the wrapper's --cache does
    #[arg(long, value_name = "DIR", env = "WRAPPER_CACHE")]
    cache: Option<PathBuf>,

    /// How much of the log is shown
    #[arg(long, value_name = "LEVEL", value_enum, default_value_t = LogLevel::Info)]
    log_level: LogLevel,
}

/// Checks what is handed on as text.
fn spec(text: &str) -> Result<String, String> {
    PluginSpec::from_str(text).map(|_| text.to_owned())
}

impl How {
    /// The same, as the other process is told.
    fn arguments(&self) -> Vec<OsString> {
        let duration = |duration: Duration| humantime::format_duration(duration).to_string();
        let level = format!("{:?}", self.log_level).to_lowercase();
        let cache = self.cache.iter().flat_map(|cache| ["--cache".into(), cache.clone().into_os_string()]);
        let others = [
            format!("--status={}", self.status),
            format!("--duration={}", duration(self.duration)),
            format!("--job={}", self.job),
            format!("--hook-timeout={}", duration(self.hook_timeout)),
            format!("--start-timeout={}", duration(self.start_timeout)),
            format!("--log-level={level}"),
            "--".to_owned(),
            self.plugin.clone(),
        ];
        cache.chain(others.map(OsString::from)).collect()
    }
}

impl Run {
    /// Runs them, and returns whether all did their work.
    pub fn run(self) -> Result<bool> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(self.with_sidecars())
    }

    async fn with_sidecars(self) -> Result<bool> {
        let mut sidecars = Vec::new();
        for fake in self.sidecars {
            sidecars.push(Sidecar::start(fake).await?);
        }
        let mut command = own::command("hooks", self.how.arguments())?;
        command.stderr(Stdio::inherit());
        let output = spawn_blocking(move || command.output()).await?.context("the hooks cannot be run")?;
        let Ok(results) = serde_json::from_slice::<Value>(&output.stdout) else {
            bail!("the process that runs the hooks ended without a word: {}", output.status);
        };
        if let Some(why) = results["refused"].as_str() {
            let file = self.how.plugin.split(',').next().unwrap_or_default();
            bail!("{why}; `wrapper-plugin check {file}` may say more");
        }
        for sidecar in sidecars.iter().filter(|sidecar| sidecar.requests() == 0) {
            say!("localhost:{}: nothing was asked\n", sidecar.port());
        }
        let results = results["hooks"].as_array().cloned().unwrap_or_default();
        results.iter().for_each(tell);
        Ok(results.iter().all(|result| result["failed"].is_null()))
    }
}

fn tell(result: &Value) {
    let text = |field: &str| printable(result[field].as_str().unwrap_or_default());
    let took = Duration::from_secs_f64(result["duration-ms"].as_f64().unwrap_or_default() / 1e3);
    let memory = result["memory-bytes"].as_u64().map(|bytes| format!(", with {} of memory", size(bytes)));
    let outcome = match (result["failed"].as_str(), result["skipped"].as_str()) {
        (Some(why), _) => format!("failed in {}: {}", millis(took), printable(why)),
        (_, Some(why)) => printable(why),
        _ => format!("done in {}{}", millis(took), memory.unwrap_or_default()),
    };
    say!("{} of {}: {outcome}\n", text("hook"), text("plugin"));
}
