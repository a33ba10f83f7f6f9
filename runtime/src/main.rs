//! `wrapper`: runs a program as a container's entrypoint, and sandboxed hooks around it.
//!
//! This page is the story of one run: read the options, check the plugins, run the hooks that come before, run the job,
//! run the hooks that come after, and exit with the job's code. Whatever goes wrong on the way, the after-exit hooks that
//! could be loaded are run: a pod must never be left hanging because nobody told its sidecar to quit.

use std::{path::Path, process::ExitCode, time::Instant};
use wrapper::{
    cli::{self, Command, Invocation, OnHookFailure, Options},
    hooks, install, plugin,
    process::{Behaviour, ExitStatus, Signals, Supervisor, code},
    report::{self, LogFormat, LogLevel, millis},
    sandbox::{JobFacts, Started},
};

fn main() -> ExitCode {
    // They are blocked since before this, so that none is lost.
    let signals = Signals::take();
    let (command, options) = match Invocation::read() {
        Ok(Invocation::Run(command, options)) => (command, options),
        Ok(Invocation::Check(options)) => {
            begin(&options);
            let mut supervisor = Supervisor::new(signals, Behaviour::default());
            let usable = plugin::check(&options.plugins, &mut supervisor, options.start_timeout, options.log_format);
            return if usable { ExitCode::SUCCESS } else { code::REFUSED.into() };
        }
        Ok(Invocation::Install { path, force }) => {
            signals.release();
            return install(&path, force);
        }
        Err(code) => return code.into(),
    };
    begin(&options);
    let mut supervisor = Supervisor::new(signals, options.behaviour.clone());

    let start_by = Instant::now() + options.start_timeout;
    let (plugins, refused) = plugin::load_all(&options.plugins, &mut supervisor, start_by);
    let mut job = JobFacts { name: command.name(), started: None, status: None };
    let status = match refused {
        Some(why) => ExitStatus::refused(why),
        None => hooks::before_start(&mut supervisor, &plugins, &job, start_by)
            .and_then(|()| run(&mut supervisor, &command, &mut job))
            .unwrap_or_else(|not_started| not_started),
    };
    if let ExitStatus::NotStarted { .. } = status {
        tracing::error!("{} {status}", job.name);
    }
    job.status = Some(hooks::exit_status(&status));
    let failed = hooks::after_exit(&mut supervisor, &plugins, &job, options.hook_timeout);

    let code = match status {
        // It has no exit code of its own that could be mapped.
        ExitStatus::NotStarted { code, .. } => code,
        _ => options.map_exit.apply(status.code()),
    };
    match (code, options.on_hook_failure) {
        (0, OnHookFailure::Fail) if failed => {
            tracing::error!("exit code {} instead of 0, as a hook failed", code::REFUSED);
            code::REFUSED
        }
        (code, _) => code,
    }
    .into()
}

/// From here on there is a log.
fn begin(options: &Options) {
    report::init(options.log_format, options.log_level);
    cli::warn_of_typos();
}

fn install(path: &Path, force: bool) -> ExitCode {
    match install::install(path, force) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::init(LogFormat::Text, LogLevel::Error);
            tracing::error!("cannot be installed: {error}");
            code::REFUSED.into()
        }
    }
}

/// Runs the job to its end.
fn run(supervisor: &mut Supervisor, command: &Command, facts: &mut JobFacts) -> Result<ExitStatus, ExitStatus> {
    if let Some(signal) = supervisor.asked_to_end() {
        return Err(ExitStatus::asked_to_end(signal));
    }
    let job = supervisor.start(&command.program, &command.arguments)?;
    tracing::info!("started {} (pid {})", facts.name, job.pid);
    facts.started = Some(Started { pid: job.pid, at: job.started_at, clock: job.started });
    let status = supervisor.wait_for_job(&job);
    tracing::info!("{} {status} after {}", facts.name, millis(job.started.elapsed()));
    supervisor.look_after_orphans(&job);
    Ok(status)
}
