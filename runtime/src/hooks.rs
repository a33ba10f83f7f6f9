//! Running the hooks of a phase: one after the other, each in a process of its own and within its deadline.
//!
//! Three clocks stop a guest, and each covers what the one before cannot: the async deadline stops one that waits for the
//! host, the epoch one that spins, and the supervisor, which waits in its own process, kills whatever is not back by then.

use crate::{
    plugin::Plugin,
    process::{self, Bounds, IsolationError, Moment, Signal, Supervisor},
    report::{millis, one_line, os_words, size},
    sandbox::{JobFacts, State, bindings::wrapper::hook::types::ExitStatus, limits},
};
use std::{
    io,
    time::{Duration, Instant},
};
use wasmtime::{Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

/// How long after the deadline hooks are waited for that ought to have been stopped by it.
const LEEWAY: Duration = Duration::from_millis(50);

/// When a hook runs.
#[derive(Clone, Debug)]
enum Phase {
    /// Before the job is started: the first hook that fails ends the phase.
    BeforeStart,
    /// When the job has ended, which all hooks are told.
    AfterExit(ExitStatus),
}

/// A hook that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Failure {
    /// Its plugin.
    plugin: String,
    /// The reason, in a sentence.
    why: String,
}

/// How the job ended, in the terms of the contract.
pub fn exit_status(status: &process::ExitStatus) -> ExitStatus {
    match status {
        process::ExitStatus::Exited(code) => ExitStatus::Exited(*code),
        process::ExitStatus::Signaled { signal, .. } => ExitStatus::Signaled(*signal),
        process::ExitStatus::NotStarted { why, .. } => ExitStatus::NotStarted(why.clone()),
    }
}

/// Runs the hooks that decide whether the job may start.
pub fn before_start(
    supervisor: &mut Supervisor,
    plugins: &[Plugin],
    job: &JobFacts,
    deadline: Instant,
) -> Result<(), process::ExitStatus> {
    if !plugins.iter().any(Plugin::has_before_start) {
        return Ok(());
    }
    if let Some(signal) = supervisor.asked_to_end() {
        return Err(process::ExitStatus::asked_to_end(signal));
    }
    match run_all(supervisor, &Phase::BeforeStart, plugins, job, deadline) {
        Ok(failures) => failures.first().map_or(Ok(()), |first| {
            let why = format!("before-start hook {} failed: {}", first.plugin, first.why);
            Err(process::ExitStatus::refused(why))
        }),
        Err(signal) => Err(process::ExitStatus::asked_to_end(signal)),
    }
}

/// Runs the hooks that are told how the job ended. Returns whether one of them failed.
pub fn after_exit(supervisor: &mut Supervisor, plugins: &[Plugin], job: &JobFacts, timeout: Duration) -> bool {
    let Some(status) = job.status.clone() else { return false };
    let result = run_all(supervisor, &Phase::AfterExit(status), plugins, job, Instant::now() + timeout);
    !result.is_ok_and(|failures| failures.is_empty())
}

/// What the process may have that runs a hook.
fn bounds(plugin: &Plugin) -> Bounds {
    Bounds { memory: plugin.grants.memory.saturating_add(limits::HOST_MEMORY), native: plugin.is_native() }
}

/// Runs the hooks of a phase until the deadline, and returns those that failed; or the signal that ended the phase.
fn run_all(
    supervisor: &mut Supervisor,
    phase: &Phase,
    plugins: &[Plugin],
    job: &JobFacts,
    deadline: Instant,
) -> Result<Vec<Failure>, Signal> {
    let (moment, has_hook): (_, fn(&Plugin) -> bool) = match phase {
        Phase::BeforeStart => (Moment::BeforeStart, Plugin::has_before_start),
        Phase::AfterExit(_) => (Moment::AfterExit, Plugin::has_after_exit),
    };
    let plugins: Vec<_> = plugins.iter().filter(|plugin| has_hook(plugin)).collect();
    let mut failures = Vec::new();
    for (index, plugin) in plugins.iter().enumerate() {
        let started = Instant::now();
        // An equal share of what is left, so that a hook that hangs leaves the others theirs; what one does not use is
        // there for the next.
        let share =
            deadline.saturating_duration_since(started) / u32::try_from(plugins.len() - index).unwrap_or(u32::MAX);
        let timeout = plugin.timeout.map_or(share, |own| own.min(share));
        let result = if timeout.is_zero() {
            Err("had no time left".to_owned())
        } else {
            let option = match phase {
                _ if plugin.timeout == Some(timeout) => "timeout=",
                Phase::BeforeStart => "--start-timeout",
                Phase::AfterExit(_) => "--hook-timeout",
            };
            let work = |compiled: io::Result<_>| {
                let compiled = compiled.map_err(|error| os_words(&error))?;
                run(phase, plugin, compiled, job, started + timeout, option).map(|()| Vec::new())
            };
            match supervisor.isolated(moment, bounds(plugin), started + timeout + LEEWAY, || plugin.compiled(), work) {
                Ok(_) => Ok(()),
                Err(IsolationError::Signaled(signal)) => return Err(signal),
                Err(IsolationError::Died(status)) => {
                    Err(format!("its process {status}; it may have {} of address space", size(bounds(plugin).memory)))
                }
                Err(error) => Err(one_line(&error.to_string())),
            }
        };
        let took = millis(started.elapsed());
        let plugin = &*plugin.name;
        match result {
            Ok(()) => tracing::info!(plugin, "done in {took}"),
            Err(why) => {
                tracing::warn!(plugin, "failed in {took}: {why}");
                failures.push(Failure { plugin: plugin.to_owned(), why });
                if matches!(phase, Phase::BeforeStart) {
                    break;
                }
            }
        }
    }
    Ok(failures)
}

/// In a process of its own: runs one hook.
fn run(
    phase: &Phase,
    plugin: &Plugin,
    compiled: Option<Vec<u8>>,
    job: &JobFacts,
    deadline: Instant,
    option: &str,
) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
    let runtime = runtime.map_err(|error| format!("the hook cannot be run: {error}"))?;
    let mut memory_refused = false;
    let ended = runtime.block_on(async {
        let deadline = tokio::time::Instant::from_std(deadline);
        let hook = async {
            let guest = plugin.guest(compiled)?;
            let (mut store, _ticker) = guest.store(State::new(&plugin.name, &plugin.grants, job.clone(), deadline))?;
            let result = match phase {
                Phase::BeforeStart => guest.before_start(&mut store).await,
                Phase::AfterExit(status) => guest.after_exit(&mut store, status).await,
            };
            memory_refused = store.data().memory_refused();
            result
        };
        tokio::time::timeout_at(deadline, hook).await
    });
    let why = match ended {
        Ok(Ok(Ok(()))) => return Ok(()),
        Ok(Ok(Err(why))) => one_line(&why),
        Ok(Err(error)) => explain(&error),
        Err(_) => {
            format!("stopped at its deadline; {option} grants more")
        }
    };
    let hint = if memory_refused {
        format!(" (it was refused more than {} of memory; memory= grants more)", size(plugin.grants.memory))
    } else {
        String::new()
    };
    Err(why + &hint)
}

/// Why a guest ended that did not return: it exited, it trapped, or its instance could not be made.
fn explain(error: &wasmtime::Error) -> String {
    if let Some(I32Exit(code)) = error.downcast_ref() {
        return format!("exited with code {code} instead of returning");
    }
    let Some(trap) = error.downcast_ref::<Trap>() else {
        // The causes are shown, but not the addresses of a backtrace.
        let causes: Vec<_> = error.chain().map(ToString::to_string).filter(|cause| !cause.contains('\n')).collect();
        return one_line(&format!("cannot be run: {}", causes.join(": ")));
    };
    let frames = error.downcast_ref::<WasmBacktrace>().map_or(&[][..], WasmBacktrace::frames);
    // A plugin without names, as they are handed out, would show only numbers.
    let names: Vec<_> = frames.iter().filter_map(|frame| frame.func_name()).map(demangled).collect();
    let place = if names.is_empty() { String::new() } else { format!(", in {}", names.join(" < ")) };
    one_line(&format!("trapped: {trap}{place}"))
}

fn demangled(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}
