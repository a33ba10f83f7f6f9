//! `otlp-report`: tells a collector on this host how the job went, as a span and three metrics in OTLP/HTTP's JSON form, so
//! that a job that is over before anybody could scrape it shows up in ordinary telemetry.
//! <https://opentelemetry.io/docs/specs/otlp/#otlphttp>
//!
//! The span is that of a command line program: <https://opentelemetry.io/docs/specs/semconv/cli/cli-spans/>.

mod body;
mod resource;

use body::{Outcome, metrics, traces};
use sidecars_common::{late::Door, said::is_sendable, settings::Settings, target::quoted};
use std::time::Duration;
use wrapper_hook::{
    ExitStatus,
    localhost::{Error, Request, Response, Url},
    log, plugin,
};

/// Where a collector listens. `HOOK_OTLP_ENDPOINT` names another place on this host.
const ENDPOINT: u16 = 4318;

/// What the protocol would have sent again: <https://opentelemetry.io/docs/specs/otlp/#retryable-response-codes>.
const RETRYABLE: [u16; 4] = [429, 502, 503, 504];

/// Between two attempts, first.
const PAUSE: Duration = Duration::from_millis(200);

/// How many there are.
const ATTEMPTS: u32 = 4;

/// Sends both, and says why not where it cannot.
pub fn report(status: &ExitStatus, settings: &Settings) -> Result<(), String> {
    let endpoint = match settings.text("HOOK_OTLP_ENDPOINT") {
        Some(text) => text.parse().map_err(|error| format!("HOOK_OTLP_ENDPOINT: {error}"))?,
        None => Url::new(ENDPOINT, ""),
    };
    let headers = settings.value("HOOK_OTLP_HEADERS", |text| {
        resource::pairs(text).ok_or_else(|| "it is not a list such as name=value,name=value".to_owned())
    });
    for (name, value) in headers.iter().flatten() {
        is_sendable(name, value).map_err(|why| format!("HOOK_OTLP_HEADERS: {why}"))?;
    }
    let signals = settings.value("HOOK_OTLP_SIGNALS", signals).unwrap_or([true; 2]);
    let door = Door::new(settings, "no collector to tell", "");
    let outcome = Outcome::new(status, settings);
    let resource = resource::attributes(&outcome.name, settings);
    let place = endpoint.place();

    let mut failures = Vec::new();
    for (name, path, body) in [
        ("span", "/v1/traces", signals[0].then(|| traces(&outcome, &resource))),
        ("metrics", "/v1/metrics", signals[1].then(|| metrics(&outcome, &resource))),
    ] {
        let Some(body) = body else { continue };
        let path = endpoint.path.trim_end_matches('/').to_owned() + path;
        let url = Url { path, ..endpoint.clone() };
        let mut request = Request::to("POST", &url).header("content-type", "application/json").body(body);
        for (name, value) in headers.iter().flatten() {
            request = request.header(name, value);
        }
        let Some(answer) = door.knock(&place, plugin::time_left(), |_| send(&request), |_| Ok(()))? else { break };
        match answer {
            Ok(response) if (200..300).contains(&response.status) => {
                let text = response.text();
                // https://opentelemetry.io/docs/specs/otlp/#partial-success-1: otherwise there is nothing in it.
                if text.contains("rejected") || text.contains("errorMessage") {
                    // It may repeat a secret of the header fields.
                    let shown = if headers.iter().flatten().next().is_some() { String::new() } else { quoted(&text) };
                    log::warn!("{place} took the {name} and rejects a part of it{shown}");
                } else {
                    log::info!("{place} has the {name}");
                }
            }
            Ok(Response { status: 404, .. }) => failures.push(format!(
                "{place} has no {}: its OTLP receiver has no such pipeline, or is at another path; HOOK_OTLP_SIGNALS says \
                 which to send, HOOK_OTLP_ENDPOINT where to",
                url.path
            )),
            Ok(Response { status, .. }) => failures.push(format!("{place} answered {status} to the {name}; the collector's log says why")),
            Err(error) => failures.push(format!("{place}: {error}")),
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("; ")) }
}

/// Sends, and sends again what the collector cannot take now.
fn send(request: &Request) -> Result<Response, Error> {
    let mut pause = PAUSE;
    for _ in 1..ATTEMPTS {
        let response = request.send()?;
        if !RETRYABLE.contains(&response.status) || plugin::time_left() < pause * 2 {
            return Ok(response);
        }
        wrapper_hook::sleep(pause);
        pause *= 2;
    }
    request.send()
}

/// Whether spans, and whether metrics are to be sent.
fn signals(text: &str) -> Result<[bool; 2], String> {
    let names: Vec<_> = text.split(',').map(str::trim).collect();
    if names.iter().all(|name| matches!(*name, "traces" | "metrics")) {
        return Ok(["traces", "metrics"].map(|signal| names.contains(&signal)));
    }
    Err(format!("'{text}' is not a list of traces and metrics"))
}

#[cfg(test)]
mod tests {
    use super::signals;

    #[test]
    fn either_signal_can_be_chosen() {
        assert_eq!(signals("traces"), Ok([true, false]));
        assert_eq!(signals("metrics, traces"), Ok([true, true]));
        assert!(signals("logs").is_err());
    }
}
