//! Running the hooks of a phase: one after the other, each in a process of its own and within its deadline.
//!
//! Three clocks stop a guest, and each covers what the one before cannot: the async deadline stops one that waits for the
//! host, the epoch one that spins, and the supervisor, which waits in its own process, kills whatever is not back by then.

use crate::{
    plugin::{self, LoadError, Material, Plugin},
    process::{self, Bounds, Isolated, IsolationError, Moment, Prepared, Signal, Supervisor},
    report::{HookResult, millis, one_line, os_words, size},
    sandbox::{Guest, JobFacts, State, bindings::wrapper::hook::types::ExitStatus, limits},
};
use std::{
    mem::ManuallyDrop,
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

/// How the job ended, in the terms of the contract.
pub fn exit_status(status: &process::ExitStatus) -> ExitStatus {
    match status {
        process::ExitStatus::Exited(code) => ExitStatus::Exited(*code),
        process::ExitStatus::Signaled { signal, .. } => ExitStatus::Signaled(*signal),
        process::ExitStatus::NotStarted { why, .. } => ExitStatus::NotStarted(why.clone()),
    }
}

/// Runs the hooks that decide whether the job may start, and adds their results.
pub fn before_start(
    supervisor: &mut Supervisor,
    plugins: &mut [Plugin],
    job: &JobFacts,
    deadline: Instant,
    results: &mut Vec<HookResult>,
) -> Result<(), process::ExitStatus> {
    if !plugins.iter().any(Plugin::has_before_start) {
        return Ok(());
    }
    if let Some(signal) = supervisor.asked_to_end() {
        return Err(process::ExitStatus::asked_to_end(signal));
    }
    run_all(supervisor, &Phase::BeforeStart, plugins, job, deadline, None, results)
        .map_err(process::ExitStatus::asked_to_end)?;
    match results.iter().find_map(|result| Some((&result.plugin, result.failure.as_ref()?))) {
        Some((plugin, why)) => Err(process::ExitStatus::refused(format!("before-start hook {plugin} failed: {why}"))),
        None => Ok(()),
    }
}

/// Runs the hooks that are told how the job ended, the first of them where it was prepared, and adds their results.
pub fn after_exit(
    supervisor: &mut Supervisor,
    plugins: &mut [Plugin],
    job: &JobFacts,
    timeout: Duration,
    prepared: Option<Prepared>,
    results: &mut Vec<HookResult>,
) {
    let Some(status) = job.status.clone() else { return };
    let deadline = Instant::now() + timeout;
    if let Err(signal) = run_all(supervisor, &Phase::AfterExit(status), plugins, job, deadline, prepared, results) {
        // None does, in this phase.
        tracing::debug!("{signal} ended the hooks");
    }
}

/// Makes the first after-exit hook ready beside a job that has just been started: many a job ends in its first moments, and
/// then waits for nothing but the hook itself.
pub fn prepare_after_exit(plugins: &[Plugin], job: &JobFacts) -> Option<Prepared> {
    let plugin = plugins.iter().find(|plugin| plugin.has_after_exit()).filter(|plugin| plugin.is_compiled())?;
    let work = |ready: Result<Ready, String>, told: Vec<u8>| {
        let call = Call::from_bytes(&told).ok_or("the wrapper does not understand itself")?;
        let job = JobFacts { status: Some(call.status.clone()), ..job.clone() };
        let phase = Phase::AfterExit(call.status);
        run(&phase, plugin, ready?, &job, Instant::now() + call.timeout, &call.option)
    };
    // Where there is no process to be had, it is tried again when the job has ended, and then told.
    Prepared::start(bounds(plugin), || plugin.material(), |material| Ready::new(plugin, material), work).ok()
}

/// What a prepared hook is told when the job has ended.
struct Call {
    status: ExitStatus,
    timeout: Duration,
    /// The option that would grant more time.
    option: String,
}

impl Call {
    fn to_bytes(&self) -> Option<Vec<u8>> {
        let status = match self.status {
            ExitStatus::Exited(code) => [0, code],
            ExitStatus::Signaled(signal) => [1, signal],
            // Nothing is prepared for a job that is not there.
            ExitStatus::NotStarted(_) => return None,
        };
        let timeout = u64::try_from(self.timeout.as_nanos()).ok()?;
        Some([&status, &timeout.to_le_bytes()[..], self.option.as_bytes()].concat())
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&[kind, value], rest) = bytes.split_first_chunk()?;
        let (timeout, option) = rest.split_first_chunk()?;
        let status = if kind == 0 { ExitStatus::Exited(value) } else { ExitStatus::Signaled(value) };
        let timeout = Duration::from_nanos(u64::from_le_bytes(*timeout));
        Some(Self { status, timeout, option: String::from_utf8(option.to_vec()).ok()? })
    }
}

/// What the process may have that runs a hook.
fn bounds(plugin: &Plugin) -> Bounds {
    Bounds {
        memory: plugin.grants.memory.saturating_add(limits::HOST_MEMORY),
        native: plugin.is_native(),
        background: None,
    }
}

/// Runs the hooks of a phase until the deadline, and adds their results; or says which signal ended the phase.
fn run_all(
    supervisor: &mut Supervisor,
    phase: &Phase,
    plugins: &mut [Plugin],
    job: &JobFacts,
    deadline: Instant,
    mut prepared: Option<Prepared>,
    results: &mut Vec<HookResult>,
) -> Result<(), Signal> {
    let (moment, hook, has_hook): (_, _, fn(&Plugin) -> bool) = match phase {
        Phase::BeforeStart => (Moment::BeforeStart, "before-start", Plugin::has_before_start),
        Phase::AfterExit(_) => (Moment::AfterExit, "after-exit", Plugin::has_after_exit),
    };
    let plugins: Vec<_> = plugins.iter_mut().filter(|plugin| has_hook(plugin)).collect();
    let count = plugins.len();
    for (index, plugin) in plugins.into_iter().enumerate() {
        let started = Instant::now();
        // An equal share of what is left, so that a hook that hangs leaves the others theirs; what one does not use is
        // there for the next.
        let share = deadline.saturating_duration_since(started) / u32::try_from(count - index).unwrap_or(u32::MAX);
        let timeout = plugin.timeout.map_or(share, |own| own.min(share));
        let result = if timeout.is_zero() {
            Err("had no time left".to_owned())
        } else {
            let option = match phase {
                _ if plugin.timeout == Some(timeout) => "timeout=",
                Phase::BeforeStart => "--start-timeout",
                Phase::AfterExit(_) => "--hook-timeout",
            };
            let deadline = started + timeout;
            let mut start = |plugin: &Plugin| {
                if let (Some(prepared), Phase::AfterExit(status)) = (prepared.take(), phase) {
                    let call = Call { status: status.clone(), timeout, option: option.to_owned() };
                    if let Some(under_way) = call.to_bytes().and_then(|bytes| prepared.go(&bytes).ok()) {
                        return Ok(under_way);
                    }
                }
                Isolated::start(
                    bounds(plugin),
                    || plugin.material(),
                    |material| run(phase, plugin, Ready::new(plugin, material)?, job, deadline, option),
                )
            };
            let result = plugin.compile(supervisor, moment, deadline).map_err(|error| match error {
                IsolationError::Signaled(_) => error,
                IsolationError::TimedOut => {
                    IsolationError::Failed(format!("was not compiled by its deadline; {option} grants more"))
                }
                error => IsolationError::Failed(format!("it {}", plugin::explain(error))),
            });
            let result = result.and_then(|()| {
                let pid = supervisor.add(start(plugin)?);
                supervisor.finish(pid, moment, deadline + LEEWAY)
            });
            match result {
                Ok(_) => Ok(()),
                Err(IsolationError::Signaled(signal)) => return Err(signal),
                Err(IsolationError::Died(status)) => {
                    Err(format!("its process {status}; it may have {} of address space", size(bounds(plugin).memory)))
                }
                Err(error) => Err(one_line(&error.to_string())),
            }
        };
        let took = started.elapsed();
        let (name, has_failed) = (plugin.name.clone(), result.is_err());
        match &result {
            Ok(()) => tracing::info!(plugin = name, "done in {}", millis(took)),
            Err(why) => tracing::warn!(plugin = name, "failed in {}: {why}", millis(took)),
        }
        results.push(HookResult { plugin: name, hook, took, failure: result.err() });
        if has_failed && matches!(phase, Phase::BeforeStart) {
            break;
        }
    }
    Ok(())
}

/// In a process of its own: what a hook needs to run, whatever it will be told.
///
/// None of this is dropped: the end of the process frees all of it at once.
struct Ready {
    runtime: ManuallyDrop<tokio::runtime::Runtime>,
    guest: ManuallyDrop<wasmtime::Result<Guest>>,
}

impl Ready {
    fn new(plugin: &Plugin, material: Result<Material, LoadError>) -> Result<Self, String> {
        let material = material.map_err(|error| error.to_string())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
        let runtime = runtime.map_err(|error| format!("the hook cannot be run: {}", os_words(&error)))?;
        Ok(Self { runtime: ManuallyDrop::new(runtime), guest: ManuallyDrop::new(plugin.guest(material)) })
    }
}

/// In a process of its own: runs one hook. It has no result but that there is none to tell of.
fn run(
    phase: &Phase,
    plugin: &Plugin,
    Ready { runtime, guest }: Ready,
    job: &JobFacts,
    deadline: Instant,
    option: &str,
) -> Result<Vec<u8>, String> {
    let guest = (*guest).as_ref().map_err(explain)?;
    let deadline = tokio::time::Instant::from_std(deadline);
    let mut store = ManuallyDrop::new(guest.store(State::new(&plugin.name, &plugin.grants, job.clone(), deadline)));
    process::at_every(limits::TICK, guest.ticks())
        .map_err(|error| format!("there is no timer for it: {}", os_words(&error)))?;
    let ended = runtime.block_on(async {
        let hook = async {
            match phase {
                Phase::BeforeStart => guest.before_start(&mut store).await,
                Phase::AfterExit(status) => guest.after_exit(&mut store, status).await,
            }
        };
        tokio::time::timeout_at(deadline, hook).await
    });
    store.data().end_lines();
    let why = match ended {
        Ok(Ok(Ok(()))) => return Ok(Vec::new()),
        Ok(Ok(Err(why))) => one_line(&why),
        Ok(Err(error)) => explain(&error),
        Err(_) => format!("stopped at its deadline; {option} grants more"),
    };
    let hint = if store.data().memory_refused() {
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
