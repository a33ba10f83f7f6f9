//! `wrapper`: runs a program as a container's entrypoint, and sandboxed hooks around it.
//!
//! This page is the story of one run: read the options, check the plugins, run the hooks that come before, run the job,
//! run the hooks that come after, and exit with the job's code. Whatever goes wrong on the way, the after-exit hooks that
//! could be loaded are run: a pod must never be left hanging because nobody told its sidecar to quit.

use std::{
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};
use wrapper::{
    cli::{self, Command, Invocation, OnHookFailure, Options},
    hooks::{self, Phase},
    install,
    plugin::{Inspection, Plugin},
    process::{ExitStatus, IsolationError, Moment, Signals, Supervisor, code},
    report::{self, LogFormat, LogLevel, millis},
    sandbox::{JobFacts, Started},
};

/// How long after the deadline hooks are waited for that ought to have been stopped by it.
const LEEWAY: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    // They are blocked since before this, so that none is lost.
    let signals = Signals::take();
    let (command, options) = match Invocation::read() {
        Ok(Invocation::Run(command, options)) => (command, options),
        Ok(Invocation::Check(options)) => return check(signals, &options),
        Ok(Invocation::Install { path, force }) => {
            signals.release();
            return install(&path, force);
        }
        Err(code) => return code.into(),
    };
    report::init(options.log_format, options.log_level);
    cli::warn_of_typos();
    let mut supervisor = Supervisor::new(signals, options.behaviour.clone());

    let start_by = Instant::now() + options.start_timeout;
    let (plugins, refused) = load(&mut supervisor, &options, start_by);
    let mut job = JobFacts { name: command.name(), started: None, status: None };
    let status = match refused {
        Some(why) => ExitStatus::refused(why),
        None => before_start(&mut supervisor, &plugins, &job, start_by)
            .and_then(|()| run(&mut supervisor, &command, &mut job))
            .unwrap_or_else(|not_started| not_started),
    };
    if let ExitStatus::NotStarted { .. } = status {
        tracing::error!("{} {status}", job.name);
    }
    job.status = Some(hooks::exit_status(&status));
    let failed = after_exit(&mut supervisor, &options, &plugins, &job);

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

fn check(signals: Signals, options: &Options) -> ExitCode {
    report::init(options.log_format, options.log_level);
    cli::warn_of_typos();
    let mut supervisor = Supervisor::new(signals, options.behaviour.clone());
    let deadline = Instant::now() + options.start_timeout;
    let mut usable = true;
    for spec in &options.plugins {
        let plugin = Inspection::of(spec, &mut supervisor, deadline);
        usable &= plugin.hooks.is_ok();
        let text = if options.log_format == LogFormat::Json { plugin.json() } else { plugin.to_string() };
        // Nothing can be done about a closed stdout.
        drop(writeln!(io::stdout(), "{text}"));
    }
    if usable { ExitCode::SUCCESS } else { code::REFUSED.into() }
}

/// Loads the plugins. Those that could be are returned, and why the first one could not.
fn load(supervisor: &mut Supervisor, options: &Options, deadline: Instant) -> (Vec<Plugin>, Option<String>) {
    let mut refused = None;
    let plugins = options.plugins.iter().filter_map(|spec| match Plugin::load(spec, supervisor, deadline) {
        Ok(plugin) => Some(plugin),
        Err(error) => {
            let why = format!("plugin {} {error}", spec.source);
            match &refused {
                None => refused = Some(why),
                Some(_) => tracing::error!("{why}"),
            }
            None
        }
    });
    (plugins.collect(), refused)
}

/// Runs the hooks that decide whether the job may start.
fn before_start(
    supervisor: &mut Supervisor,
    plugins: &[Plugin],
    job: &JobFacts,
    deadline: Instant,
) -> Result<(), ExitStatus> {
    if !plugins.iter().any(Plugin::has_before_start) {
        return Ok(());
    }
    if let Some(signal) = supervisor.asked_to_end() {
        return Err(ExitStatus::asked_to_end(signal));
    }
    let hooks = || match hooks::run_all(&Phase::BeforeStart, plugins, job, deadline).first() {
        None => Ok(Vec::new()),
        Some(first) => Err(format!("before-start hook {} failed: {}", first.plugin, first.why)),
    };
    match supervisor.isolated(Moment::BeforeStart, hooks::bounds(plugins), deadline + LEEWAY, hooks) {
        Ok(_) => Ok(()),
        Err(IsolationError::Signaled(signal)) => Err(ExitStatus::asked_to_end(signal)),
        Err(IsolationError::Failed(why)) => Err(ExitStatus::refused(why)),
        Err(error) => Err(ExitStatus::refused(format!("the before-start hooks failed: {error}"))),
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

/// Runs the hooks that are told how the job ended. Returns whether one of them failed.
fn after_exit(supervisor: &mut Supervisor, options: &Options, plugins: &[Plugin], job: &JobFacts) -> bool {
    let Some(status) = job.status.clone().filter(|_| !plugins.is_empty()) else { return false };
    let deadline = Instant::now() + options.hook_timeout;
    let hooks = || match hooks::run_all(&Phase::AfterExit(status), plugins, job, deadline).len() {
        0 => Ok(Vec::new()),
        count => Err(format!("{count} of {}", plugins.len())),
    };
    match supervisor.isolated(Moment::AfterExit, hooks::bounds(plugins), deadline + LEEWAY, hooks) {
        Ok(_) => false,
        Err(IsolationError::Failed(_)) => true,
        Err(error) => {
            tracing::error!("the hooks failed: {error}");
            true
        }
    }
}
