//! Waits until a sidecar is ready, before the job starts.

use sidecars_common::{late::at_most, settings::Settings, table::Sidecar, target::Target};
use std::time::Duration;
use wrapper_hook::{
    localhost::{Error, Response},
    log, plugin,
    sidecar::{self, Presence},
};

/// The shortest time between two attempts.
const PAUSE: Duration = Duration::from_millis(10);

/// The part of the time waited so far after which it is asked again: so much later than it could does the job start, and the
/// requests that a hook has are enough for ever.
const PART: u32 = 50;

/// For an answer.
const ANSWER: Duration = Duration::from_secs(2);

/// What is left of the time when it gives up, so as to say why, and the part of the time where that is less. The host ends
/// requests a little before the deadline too.
const LAST_WORDS: (Duration, u32) = (Duration::from_millis(120), 8);

/// Waits for it, or for all that the user means, one after the other.
pub fn wait(sidecar: &'static Sidecar, settings: &Settings) -> Result<(), String> {
    let call = sidecar.wait.as_ref().ok_or("there is nothing to ask it")?;
    let presence = sidecar::presence();
    // What is wrong with one is said before any is waited for.
    let targets: Result<Vec<_>, _> = Target::all(sidecar, call, settings).into_iter().collect();
    targets?.iter().try_for_each(|target| wait_for(target, &presence))
}

fn wait_for(target: &Target<'_>, presence: &Presence) -> Result<(), String> {
    let title = target.title();
    let began = plugin::time_left();
    let last_words = LAST_WORDS.0.min(began / LAST_WORDS.1);
    let mut told = String::new();
    if !matches!(presence, Presence::Absent(_)) {
        log::info!("waiting for {title} on {target}, at most {}", at_most(began));
    }
    loop {
        let timeout = plugin::time_left().min(ANSWER);
        let answer = target.send(timeout);
        let found = match &answer {
            Ok(response) if target.grants(response) => {
                log::info!("{target} answered {}: {title} is ready", response.status);
                return Ok(());
            }
            Err(Error::Refused) if let Presence::Absent(why) = presence => {
                log::info!("nothing listens on {target}: no sidecar to wait for, as {why}");
                return Ok(());
            }
            // Time does not help.
            Err(Error::Denied(why)) => return Err(format!("{target} cannot be asked: {why}")),
            // What ended is the hook's time, not the sidecar's.
            Err(Error::TimedOut) if timeout < ANSWER && !told.is_empty() => told.clone(),
            answer => in_words(target, answer),
        };
        let left = plugin::time_left().saturating_sub(last_words);
        if left.is_zero() {
            // If it answers that there is no such thing, or never listened for another reason, time does not help.
            let is_final = matches!(&answer, Ok(response) if (300..500).contains(&response.status));
            let more = match (&answer, target.refused()) {
                _ if is_final => String::new(),
                (Err(Error::Refused), refused) if !refused.is_empty() => {
                    format!("; {refused}, or it starts later: --start-timeout or timeout= allows more")
                }
                _ => "; --start-timeout or timeout= allows more".to_owned(),
            };
            return Err(format!("{title} on {target} is not ready: {found}{more}"));
        }
        if found != told {
            match presence {
                Presence::Absent(why) if told.is_empty() => {
                    log::warn!("something listens on {target}, though {why}: waiting, at most {}", at_most(began));
                }
                _ => {}
            }
            log::info!("{target} is not ready: {found}");
            told = found;
        }
        let waited = began.saturating_sub(plugin::time_left());
        wrapper_hook::sleep((waited / PART).max(PAUSE).min(left));
    }
}

fn in_words(target: &Target<'_>, answer: &Result<Response, Error>) -> String {
    match answer {
        Ok(response) => target.explain(response),
        Err(error) => target.reason(error),
    }
}
