//! A sidecar that does not listen: there is none, or it starts late, or it has this port closed.
//!
//! | known | what is done |
//! |---|---|
//! | there is a sidecar | it is asked again for minutes after the job's start; if it never listens, that is a failure, unless a signal asked to end |
//! | a -wait of this run found it ready | it is asked again for seconds: it has ended |
//! | there is none | nothing: it was asked once, in case that is wrong |
//! | nobody knows | it is asked again for as long as a sidecar may be late |

use crate::settings::Settings;
use std::time::Duration;
use wrapper_hook::{
    job,
    localhost::{Error, Response},
    log, plugin,
    sidecar::{self, Presence},
};

/// The shortest and the longest time between two attempts: a small part of the time that a sidecar takes to start.
const PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(1)];

/// The part of the time waited so far after which it is asked again.
const PART: u32 = 20;

/// What a hook has left of its time when it gives up, and the part of the time if that is less: to say why.
const LAST_WORDS: (Duration, u32) = (Duration::from_millis(120), 8);

/// How long a closed port is asked again when a signal has asked the job or the wrapper to end. The pod may be killed soon, and
/// the sidecar has mostly got the same signal: a kubelet sends it to all containers of a pod at once.
const HURRY: Duration = Duration::from_secs(3);

/// Until then after the job's start a sidecar may still be on its way: one that is known to come is waited for, and that there is
/// none may be wrong.
const YOUNG: Duration = Duration::from_secs(5 * 60);

/// How long a sidecar that is known is asked again after the job's end, at least.
const KNOWN: Duration = Duration::from_secs(20);

/// The same of one that was ready before the job: it has ended, or is being restarted.
const SEEN: Duration = Duration::from_secs(5);

/// How the wrapper says that a before-start hook of this run found the sidecar ready: `istio-wait found it ready`.
const SEEN_READY: &str = " found it ready";

/// A place that may not listen yet.
pub struct Door<'a> {
    settings: &'a Settings,
    /// `no sidecar to quit`.
    nobody: &'static str,
    /// Whether a sidecar that comes later keeps the pod running.
    keeps_the_pod: bool,
    /// What a closed port may mean besides, and what to change.
    refused: &'static str,
    presence: Presence,
    /// Whether a before-start hook of this run found it ready.
    is_seen: bool,
    /// How long it is asked again if nobody knows; none if the user set no time.
    retry: Option<Duration>,
}

impl<'a> Door<'a> {
    /// As the user and the host know of it.
    pub fn new(settings: &'a Settings, nobody: &'static str, refused: &'static str) -> Self {
        let (presence, retry) = (sidecar::presence(), settings.duration("RETRY"));
        let is_seen = matches!(&presence, Presence::Present(why) if why.ends_with(SEEN_READY));
        Self { settings, nobody, keeps_the_pod: false, refused, presence, is_seen, retry }
    }

    /// The same of a sidecar that keeps the pod running if it comes too late to be asked.
    pub fn keeps_the_pod(self) -> Self {
        Self { keeps_the_pod: true, ..self }
    }

    /// The same, if an operator's variable of this name tells that there is a sidecar.
    pub fn known_by(mut self, variable: Option<&str>) -> Self {
        if let (Presence::Unknown, Some(variable)) = (&self.presence, variable) {
            self.presence = Presence::Present(format!("{variable} says that there is one"));
        }
        self
    }

    /// Whether there is a sidecar.
    pub fn is_known(&self) -> bool {
        matches!(self.presence, Presence::Present(_))
    }

    /// Sends, and sends again while nothing listens. The answer, or none if there is no sidecar, which is logged.
    ///
    /// `elsewhere` is asked while a sidecar that is there keeps this port closed: an error ends the waiting.
    pub fn knock(
        &self,
        place: &impl std::fmt::Display,
        share: Duration,
        send: impl Fn(Duration) -> Result<Response, Error>,
        elsewhere: impl Fn(Duration) -> Result<(), String>,
    ) -> Result<Option<Result<Response, Error>>, String> {
        let began = plugin::time_left();
        let waited = || began.saturating_sub(plugin::time_left());
        let most = share.saturating_sub(LAST_WORDS.0.min(share / LAST_WORDS.1));
        let mut patience = self.patience().min(most);
        let (mut is_told, mut is_hurried) = (false, false);
        loop {
            let asked_at = waited();
            match send(share.saturating_sub(asked_at)) {
                Err(Error::Refused) => {}
                // It took no time: what ran out is the hook's, not the sidecar's.
                Err(Error::TimedOut) if is_told && waited() - asked_at < PAUSES[0] => break,
                answer => {
                    if let Presence::Absent(why) = &self.presence {
                        log::warn!("something listens on {place}, though {why}");
                    }
                    return Ok(Some(answer));
                }
            }
            if !is_hurried && job::asked_to_end() {
                is_hurried = true;
                patience = patience.min(waited() + HURRY);
            }
            let left = patience.saturating_sub(waited());
            if left.is_zero() {
                break;
            }
            if self.is_known() && !is_hurried {
                elsewhere(waited())?;
            }
            if !is_told {
                is_told = true;
                log::info!("nothing listens on {place} yet: asking again for at most {}", at_most(left));
            }
            wrapper_hook::sleep((waited() / PART).clamp(PAUSES[0], PAUSES[1]).min(left));
        }
        if self.is_known() && !job::asked_to_end() {
            elsewhere(Duration::MAX)?;
        }
        self.is_nobody(place, waited()).map(|()| None)
    }

    /// From now on.
    fn patience(&self) -> Duration {
        let since_end = job::duration().map_or(Duration::ZERO, |ran| job::elapsed().saturating_sub(ran));
        let until = |after_start: Duration, after_end: Duration| {
            after_start.saturating_sub(job::elapsed()).max(after_end.saturating_sub(since_end))
        };
        match (&self.presence, self.retry) {
            (Presence::Present(_), _) if self.is_seen => until(Duration::ZERO, SEEN),
            (Presence::Present(_), _) => until(YOUNG, KNOWN),
            (Presence::Absent(_), _) => Duration::ZERO,
            (Presence::Unknown, Some(retry)) => until(retry, Duration::ZERO),
            (Presence::Unknown, None) => {
                let (after_start, after_end) = sidecar::lateness();
                until(after_start, after_end)
            }
        }
    }

    /// Whether a sidecar that comes after this would keep the pod running.
    fn may_come(&self) -> bool {
        let is_asked_once = self.retry == Some(Duration::ZERO);
        self.keeps_the_pod && job::elapsed() < YOUNG && !is_asked_once && !job::asked_to_end()
    }

    fn is_nobody(&self, place: &impl std::fmt::Display, waited: Duration) -> Result<(), String> {
        let Self { nobody, refused, .. } = self;
        let or = if refused.is_empty() { String::new() } else { format!("; or {refused}") };
        match &self.presence {
            Presence::Present(_) if job::asked_to_end() => {
                log::info!("nothing listens on {place}: the sidecar got the signal to end too, or never came");
            }
            Presence::Present(why) if self.is_seen => {
                log::info!("nothing listens on {place} any more, and {why}: the sidecar has ended");
            }
            Presence::Present(why) => {
                return Err(format!("nothing listened on {place} for {}, but {why}{or}", seconds(waited)));
            }
            Presence::Absent(why) => log::info!("nothing listens on {place}: {nobody}, as {why}"),
            Presence::Unknown if self.may_come() => log::warn!(
                "nothing listens on {place}: {nobody}, or one that starts later and keeps the pod running; set {} to tell \
                 which{or}",
                self.settings.sidecar
            ),
            Presence::Unknown => log::info!("nothing listens on {place}: {nobody}{or}"),
        }
        Ok(())
    }
}

/// A time limit in seconds, and in milliseconds if it is short.
pub fn at_most(time: Duration) -> String {
    match time.as_millis() {
        millis @ 0..1000 => format!("{millis} ms"),
        millis => format!("{} s", millis.div_ceil(1000)),
    }
}

/// A time that has passed, in the same form.
pub fn seconds(time: Duration) -> String {
    match time.as_millis() {
        millis @ 0..1000 => format!("{millis} ms"),
        millis => format!("{} s", (millis + 500) / 1000),
    }
}
