//! Waits until a sidecar is ready, before the job starts.

use crate::{settings::Settings, table::Sidecar, target::Target};
use std::time::Duration;
use wrapper_hook::{
    localhost::{Error, Response},
    log, plugin,
};

/// The shortest time between two attempts.
const PAUSE: Duration = Duration::from_millis(10);

/// The part of the time waited so far after which it is asked again: so much later than it could does the job start, and the
/// requests that a hook has are enough for ever.
const PART: u32 = 50;

/// For an answer, where the sidecar does not block until it is ready.
const ANSWER: Duration = Duration::from_secs(2);

/// What is left of the time when it gives up, so as to say why, and the part of the time where that is less. The host ends
/// requests a little before the deadline too.
const LAST_WORDS: (Duration, u32) = (Duration::from_millis(120), 8);

/// Waits for it, or for all that the user means, one after the other.
pub fn wait(sidecar: &'static Sidecar, settings: &Settings) -> Result<(), String> {
    let call = sidecar.wait.as_ref().ok_or("there is nothing to ask it")?;
    Target::all(sidecar, call, settings).into_iter().try_for_each(|target| wait_for(&target?))
}

fn wait_for(target: &Target<'_>) -> Result<(), String> {
    let title = target.title();
    log::info!("waiting for {title} on {target} until {}", in_units(plugin::time_left()));
    let began = plugin::time_left();
    let last_words = LAST_WORDS.0.min(began / LAST_WORDS.1);
    let mut told = String::new();
    loop {
        let left = plugin::time_left();
        let timeout = if target.blocks() { left } else { left.min(ANSWER) };
        let answer = target.request.clone().timeout(timeout).send_for_head();
        let found = match &answer {
            Ok(response) if target.grants(response) => {
                log::info!("{target} answered {}: {title} is ready", response.status);
                return Ok(());
            }
            // What ended is the hook's time, not the sidecar's.
            Err(Error::TimedOut) if timeout < ANSWER && !target.blocks() && !told.is_empty() => told.clone(),
            answer => in_words(target, answer),
        };
        let left = plugin::time_left().saturating_sub(last_words);
        if left.is_zero() {
            // Where it answers that there is no such thing, time mends nothing.
            let is_final = matches!(&answer, Ok(response) if (300..500).contains(&response.status));
            let more = if is_final { "" } else { "; --start-timeout or timeout= grants more" };
            return Err(format!("{title} on {target} is not ready: {found}{more}"));
        }
        if found != told {
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
        Err(error) => error.to_string(),
    }
}

/// A time in seconds, and where it is short in milliseconds.
fn in_units(time: Duration) -> String {
    match time.as_millis().div_ceil(1000) {
        1 => format!("{} ms", time.as_millis()),
        seconds => format!("{seconds} s"),
    }
}
