//! Running the hooks of a phase: one after the other, each in a process of its own and within its deadline.
//!
//! Three clocks stop a guest, and each covers what the one before cannot: the async deadline stops one that waits for the
//! host, the epoch one that spins, and the supervisor, which waits in its own process, kills whatever is not back by then.

mod guest;

use crate::{
    plugin::{self, HOOK_TIMEOUT, Plugin},
    process::{self, Bounds, Isolated, IsolationError, Moment, Output, Prepared, Signal, Supervisor, taking_away},
    report::{HookResult, Outcome, millis, one_line},
    sandbox::{JobFacts, bindings::wrapper::hook::types::ExitStatus, limits},
};
use guest::{Ready, run};
use std::{
    io::{self, Read as _},
    time::{Duration, Instant},
};

/// How long after the deadline hooks are waited for that ought to have been stopped by it.
const LEEWAY: Duration = Duration::from_millis(50);

/// When a hook runs.
#[derive(Clone, Debug)]
enum Phase {
    /// Before the job is started.
    BeforeStart,
    /// When the job has ended, which all hooks are told.
    AfterExit(ExitStatus),
}

impl Phase {
    /// The name of its hooks.
    fn hook(&self) -> &'static str {
        match self {
            Self::BeforeStart => "before-start",
            Self::AfterExit(_) => "after-exit",
        }
    }

    /// The option that grants all of its hooks more time.
    fn option(&self) -> &'static str {
        match self {
            Self::BeforeStart => "--start-timeout",
            Self::AfterExit(_) => "--hook-timeout",
        }
    }

    /// `usual` is the time that the hook has left when a signal asks the wrapper to end, if it may take longer otherwise.
    fn moment<'a>(&self, plugin: &'a str, usual: Option<Duration>) -> Moment<'a> {
        match (self, usual) {
            (Self::BeforeStart, _) => Moment::BeforeStart(plugin),
            (Self::AfterExit(_), Some(usual)) => Moment::Patient(plugin, usual),
            (Self::AfterExit(_), None) => Moment::AfterExit,
        }
    }
}

/// How the job ended, in the terms of the contract.
pub fn exit_status(status: &process::ExitStatus) -> ExitStatus {
    match status {
        process::ExitStatus::Exited(code) => ExitStatus::Exited(*code),
        process::ExitStatus::Signaled { signal, .. } => ExitStatus::Signaled(*signal),
        process::ExitStatus::NotStarted { why, .. } => ExitStatus::NotStarted(why.clone()),
    }
}

/// Runs the hooks that decide whether the job may start, and adds their results. Each may take all of the time that is left,
/// as the first that fails ends the start; one that may fail has an equal part of it. If nobody set the time limit, a hook
/// whose sidecar is known to come may take longer, and the others keep their time.
pub fn before_start(
    supervisor: &mut Supervisor,
    plugins: &mut [Plugin],
    job: &JobFacts,
    (mut deadline, is_set): (Instant, bool),
    results: &mut Vec<HookResult>,
) -> Result<(), process::ExitStatus> {
    let count = plugins.iter().filter(|plugin| plugin.has_before_start()).count();
    if count == 0 {
        return Ok(());
    }
    if let Some(signal) = supervisor.asked_to_end() {
        return Err(process::ExitStatus::asked_to_end(signal));
    }
    let mut round = Round { supervisor, phase: Phase::BeforeStart, job, prepared: None, ended_by: None };
    // Of the patience, which the hooks have together.
    let mut spent = Duration::ZERO;
    let mut seen = Vec::new();
    let gates = plugins.iter_mut().filter(|plugin| plugin.has_before_start());
    for (index, plugin) in gates.enumerate() {
        process::log_until(Some(deadline));
        let left = deadline.saturating_duration_since(Instant::now());
        let time = if plugin.required { left } else { share(left, count - index) };
        let patience = plugin.patience.filter(|_| !is_set).map(|patience| patience.saturating_sub(spent).max(time));
        let result = round.run(plugin, patience.unwrap_or(time), None);
        results.push(result.clone());
        if patience.is_some() {
            spent += result.took;
            deadline += result.took;
        }
        if let Some(signal) = round.ended_by {
            return Err(process::ExitStatus::asked_to_end(signal));
        }
        let HookResult { plugin: name, took, outcome: Outcome::Failed(why), .. } = result else {
            seen.push(plugin.name.clone());
            continue;
        };
        if plugin.required {
            let why = format!("before-start hook {name} failed after {}: {why}", millis(took));
            return Err(process::ExitStatus::refused(why));
        }
        tracing::info!("the start goes on without {name}, which has required=false");
    }
    for plugin in plugins {
        seen.iter().for_each(|waited| plugin.note_seen(waited));
    }
    Ok(())
}

/// Runs the hooks that are told how the job ended, the first of them where it was prepared, and adds their results. Each has
/// an equal part of the time that is left, so that one that hangs leaves the others theirs; what one does not use is there for
/// the next.
///
/// If nobody set the time limit, a hook whose sidecar may still come can take longer, and the others keep their time. A signal
/// that asks the wrapper to end puts an end to that: from then on all hooks together have the usual time.
pub fn after_exit(
    supervisor: &mut Supervisor,
    plugins: &mut [Plugin],
    job: &JobFacts,
    success: bool,
    timeout: Option<Duration>,
    prepared: Option<Prepared>,
    results: &mut Vec<HookResult>,
) {
    let Some(status) = job.status.clone() else { return };
    let (began, time) = (Instant::now(), timeout.unwrap_or(HOOK_TIMEOUT));
    let mut deadline = began + time;
    // Of the patience, which the hooks have together.
    let mut spent = Duration::ZERO;
    let plugins: Vec<_> = plugins.iter_mut().filter(|plugin| plugin.has_after_exit()).collect();
    let mut count = plugins.iter().filter(|plugin| plugin.on.includes(success)).count();
    let mut round = Round { supervisor, phase: Phase::AfterExit(status), job, prepared, ended_by: None };
    for plugin in plugins {
        let result = if plugin.on.includes(success) {
            let asked = round.supervisor.asked_to_end.at();
            if let Some(at) = asked.filter(|at| *at > began) {
                deadline = deadline.min(at + time);
            }
            process::log_until(Some(deadline));
            let left = deadline.saturating_duration_since(Instant::now());
            let usual = share(left, count);
            count -= 1;
            let patience = plugin.patience.filter(|_| timeout.is_none() && asked.is_none());
            let patience = patience.map(|patience| patience.saturating_sub(spent).max(usual));
            let result = round.run(plugin, patience.unwrap_or(usual), patience.map(|_| usual));
            if patience.is_some() {
                spent += result.took;
                deadline += result.took;
            }
            result
        } else {
            round.skip(plugin, success)
        };
        results.push(result);
    }
}

/// An equal part of the time for each of so many.
fn share(time: Duration, count: usize) -> Duration {
    time / u32::try_from(count).unwrap_or(u32::MAX)
}

/// Makes the first after-exit hook ready beside a job that has just been started: many a job ends in its first moments, and
/// then waits for nothing but the hook itself.
pub fn prepare_after_exit(plugins: &[Plugin], job: &JobFacts) -> Option<Prepared> {
    let plugin = plugins.iter().find(|plugin| plugin.has_after_exit()).filter(|plugin| plugin.is_compiled())?;
    let work = |ready: Result<Ready, String>, told: Vec<u8>| {
        let call = Call::from_bytes(&told).ok_or("the wrapper does not understand itself")?;
        let job = JobFacts { status: Some(call.status.clone()), ran: Some(call.ran), ..job.clone() };
        let phase = Phase::AfterExit(call.status);
        run(&phase, plugin, ready?, &job, Instant::now() + call.timeout, &call.option)
    };
    // Where there is no process to be had, it is tried again when the job has ended, and then told.
    Prepared::start(bounds(plugin), || plugin.material(), |material| Ready::with_instance(plugin, material, job), work)
        .ok()
}

/// What a prepared hook is told when the job has ended.
struct Call {
    status: ExitStatus,
    ran: Duration,
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
        let [ran, timeout] = [self.ran, self.timeout].map(|time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        Some([&status, &ran.to_le_bytes()[..], &timeout.to_le_bytes()[..], self.option.as_bytes()].concat())
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&[kind, value], rest) = bytes.split_first_chunk()?;
        let (ran, rest) = rest.split_first_chunk()?;
        let (timeout, option) = rest.split_first_chunk()?;
        let status = if kind == 0 { ExitStatus::Exited(value) } else { ExitStatus::Signaled(value) };
        let [ran, timeout] = [ran, timeout].map(|nanos| Duration::from_nanos(u64::from_le_bytes(*nanos)));
        Some(Self { status, ran, timeout, option: String::from_utf8(option.to_vec()).ok()? })
    }
}

/// What the process may have that runs a hook.
fn bounds(plugin: &Plugin) -> Bounds {
    Bounds { memory: limits::address_space(plugin.grants.memory), native: plugin.is_native(), background: None }
}

/// A phase that is being gone through.
struct Round<'a> {
    supervisor: &'a mut Supervisor,
    phase: Phase,
    job: &'a JobFacts,
    /// The first hook, where it was made ready.
    prepared: Option<Prepared>,
    /// The signal that ended the phase.
    ended_by: Option<Signal>,
}

impl Round<'_> {
    /// Runs one hook within this time; `usual` is as for [`Phase::moment`].
    fn run(&mut self, plugin: &mut Plugin, time: Duration, usual: Option<Duration>) -> HookResult {
        let started = Instant::now();
        let timeout = plugin.timeout.map_or(time, |own| own.min(time));
        let option = if plugin.timeout == Some(timeout) { "timeout=" } else { self.phase.option() };
        let (mut memory, carried_out) = (None, self.carry_out(plugin, started, timeout, usual, option));
        let outcome = match carried_out {
            Ok(given) => {
                memory = Some(given);
                Outcome::Done
            }
            Err(IsolationError::Signaled(signal)) => {
                self.ended_by = Some(signal);
                Outcome::Failed(format!("stopped, as {signal} came"))
            }
            Err(error) => Outcome::Failed(one_line(&error.to_string())),
        };
        let took = started.elapsed();
        if let Outcome::Failed(why) = &outcome {
            tracing::warn!(plugin = plugin.name, "failed in {}: {why}", millis(took));
        } else {
            tracing::info!(plugin = plugin.name, "done in {}", millis(took));
        }
        HookResult { plugin: plugin.name.clone(), hook: self.phase.hook(), took, memory, outcome }
    }

    /// Does that, and returns the memory that the hook had.
    fn carry_out(
        &mut self,
        plugin: &mut Plugin,
        started: Instant,
        timeout: Duration,
        usual: Option<Duration>,
        option: &str,
    ) -> Result<u64, IsolationError> {
        let prepared = self.prepared.take();
        if timeout.is_zero() {
            prepared.into_iter().for_each(Prepared::dismiss);
            return Err(IsolationError::Failed("had no time left".to_owned()));
        }
        let name = plugin.name.clone();
        // What it has is taken away before the end of its time, and it has half of that in any case.
        let timeout = timeout - taking_away(plugin.grants.memory).min(timeout / 2);
        let (moment, deadline) = (self.phase.moment(&name, usual), started + timeout);
        plugin.compile(self.supervisor, moment, deadline).map_err(|error| match error {
            IsolationError::Signaled(_) => error,
            IsolationError::TimedOut => {
                IsolationError::Failed(format!("was not compiled by its deadline; {option} allows more"))
            }
            error => IsolationError::Failed(format!("it {}", plugin::explain(error))),
        })?;
        let under_way = match (prepared, &self.phase) {
            (Some(prepared), Phase::AfterExit(status)) => {
                let ran = self.job.ran.unwrap_or_default();
                let call = Call { status: status.clone(), ran, timeout, option: option.to_owned() };
                call.to_bytes().and_then(|bytes| prepared.go(&bytes).ok())
            }
            _ => None,
        };
        let under_way = under_way.map_or_else(|| self.start(plugin, deadline, option), Ok)?;
        let pid = self.supervisor.add(under_way);
        let mut memory = [0; 8];
        let ended = self.supervisor.finish(pid, moment, deadline + LEEWAY).map_err(|error| match error {
            // Its guest was not told of the earlier deadline.
            IsolationError::TimedOut if usual.is_some() && self.supervisor.asked_to_end.at().is_some() => {
                IsolationError::Failed("stopped, as a signal asked the wrapper to end".to_owned())
            }
            IsolationError::TimedOut => {
                IsolationError::Failed(format!("killed, as it did not stop at its deadline; {option} allows more"))
            }
            error => error,
        });
        ended?.read_exact(&mut memory)?;
        Ok(u64::from_le_bytes(memory))
    }

    fn start(&self, plugin: &Plugin, deadline: Instant, option: &str) -> io::Result<Isolated> {
        Isolated::start(
            Output::Few,
            bounds(plugin),
            || plugin.material(),
            |material| run(&self.phase, plugin, Ready::new(plugin, material)?, self.job, deadline, option),
        )
    }

    /// Leaves out a hook that is for other jobs than this one.
    fn skip(&mut self, plugin: &Plugin, success: bool) -> HookResult {
        self.prepared.take().into_iter().for_each(Prepared::dismiss);
        let ended = if success { "succeeded" } else { "failed" };
        let why = format!("not run: the job {ended}, and it has {}", plugin.on);
        tracing::info!(plugin = plugin.name, "{why}");
        let (plugin, hook) = (plugin.name.clone(), self.phase.hook());
        HookResult { plugin, hook, took: Duration::ZERO, memory: None, outcome: Outcome::Skipped(why) }
    }
}
