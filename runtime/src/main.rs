//! `wrapper`: runs a program as a container's entrypoint, and sandboxed hooks around it.
//!
//! This page is the story of one run: read the options, check the plugins, run the hooks that come before, run the job,
//! run the hooks that come after, and exit with the job's code. Whatever goes wrong on the way, the after-exit hooks that
//! could be loaded are run: a pod must never be left hanging because nobody told its sidecar to quit.

#![no_main]

use std::{
    ffi::{c_char, c_int},
    io::{Write as _, stdout},
    path::Path,
    time::{Duration, Instant},
};
use wrapper::{
    cli::{self, Invocation, OnHookFailure, Options},
    hooks, install,
    plugin::{self, Plugin},
    process::{self, Behaviour, Command, ExitStatus, Prepared, Signals, Supervisor, Words, code},
    report::{self, Account, LogLevel, Outcome, millis},
    sandbox::{JobFacts, Started},
};

#[global_allocator]
static HEAP: wrapper_heap::Heap = wrapper_heap::Heap::new();

/// What the C runtime calls. Rust's start-up code would come before a plain `main`: it prepares for overflows of a stack and
/// closed descriptors, which is a fifth of the time that this process takes by itself, and done in `before_main` as an init
/// needs it.
#[unsafe(no_mangle)]
extern "C" fn main(count: c_int, words: *mut *const c_char) -> c_int {
    wrapper_heap::at_an_end(report::end_without_memory);
    if let Some((needed, limit)) = process::too_little_stack() {
        report::end_at_once(format_args!(
            "the stack may have {limit} bytes (RLIMIT_STACK), and the wrapper needs {needed}"
        ));
    }
    // SAFETY: they are what the C runtime calls `main` with.
    let code = run(unsafe { Words::new(count, words) });
    // Nothing can be done about a closed stdout.
    drop(stdout().flush());
    code.into()
}

/// One run, and the exit code. Not a part of `main`, which looks at how much stack there is for this.
#[inline(never)]
fn run(words: Words) -> u8 {
    // They are blocked since before this, so that none is lost.
    let signals = Signals::take();
    let (command, options) = match Invocation::read(words) {
        Ok(Invocation::Run(command, options)) => (command, options),
        Ok(Invocation::Check(options)) => {
            begin(&options);
            let mut supervisor = Supervisor::new(signals, Behaviour::default());
            let usable = plugin::check(&options.plugins, &mut supervisor, start_timeout(&options), options.log_format);
            return if usable { 0 } else { code::REFUSED };
        }
        Ok(Invocation::Install { path, force, format }) => {
            report::init(format, LogLevel::Warn);
            let mut supervisor = Supervisor::new(signals, Behaviour::default());
            return match install::install(&path, force, || supervisor.asked_to_end()) {
                Ok(()) => 0,
                Err(error) => {
                    tracing::error!("cannot be installed: {error}");
                    code::REFUSED
                }
            };
        }
        Err(code) => return code,
    };
    begin(&options);
    let mut supervisor = Supervisor::new(signals, options.behaviour.clone());

    let start_by = Instant::now() + start_timeout(&options);
    let (mut plugins, refused) =
        plugin::load_all(&options.plugins, options.cache.as_deref(), &mut supervisor, start_by);
    let mut job = JobFacts {
        name: name(command),
        started: None,
        status: None,
        ran: None,
        asked_to_end: supervisor.asked_to_end.flag(),
    };
    let (mut prepared, mut results) = (None, Vec::new());
    let limit = (start_by, options.start_timeout.is_some());
    let status = match refused {
        Some(why) => ExitStatus::refused(why),
        None => hooks::before_start(&mut supervisor, &mut plugins, &job, limit, &mut results)
            .and_then(|()| run_job(&mut supervisor, command, &mut job, &mut plugins, &options, &mut prepared))
            .unwrap_or_else(|not_started| not_started),
    };
    if let ExitStatus::NotStarted { .. } = status {
        tracing::error!("{} {status}", job.name);
    }
    job.status = Some(hooks::exit_status(&status));
    let code = reported_code(&status, &options);
    let timeout = options.hook_timeout;
    hooks::after_exit(&mut supervisor, &mut plugins, &job, code == 0, timeout, prepared, &mut results);

    let has_failed = results.iter().any(|result| matches!(result.outcome, Outcome::Failed(_)));
    let exit_code = exit_code(code, &options, has_failed);
    match &options.report {
        Some(Ok(path)) => Account { job: &job, status: &status, exit_code, hooks: &results }.write(path),
        Some(Err(why)) => tracing::warn!("the report cannot be written to {why}"),
        None => {}
    }
    exit_code
}

/// The file name of the program, for lines of log.
fn name(command: Command) -> String {
    let program = Path::new(command.program());
    report::printable(&program.file_name().unwrap_or(program.as_os_str()).to_string_lossy())
}

/// The time limit of the start.
fn start_timeout(options: &Options) -> Duration {
    options.start_timeout.unwrap_or(plugin::START_TIMEOUT)
}

/// The job's, as it is to be reported.
fn reported_code(status: &ExitStatus, options: &Options) -> u8 {
    match status {
        // It has no exit code of its own that could be mapped.
        ExitStatus::NotStarted { code, .. } => *code,
        _ => options.map_exit.apply(status.code()),
    }
}

/// The wrapper's own.
fn exit_code(code: u8, options: &Options, has_failed: bool) -> u8 {
    if code == 0 && has_failed && options.on_hook_failure == OnHookFailure::Fail {
        tracing::error!("exit code {} instead of 0, as a hook failed", code::REFUSED);
        return code::REFUSED;
    }
    code
}

/// From here on there is a log.
fn begin(options: &Options) {
    report::init(options.log_format, options.log_level);
    cli::warn_of_typos();
}

/// Runs the job to its end.
fn run_job(
    supervisor: &mut Supervisor,
    command: Command,
    facts: &mut JobFacts,
    plugins: &mut [Plugin],
    options: &Options,
    prepared: &mut Option<Prepared>,
) -> Result<ExitStatus, ExitStatus> {
    if let Some(signal) = supervisor.asked_to_end() {
        return Err(ExitStatus::asked_to_end(signal));
    }
    let job = supervisor.start(command)?;
    facts.started = Some(Started { pid: job.pid, at: job.started_at, clock: job.started });
    // It would be one of the processes that are waited for.
    if !supervisor.waits_for_all() {
        *prepared = hooks::prepare_after_exit(plugins, facts);
    }
    tracing::info!("started {} (pid {})", facts.name, job.pid);
    plugin::compile_beside(plugins, supervisor, start_timeout(options));
    let status = supervisor.wait_for_job(&job, prepared);
    let ran = job.started.elapsed();
    facts.ran = Some(ran);
    tracing::info!("{} {status} after {}", facts.name, millis(ran));
    supervisor.look_after_orphans(&job);
    Ok(status)
}
