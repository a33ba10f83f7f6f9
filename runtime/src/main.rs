//! `wrapper`: runs a program as a container's entrypoint, and sandboxed hooks around it.
//!
//! This page is the story of one run: read the options, check the plugins, run the hooks that come before, run the job,
//! run the hooks that come after, and exit with the job's code. Whatever goes wrong on the way, the after-exit hooks that
//! could be loaded are run: a pod must never be left hanging because nobody told its sidecar to quit.

use std::{
    path::Path,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};
use wrapper::{
    cli::{self, Invocation, OnHookFailure, Options},
    hooks::{self, Phase, Running},
    install,
    plugin::Plugin,
    process::{ExitStatus, Moment, Signals, Supervisor, Waited, code},
    report::{self, LogFormat, LogLevel, millis},
    sandbox::{JobFacts, Started},
};

/// How long after the deadline hooks are waited for that ought to have been stopped by it.
const LEEWAY: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    // They are blocked since before this, so that none is lost.
    let signals = Signals::take();
    let options = match Invocation::read() {
        Ok(Invocation::Run(options)) => options,
        Ok(Invocation::Install { path, force }) => return install(&path, force),
        Err(code) => return code.into(),
    };
    report::init(options.log_format, options.log_level);
    cli::warn_of_typos();
    let mut supervisor = Supervisor::new(signals, options.behaviour.clone());

    let (plugins, refused) = load(&options);
    let mut job = JobFacts { name: options.job_name(), started: None, status: None };
    let status = match refused {
        Some(why) => ExitStatus::refused(why),
        None => before_start(&mut supervisor, &options, &plugins, &job)
            .and_then(|()| run(&mut supervisor, &options, &mut job))
            .unwrap_or_else(|not_started| not_started),
    };
    if let ExitStatus::NotStarted { .. } = status {
        tracing::error!("{} {status}", job.name);
    }
    job.status = Some(hooks::exit_status(&status));
    let failed = after_exit(&mut supervisor, &options, &plugins, job);

    match (options.map_exit.apply(status.code()), options.on_hook_failure) {
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

/// Loads the plugins. Those that could be are returned, and why the first one could not.
fn load(options: &Options) -> (Arc<[Plugin]>, Option<String>) {
    let mut refused = None;
    let plugins = options.plugins.iter().filter_map(|spec| match Plugin::load(spec) {
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
    options: &Options,
    plugins: &Arc<[Plugin]>,
    job: &JobFacts,
) -> Result<(), ExitStatus> {
    if !plugins.iter().any(Plugin::has_before_start) {
        return Ok(());
    }
    let running =
        start_hooks(Phase::BeforeStart, plugins, job.clone(), options.start_timeout).map_err(ExitStatus::refused)?;
    match supervisor.wait_for(&running.done, running.deadline + LEEWAY, Moment::BeforeStart) {
        Waited::Done(failures) => failures.first().map_or(Ok(()), |first| {
            Err(ExitStatus::refused(format!("before-start hook {} failed: {}", first.plugin, first.why)))
        }),
        Waited::Died => Err(ExitStatus::refused("the wrapper failed at running the before-start hooks")),
        Waited::TimedOut => Err(ExitStatus::refused("the before-start hooks did not end in time")),
        Waited::Signaled(signal) => {
            // They are over before the after-exit hooks begin.
            supervisor.wait_for(&running.stop(), Instant::now() + LEEWAY, Moment::AfterExit);
            Err(ExitStatus::asked_to_end(signal))
        }
    }
}

/// Runs the job to its end.
fn run(supervisor: &mut Supervisor, options: &Options, facts: &mut JobFacts) -> Result<ExitStatus, ExitStatus> {
    if let Some(signal) = supervisor.asked_to_end() {
        return Err(ExitStatus::asked_to_end(signal));
    }
    let job = supervisor.start(&options.program, &options.arguments)?;
    tracing::info!("started {} (pid {})", facts.name, job.pid);
    facts.started = Some(Started { pid: job.pid, at: job.started_at, clock: job.started });
    let status = supervisor.wait_for_job(&job);
    tracing::info!("{} {status} after {}", facts.name, millis(job.started.elapsed()));
    supervisor.look_after_orphans(&job);
    Ok(status)
}

/// Runs the hooks that are told how the job ended. Returns whether one of them failed.
fn after_exit(supervisor: &mut Supervisor, options: &Options, plugins: &Arc<[Plugin]>, job: JobFacts) -> bool {
    let Some(status) = job.status.clone().filter(|_| !plugins.is_empty()) else { return false };
    let running = match start_hooks(Phase::AfterExit(status), plugins, job, options.hook_timeout) {
        Ok(running) => running,
        Err(why) => {
            tracing::error!("{why}");
            return true;
        }
    };
    match supervisor.wait_for(&running.done, running.deadline + LEEWAY, Moment::AfterExit) {
        Waited::Done(failures) => !failures.is_empty(),
        Waited::Died => true,
        Waited::TimedOut | Waited::Signaled(_) => {
            tracing::error!("the hooks did not end in time and are left behind");
            true
        }
    }
}

fn start_hooks(phase: Phase, plugins: &Arc<[Plugin]>, job: JobFacts, timeout: Duration) -> Result<Running, String> {
    hooks::start(phase, Arc::clone(plugins), job, timeout).map_err(|error| format!("the hooks cannot be run: {error}"))
}
