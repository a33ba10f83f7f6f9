//! Asks a sidecar to quit when the job is done, so that the pod can end too.
//!
//! | answer | what it means |
//! |---|---|
//! | 2xx | the sidecar quits |
//! | none, the connection closes | the sidecar quits: it may serve this port through the very Envoy that it ends |
//! | nothing listens | there is no sidecar, which is fine: the same image runs in pods with and without one |
//! | anything else | a failure, logged with its cause and the setting to look at |
//!
//! A job may be over before its sidecar listens, so a refused connection is tried again until a few seconds after the
//! job's start.

use crate::{settings::Settings, table::Sidecar, target::Target};
use std::time::Duration;
use wrapper_hook::{
    job,
    localhost::{Error, Request, Response},
    log, plugin,
};

/// How long after the job's start a sidecar may still come up. `HOOK_QUIT_RETRY` says otherwise.
pub const RETRY: Duration = Duration::from_secs(3);

/// Between two attempts: a small part of the second or so that a sidecar takes to start or to end.
const PAUSE: Duration = Duration::from_millis(50);

/// Asks it, or all that the user means.
pub fn quit(sidecar: &'static Sidecar, settings: &Settings) -> Result<(), String> {
    let call = sidecar.quit.as_ref().ok_or("there is nothing to ask it")?;
    let retry = settings.duration("RETRY").unwrap_or(RETRY);
    let wait = settings.duration("WAIT").unwrap_or_default();
    // Whatever becomes of one, the others are asked.
    let targets = Target::all(sidecar, call, settings);
    let count = targets.len() as u32;
    let asked = targets.into_iter().zip(0..).map(|(target, index)| {
        let share = plugin::time_left() / (count - index);
        quit_one(&target?, share, retry, wait)
    });
    let failures: Vec<_> = asked.filter_map(Result::err).collect();
    if failures.is_empty() { Ok(()) } else { Err(failures.join("; ")) }
}

fn quit_one(target: &Target<'_>, share: Duration, retry: Duration, wait: Duration) -> Result<(), String> {
    let request = target.request.clone().timeout(share);
    match send_when_it_listens(|| request.send_for_head(), &target.to_string(), retry) {
        Ok(response) if target.grants(&response) => {
            log::info!("{target} answered {}: the sidecar quits", response.status)
        }
        Ok(response) => return Err(target.explain(&response)),
        Err(Error::Closed) => log::info!("{target} took the request and closed the connection: the sidecar quits"),
        Err(Error::Refused) => {
            log::info!("nothing listens on {target}: no sidecar to quit");
            return Ok(());
        }
        Err(Error::TimedOut) => {
            return Err(format!("{target} took the request and did not answer in time; see the sidecar's log"));
        }
        Err(error) => return Err(format!("{target}: {error}; {} sets port and path", target.setting())),
    }
    if wait.is_zero() { Ok(()) } else { wait_until_it_is_gone(target, wait) }
}

/// Sends this way, and sends again for as long as nothing listens and it is not so long since the job's start.
pub fn send_when_it_listens(
    send: impl Fn() -> Result<Response, Error>,
    place: &str,
    since_start: Duration,
) -> Result<Response, Error> {
    let patience = since_start.saturating_sub(job::elapsed()).min(plugin::time_left());
    let attempts = patience.as_millis() / PAUSE.as_millis();
    let first = send();
    if first != Err(Error::Refused) || attempts == 0 {
        return first;
    }
    log::info!("nothing listens on {place} yet, trying again for {} ms", patience.as_millis());
    for _ in 0..attempts {
        wrapper_hook::sleep(PAUSE);
        let left = plugin::time_left();
        match send() {
            Err(Error::Refused) => {}
            // It took no time: what ran out is the hook's, not the sidecar's.
            Err(Error::TimedOut) if left.saturating_sub(plugin::time_left()) < PAUSE => break,
            answer => return answer,
        }
    }
    Err(Error::Refused)
}

/// Asks its port until nobody answers. What it is asked does not matter.
fn wait_until_it_is_gone(target: &Target<'_>, wait: Duration) -> Result<(), String> {
    let left = plugin::time_left();
    let waited = || left.saturating_sub(plugin::time_left());
    let request = Request::get(target.port(), "/").timeout(PAUSE * 4);
    loop {
        if request.send_for_head() == Err(Error::Refused) {
            log::info!("{target} is gone after {} ms", waited().as_millis());
            return Ok(());
        }
        // The last request would not be sent.
        if waited() >= wait || plugin::time_left() < PAUSE * 4 {
            return Err(format!("{target} still answers {} ms after it was asked to quit", waited().as_millis()));
        }
        wrapper_hook::sleep(PAUSE);
    }
}
