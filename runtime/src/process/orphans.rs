//! What the job leaves behind: ended where that is asked for, mentioned where nobody would reap it.

use super::{
    Arrived, Job, Signal, Supervisor,
    descendants::descendants,
    reap::{has_children, reap_all},
};
use crate::report::millis;
use std::time::{Duration, Instant};

impl Supervisor {
    /// The job has ended. Those that it leaves are ended too where that is asked for, and mentioned where nobody reaps them.
    pub fn look_after_orphans(&mut self, job: &Job) {
        match self.behaviour.wait_all {
            Some(patience) if self.reaps_orphans => self.wait_for_descendants(job, patience),
            // SAFETY: no pointers. Signal 0 asks whether the group has a member.
            _ if !self.reaps_orphans && unsafe { libc::kill(-job.group(), 0) } == 0 => {
                tracing::warn!(
                    "the job left processes behind, which the wrapper cannot reap: run it as PID 1 or with -s"
                );
            }
            _ => {}
        }
    }

    /// Asks what descends from the job to end, waits for it, and kills what is left when the patience is over.
    fn wait_for_descendants(&mut self, job: &Job, patience: Duration) {
        drop(reap_all(|_, _| {}));
        if !has_children() {
            return;
        }
        tracing::info!("the job left processes behind: SIGTERM, and SIGKILL in {}", millis(patience));
        self.let_go();
        let started = Instant::now();
        signal_descendants(Signal::TERM, job);
        // A stopped process sees the first only when it goes on.
        signal_descendants(Signal::CONT, job);
        if !self.wait_for_children(started + patience) {
            tracing::warn!("processes that the job left are still there: SIGKILL");
            let give_up = Instant::now() + KILL_PATIENCE;
            // Again and again, since one that is killed may have started another before it was.
            while Instant::now() < give_up {
                signal_descendants(Signal::KILL, job);
                if self.wait_for_children(Instant::now() + Duration::from_millis(10)) {
                    break;
                }
            }
        }
        if has_children() {
            let why = if descendants().is_empty() { "cannot be found without /proc" } else { "survive SIGKILL" };
            tracing::error!("processes that the job left {why}");
        } else {
            tracing::info!("they ended within {}", millis(started.elapsed()));
        }
    }

    /// Whether all children, orphans that become children among them, end by then.
    fn wait_for_children(&mut self, deadline: Instant) -> bool {
        loop {
            drop(reap_all(|_, _| {}));
            if !has_children() {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            match self.signals.wait(Some(deadline)) {
                Some(Arrived { signal, .. }) if signal.asks_to_end() => {
                    self.asked_to_end.note();
                    tracing::info!("{signal} ignored: the job has ended, what it left has been told to");
                }
                _ => {}
            }
        }
    }
}

/// Sends a signal to all that descends from the wrapper, or to the job's group where there is no /proc to look into.
fn signal_descendants(signal: Signal, job: &Job) {
    let mut targets = descendants();
    if targets.is_empty() {
        targets.push(-job.group());
    }
    for target in targets {
        // SAFETY: no pointers. A process that ended meanwhile is reaped by nobody but this thread, so its id is not reused.
        unsafe { libc::kill(target, signal.number()) };
    }
}

/// How long processes may take to end that were killed: one in an uninterruptible call takes until that returns.
const KILL_PATIENCE: Duration = Duration::from_secs(3);
