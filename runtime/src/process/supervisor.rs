//! The init's loop: wait for a signal, pass it on, reap whoever ended.

use super::{
    Arrived, Asked, Command, ExitStatus, Job, Signal, Signals, descriptors,
    isolate::{Bounds, Isolated, IsolationError, Output, Prepared},
    memory::{give_back, taking_away},
    reap::{Change, reap_all},
    spawn::spawn,
    terminal::Terminal,
};
use crate::report::{millis, os_words};
use std::{
    fs::{self, File},
    io,
    path::PathBuf,
    process,
    time::{Duration, Instant},
};

/// How the init behaves beyond what every init does.
#[derive(Clone, Debug, Default)]
pub struct Behaviour {
    /// Signals go to the job's whole process group.
    pub group: bool,
    /// Orphans come to the wrapper though it is not PID 1.
    pub subreaper: bool,
    /// Sent to the job when the wrapper dies.
    pub parent_death: Option<Signal>,
    /// From the first SIGTERM or SIGINT passed on until SIGKILL.
    pub grace: Option<Duration>,
    /// How long the job's descendants may take to end after it.
    pub wait_all: Option<Duration>,
    /// What is inherited is let go of when it is the job's alone.
    pub lets_go: bool,
    /// What is written at the end: an inherited descriptor that leads there is kept.
    pub written_at_the_end: Option<PathBuf>,
}

/// From when on a job counts as one that lasts.
const SETTLE: Duration = Duration::from_millis(50);

/// How long the end of a process is waited for that was killed, if its memory is soon taken away: one that another process traces
/// does not end for its parent.
const KILL_PATIENCE: Duration = Duration::from_millis(20);

/// How often a line says that the job still waits for a hook.
const NOTE: Duration = Duration::from_secs(10);

/// Waits for processes: the job, and those of the wrapper's own. It has no thread: it sleeps in one system call.
#[derive(Debug)]
pub struct Supervisor {
    pub(super) signals: Signals,
    pub(super) behaviour: Behaviour,
    pub(super) terminal: Option<Terminal>,
    pub(super) reaps_orphans: bool,
    /// Signals for the job that came before it was there.
    early: Vec<Arrived>,
    /// Work that is under way, or has ended and was not asked for.
    work: Vec<Isolated>,
    /// Whether a signal has asked the wrapper or the job to end.
    pub asked_to_end: Asked,
    /// The signals that were passed on, a bit each.
    passed_on: u64,
    /// Whether the wrapper has let go of what it inherited.
    has_let_go: bool,
}

/// Where in the run work is done apart from the job, and what signals then mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment<'a> {
    /// Plugins are made ready. Who asks the wrapper to end is obeyed after it, so that the hooks are there that will run.
    Loading,
    /// The before-start hook of this name runs, and every ten seconds a line says so: who asks the wrapper to end is obeyed at
    /// once, other signals are kept for the job.
    BeforeStart(&'a str),
    /// The job is over, and so are its signals; what is left to do is bounded by its deadline.
    AfterExit,
    /// The same for a hook of this name that may take long, of which a line says so every ten seconds. If a signal asks the
    /// wrapper to end, the hook has so much time from then on.
    Patient(&'a str, Duration),
}

impl Supervisor {
    /// Takes over the signals, and the orphans where it can.
    pub fn new(signals: Signals, behaviour: Behaviour) -> Self {
        let mut reaps_orphans = process::id() == 1;
        if !reaps_orphans && (behaviour.subreaper || behaviour.wait_all.is_some()) {
            // SAFETY: no pointers.
            reaps_orphans = unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) } == 0;
            if !reaps_orphans {
                tracing::warn!("the wrapper cannot become a subreaper: {}", io::Error::last_os_error());
            }
        }
        Self {
            signals,
            behaviour,
            terminal: Terminal::find(),
            reaps_orphans,
            early: Vec::new(),
            work: Vec::new(),
            asked_to_end: Asked::new(),
            passed_on: 0,
            has_let_go: false,
        }
    }

    /// Whether it waits for all processes that the job leaves.
    pub fn waits_for_all(&self) -> bool {
        self.behaviour.wait_all.is_some()
    }

    /// The signal, if one came by now, that asks the wrapper to end before it has started anything.
    pub fn asked_to_end(&mut self) -> Option<Signal> {
        // Whatever goes on coming is for the job.
        let until = Instant::now() + Duration::from_millis(10);
        while let Some(arrived) = self.signals.wait(Some(Instant::now())) {
            self.keep(arrived);
            if Instant::now() >= until {
                break;
            }
        }
        self.early.iter().map(|early| early.signal).find(|signal| signal.asks_to_end())
    }

    /// Does work in a process of its own, waits for its result until the deadline, and reaps orphans meanwhile.
    ///
    /// What it needs files for comes first, in `prepare`: after that there are none for it.
    pub fn isolated<T>(
        &mut self,
        moment: Moment<'_>,
        output: Output,
        bounds: Bounds,
        deadline: Instant,
        prepare: impl FnOnce() -> T,
        work: impl FnOnce(T) -> Result<Vec<u8>, String>,
    ) -> Result<File, IsolationError> {
        let work = Isolated::start(output, bounds, prepare, work)?;
        let pid = self.add(work);
        self.finish(pid, moment, deadline)
    }

    /// Work that goes on beside all else, until it is asked for by its process.
    pub fn add(&mut self, work: Isolated) -> libc::pid_t {
        let pid = work.pid;
        self.work.push(work);
        pid
    }

    /// Gives work that was begun at a low priority the wrapper's own, as it is waited for from now on. Only who may raise a
    /// priority can (setpriority(2)): for others it stays what it is.
    pub fn hurry(&self, pid: libc::pid_t) {
        if self.work.iter().any(|work| work.pid == pid && work.ended.is_none()) {
            // SAFETY: no pointers; it is not reaped yet, so its id is its own.
            unsafe {
                libc::setpriority(libc::PRIO_PROCESS, pid as libc::id_t, libc::getpriority(libc::PRIO_PROCESS, 0))
            };
        }
    }

    /// Reaps whoever ended, and tells of those that were not doing the wrapper's own work.
    fn reap(&mut self, mut tell: impl FnMut(libc::pid_t, Change)) -> io::Result<()> {
        reap_all(|pid, change| match (self.work.iter_mut().find(|work| work.pid == pid), change) {
            (Some(work), Change::Ended(status)) => work.ended = Some(status),
            (Some(_), Change::Stopped(_)) => {}
            (None, change) => tell(pid, change),
        })
    }

    /// Waits for the result of work that is under way.
    pub fn finish(
        &mut self,
        pid: libc::pid_t,
        moment: Moment<'_>,
        mut deadline: Instant,
    ) -> Result<File, IsolationError> {
        let began = Instant::now();
        if let (Moment::Patient(_, usual), Some(at)) = (moment, self.asked_to_end.at()) {
            deadline = deadline.min(at + usual);
        }
        let mut note_at = match moment {
            Moment::BeforeStart(hook) | Moment::Patient(hook, _) => Some((began + NOTE, hook)),
            Moment::Loading | Moment::AfterExit => None,
        };
        // Why it was killed, and until when its end is waited for.
        let mut killed: Option<(IsolationError, Instant)> = None;
        if matches!(moment, Moment::AfterExit | Moment::Patient(..)) {
            self.let_go();
        }
        loop {
            // Without an answer it is killed in time, and given up.
            drop(self.reap(|_, _| {}));
            let Some(at) = self.work.iter().position(|work| work.pid == pid) else {
                return Err(IsolationError::System(io::ErrorKind::NotFound.into()));
            };
            if self.work[at].ended.is_some() {
                let work = self.work.swap_remove(at);
                return match (killed, &work.ended) {
                    // It was about to end by itself, and only its memory was still there.
                    (Some((IsolationError::TimedOut, _)), Some(ExitStatus::Exited(_))) | (None, _) => work.result(),
                    (Some((why, _)), _) => Err(why),
                };
            }
            let now = Instant::now();
            let until = match killed.take() {
                Some((why, give_up_at)) if now >= give_up_at => {
                    // It is reaped whenever it can be.
                    self.work.swap_remove(at);
                    return Err(why);
                }
                None if now >= deadline => {
                    killed = Some(kill(&self.work[at], IsolationError::TimedOut));
                    continue;
                }
                Some((why, give_up_at)) => {
                    killed = Some((why, give_up_at));
                    give_up_at
                }
                None => deadline,
            };
            if let Some((at, hook)) = note_at.filter(|(at, _)| *at <= now && killed.is_none()) {
                let (after, most) = ((at - began).as_secs(), deadline.saturating_duration_since(began).as_secs());
                tracing::info!("still waiting for {hook} after {after} s, at most {most} s");
                note_at = Some((at + NOTE, hook));
            }
            let Some(arrived) = self.signals.wait(note_at.map(|(at, _)| at).into_iter().chain([until]).min()) else {
                continue;
            };
            let asks_to_end = arrived.signal.asks_to_end();
            match moment {
                Moment::AfterExit | Moment::Patient(..) if !asks_to_end || killed.is_some() => {}
                Moment::Patient(hook, usual) if Instant::now() + usual < deadline => {
                    self.asked_to_end.note();
                    deadline = Instant::now() + usual;
                    tracing::info!("{} came: {hook} has {} more", arrived.signal, millis(usual));
                }
                Moment::AfterExit | Moment::Patient(..) => {
                    self.asked_to_end.note();
                    tracing::info!("{} ignored: the job has ended, hooks are running", arrived.signal);
                }
                Moment::Loading | Moment::BeforeStart(_) => {
                    self.keep(arrived);
                    if moment != Moment::Loading && asks_to_end && killed.is_none() {
                        tracing::warn!("{} came: the before-start hooks are stopped", arrived.signal);
                        killed = Some(kill(&self.work[at], IsolationError::Signaled(arrived.signal)));
                    }
                }
            }
        }
    }

    /// Lets go of what the wrapper has inherited: the job has it, and who is at the other end waits for nobody but the job.
    pub(super) fn let_go(&mut self) {
        if self.has_let_go || !self.behaviour.lets_go {
            return;
        }
        self.has_let_go = true;
        self.terminal = self.terminal.map(Terminal::for_itself);
        let kept = self.behaviour.written_at_the_end.as_ref().and_then(|path| fs::metadata(path).ok());
        descriptors::let_go(kept.as_ref());
    }

    /// Starts the job, and moves to `/`.
    pub fn start(&mut self, command: Command) -> Result<Job, ExitStatus> {
        // Who cannot wait would never know of its end.
        self.reap(|_, _| {})
            .map_err(|error| ExitStatus::refused(format!("the wrapper cannot wait for it: {}", os_words(&error))))?;
        spawn(command, &self.signals, self.terminal, self.behaviour.parent_death)
            .inspect_err(|_| self.take_terminal_back(None))
    }

    /// Waits until the job has ended, passing signals on to it and reaping orphans meanwhile.
    ///
    /// Work may be prepared for its end. Most jobs outlast the moment in which that is worth its memory: then it is dropped,
    /// as is what else this process no longer needs.
    pub fn wait_for_job(&mut self, job: &Job, prepared: &mut Option<Prepared>) -> ExitStatus {
        let mut kill_at = None;
        let mut settle_at = Some(job.started + SETTLE);
        for early in std::mem::take(&mut self.early) {
            self.pass_on(early, job, &mut kill_at);
        }
        loop {
            let mut change = None;
            // It worked before the start.
            drop(self.reap(|pid, its| match its {
                its if pid == job.group() => change = Some(its),
                Change::Ended(_) if prepared.as_ref().is_some_and(|prepared| prepared.pid() == pid) => *prepared = None,
                _ => {}
            }));
            match change {
                Some(Change::Ended(status)) => {
                    self.take_terminal_back(Some(job));
                    // Whatever the signal was: an image may name any as the one that stops its program.
                    if matches!(status, ExitStatus::Signaled { signal, .. } if self.passed_on >> (signal - 1) & 1 == 1)
                    {
                        self.asked_to_end.note();
                    }
                    return status;
                }
                Some(Change::Stopped(signal)) => self.job_stopped(signal, job),
                None => {}
            }
            let now = Instant::now();
            if settle_at.take_if(|at| *at <= now).is_some() {
                prepared.take().into_iter().for_each(Prepared::dismiss);
                self.let_go();
                give_back();
            }
            if kill_at.take_if(|at| *at <= now).is_some() {
                tracing::warn!("the grace period is over: SIGKILL");
                self.send(Signal::KILL, None, job);
            }
            match self.signals.wait(settle_at.into_iter().chain(kill_at).min()) {
                None => {}
                Some(arrived) if arrived.signal == Signal::CHLD || arrived.own => {}
                Some(arrived) => self.pass_on(arrived, job, &mut kill_at),
            }
        }
    }

    fn keep(&mut self, arrived: Arrived) {
        if arrived.signal.asks_to_end() {
            self.asked_to_end.note();
        }
        if arrived.signal != Signal::CHLD && !arrived.own {
            self.early.push(arrived);
        }
    }

    /// Gives the job what was sent to the wrapper.
    fn pass_on(&mut self, arrived: Arrived, job: &Job, kill_at: &mut Option<Instant>) {
        let signal = arrived.signal;
        if signal.ends_a_pod() {
            self.asked_to_end.note();
        }
        self.passed_on |= 1 << (signal.number() - 1);
        if signal == Signal::CONT {
            self.go_on(job);
            return;
        }
        self.send(signal, arrived.value, job);
        match self.behaviour.grace {
            // A second one leaves the end of the period where it is.
            Some(grace) if signal.begins_grace() && kill_at.is_none() => {
                tracing::info!("{signal} passed on, SIGKILL follows in {}", millis(grace));
                *kill_at = Some(Instant::now() + grace);
            }
            _ => tracing::debug!("{signal} passed on"),
        }
    }

    /// Sends a signal to the job, or to its group where that is asked for. The job is not reaped yet, so its id is its own.
    fn send(&self, signal: Signal, value: Option<libc::sigval>, job: &Job) {
        let pid = job.pid as libc::pid_t;
        // SAFETY: no pointers but the one inside the value, which is only carried along.
        let result = unsafe {
            match value {
                _ if self.behaviour.group => libc::kill(-pid, signal.number()),
                Some(value) => libc::sigqueue(pid, signal.number(), value),
                None => libc::kill(pid, signal.number()),
            }
        };
        if result != 0 {
            tracing::warn!("{signal} could not be passed on: {}", io::Error::last_os_error());
        }
    }
}

/// Kills a process for a reason, and says until when its end is waited for.
fn kill(work: &Isolated, why: IsolationError) -> (IsolationError, Instant) {
    // SAFETY: no pointers; the child is not reaped yet, so its id is its own.
    unsafe { libc::kill(work.pid, Signal::KILL.number()) };
    (why, Instant::now() + KILL_PATIENCE + taking_away(work.memory))
}
