//! Asks a sidecar to quit when the job is done, so that the pod can end too.
//!
//! | answer | what it means |
//! |---|---|
//! | 2xx | the sidecar quits |
//! | none, the connection closes, and soon nothing listens | the sidecar quits: it may serve this port through the very Envoy that it ends |
//! | none, the connection closes, and it still listens | a failure: it may have crashed over the request |
//! | nothing listens | there is no sidecar, or it starts late: [`sidecars_common::late`] |
//! | anything else | a failure, logged with its cause and the setting to look at |

use sidecars_common::{
    late::{Door, seconds},
    settings::Settings,
    table::Sidecar,
    target::Target,
};
use std::{cell::RefCell, time::Duration};
use wrapper_hook::{
    localhost::{Error, Request},
    log, plugin,
};

/// For an answer: what a hook has for all it does if nobody set a time limit.
const ANSWER: Duration = Duration::from_secs(20);

/// How long a sidecar may take to be gone that closed the connection without an answer. A real one takes some 12 ms.
const DYING: Duration = Duration::from_secs(1);

/// How long the quit port may be closed of a sidecar whose other port is open, before that is what it is.
const OPENING: Duration = Duration::from_secs(3);

/// Between two looks at a port that is about to be closed: the first, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_millis(2), Duration::from_millis(50)];

/// Asks it, or all that the user means.
pub fn quit(sidecar: &'static Sidecar, settings: &Settings) -> Result<(), String> {
    let call = sidecar.quit.as_ref().ok_or("there is nothing to ask it")?;
    let wait = settings.duration("WAIT").unwrap_or_default();
    let door = Door::new(settings, "no sidecar to quit", call.refused).keeps_the_pod();
    let door = door.known_by(call.known_by(settings));
    let readiness = Target::readiness(sidecar, settings);
    // Whatever becomes of one, the others are asked.
    let targets = Target::all(sidecar, call, settings);
    let count = targets.len() as u32;
    let asked = targets.into_iter().zip(0..).map(|(target, index)| {
        let share = plugin::time_left() / (count - index);
        quit_one(&target?, share, &door, readiness.as_ref(), wait)
    });
    let failures: Vec<_> = asked.filter_map(Result::err).collect();
    if failures.is_empty() { Ok(()) } else { Err(failures.join("; ")) }
}

fn quit_one(
    target: &Target<'_>,
    share: Duration,
    door: &Door<'_>,
    readiness: Option<&Target<'_>>,
    wait: Duration,
) -> Result<(), String> {
    let elsewhere = |waited: Duration| match readiness {
        Some(readiness) if waited >= OPENING && is_ready(readiness) => {
            Err(format!("it is ready on {readiness}, but nothing listens on {target}: {}", target.refused_hint()))
        }
        _ => Ok(()),
    };
    // What another program said that has the second port.
    let refusal = RefCell::new(None);
    let send = |left: Duration| match target.send(left.min(ANSWER)) {
        Ok(response) if target.is_second() && !target.grants(&response) => {
            *refusal.borrow_mut() = Some(target.explain(&response));
            Err(Error::Refused)
        }
        answer => answer,
    };
    let Some(answer) = door.knock(target, share, send, elsewhere)? else {
        return refusal.take().map_or(Ok(()), Err);
    };
    match answer {
        Ok(response) if target.grants(&response) => {
            log::info!("{target} answered {}: the sidecar quits", response.status)
        }
        Ok(response) => return Err(target.explain(&response)),
        Err(Error::Closed) => is_gone_after_closing(target)?,
        Err(Error::TimedOut) => {
            return Err(format!("{target} took the request and did not answer in time; see the sidecar's log"));
        }
        Err(error) => return Err(format!("{target}: {}", target.reason(&error))),
    }
    if wait.is_zero() { Ok(()) } else { wait_until_it_is_gone(target, wait) }
}

fn is_ready(readiness: &Target<'_>) -> bool {
    readiness.send(PAUSES[1] * 4).is_ok_and(|response| readiness.grants(&response))
}

/// Whether anybody takes a connection there. What is asked does not matter.
fn listens(target: &Target<'_>) -> bool {
    let request = Request::to("GET", &target.url().root()).timeout(PAUSES[1] * 4);
    request.send_for_status() != Err(Error::Refused)
}

/// It closed the connection without an answer. A sidecar that quits is gone soon; one that crashed over the request is not.
fn is_gone_after_closing(target: &Target<'_>) -> Result<(), String> {
    let began = plugin::time_left();
    let mut pause = PAUSES[0];
    loop {
        if !listens(target) {
            log::info!("{target} closed the connection without an answer and no longer listens: the sidecar quits");
            return Ok(());
        }
        if began.saturating_sub(plugin::time_left()) >= DYING || plugin::time_left() < PAUSES[1] * 8 {
            break;
        }
        wrapper_hook::sleep(pause);
        pause = (pause * 2).min(PAUSES[1]);
    }
    // It may have been starting.
    match target.send(plugin::time_left().min(ANSWER)) {
        Ok(response) if target.grants(&response) => {
            log::info!("{target} answered {} when it was asked again: the sidecar quits", response.status);
            Ok(())
        }
        Ok(response) => Err(target.explain(&response)),
        Err(Error::Refused) => {
            log::info!("{target} closed the connection without an answer and no longer listens: the sidecar quits");
            Ok(())
        }
        Err(_) => Err(format!(
            "{target} closed the connection without an answer and still listens {} later; the sidecar may have crashed over \
             the request: see its log",
            seconds(DYING)
        )),
    }
}

/// Asks its port until nobody answers.
fn wait_until_it_is_gone(target: &Target<'_>, wait: Duration) -> Result<(), String> {
    let left = plugin::time_left();
    let waited = || left.saturating_sub(plugin::time_left());
    loop {
        if !listens(target) {
            log::info!("{target} no longer listens after {} ms", waited().as_millis());
            return Ok(());
        }
        // The last request would not be sent.
        if waited() >= wait || plugin::time_left() < PAUSES[1] * 4 {
            return Err(format!("{target} still listens {} ms after it was asked to quit", waited().as_millis()));
        }
        wrapper_hook::sleep(PAUSES[1]);
    }
}
