//! `istio-quit`: ends the Istio sidecar when the job is done, so that the pod can end too.
//!
//! It posts to the Istio agent's `/quitquitquit` and reads the answer:
//!
//! | answer | what it means |
//! |---|---|
//! | 2xx | the sidecar quits |
//! | none, the connection closes | the sidecar quits: it may serve this port through the very Envoy that it ends |
//! | nothing listens | there is no sidecar, which is fine: the same image runs in pods with and without a mesh |
//! | 403, 404, 405, 5xx, … | a failure, logged with its cause and the setting to look at |
//!
//! A job may be over before its sidecar listens, so a refused connection is tried again until a few seconds after the
//! job's start.

use std::time::Duration;
use wrapper_hook::{
    ExitStatus, env, job,
    localhost::{Error, Request, Response, Url},
    log,
};

/// Where the Istio agent is asked to quit. `HOOK_ISTIO_QUIT_URL` names another place on this host.
/// Source: pilot-agent status server, <https://github.com/istio/istio/blob/master/pilot/cmd/pilot-agent/status/server.go>
const URL: &str = "http://localhost:15020/quitquitquit";

/// How long after the job's start a sidecar may still come up. `HOOK_ISTIO_QUIT_RETRY` says otherwise.
const RETRY: Duration = Duration::from_secs(3);

/// Between two attempts: a small part of the second or so that a sidecar takes to start.
const PAUSE: Duration = Duration::from_millis(50);

wrapper_hook::after_exit!(quit);

fn quit(_: ExitStatus) -> Result<(), String> {
    let url: Url = match env::var("HOOK_ISTIO_QUIT_URL") {
        Some(text) => text.parse().map_err(|error| format!("HOOK_ISTIO_QUIT_URL: {error}"))?,
        None => URL.parse().expect("a constant that parses"),
    };
    let retry = match env::var("HOOK_ISTIO_QUIT_RETRY") {
        Some(text) => humantime::parse_duration(&text)
            .map_err(|_| format!("HOOK_ISTIO_QUIT_RETRY: '{text}' is not a duration; write it as 3s or 500ms"))?,
        None => RETRY,
    };
    let place = format!("localhost:{}", url.port);
    match post_until_it_listens(&url, &place, retry.saturating_sub(job::elapsed())) {
        Ok(response) if (200..300).contains(&response.status) => {
            log::info!("{place} answered {}: the sidecar quits", response.status);
            Ok(())
        }
        Ok(response) => Err(explain(&url, &response)),
        Err(Error::Closed) => {
            log::info!("{place} took the request and closed the connection: the sidecar quits");
            Ok(())
        }
        Err(Error::Refused) => {
            log::info!("nothing listens on {place}: no sidecar to quit");
            Ok(())
        }
        Err(Error::TimedOut) => {
            Err(format!("{place} took the request and did not answer in time; see the sidecar's log"))
        }
        Err(error) => Err(format!("{place}: {error}")),
    }
}

/// Posts, and posts again for as long as nothing listens and `patience` lasts.
fn post_until_it_listens(url: &Url, place: &str, patience: Duration) -> Result<Response, Error> {
    let request = Request::post(url.port, &url.path);
    let attempts = patience.as_millis() / PAUSE.as_millis();
    let first = request.send();
    if first != Err(Error::Refused) || attempts == 0 {
        return first;
    }
    log::info!("nothing listens on {place} yet, trying again for {} ms", patience.as_millis());
    for _ in 0..attempts {
        wrapper_hook::sleep(PAUSE);
        let asked_at = job::elapsed();
        match request.send() {
            Err(Error::Refused) => {}
            // It took no time: what ran out is the hook's, not the sidecar's.
            Err(Error::TimedOut) if job::elapsed().saturating_sub(asked_at) < PAUSE => break,
            answer => return answer,
        }
    }
    Err(Error::Refused)
}

/// A refusal in words: the cause, and what to change.
fn explain(url: &Url, response: &Response) -> String {
    let status = response.status;
    let hint = match status {
        403 => "the agent takes this only from its own host; the job must share the sidecar's network namespace",
        404 => {
            "what listens there does not know the path; is it the Istio agent? HOOK_ISTIO_QUIT_URL sets port and path"
        }
        405 => "what listens there does not take POST; is it the Istio agent? HOOK_ISTIO_QUIT_URL sets port and path",
        500..600 => "the sidecar could not do it; its own log says why",
        _ => "not an answer of the Istio agent; HOOK_ISTIO_QUIT_URL sets port and path",
    };
    // Without the query, which may hold a secret.
    let path = url.path.split('?').next().unwrap_or_default();
    format!("http://localhost:{}{path} answered {status}: {hint}", url.port)
}
