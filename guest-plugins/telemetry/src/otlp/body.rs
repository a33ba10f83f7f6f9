//! The outcome of a job as OTLP's JSON: <https://github.com/open-telemetry/opentelemetry-proto/tree/v1.7.0>.
//!
//! Numbers of 64 bits are strings there, ids are hexadecimal, and enumerations are numbers.

use sidecars_common::settings::Settings;
use std::time::{Duration, SystemTime};
use wrapper_hook::{ExitStatus, job};

/// What is told.
pub struct Outcome {
    /// The job's name.
    pub name: String,
    pid: Option<u32>,
    status: ExitStatus,
    start: SystemTime,
    /// Nothing where it never started.
    duration: Option<Duration>,
    /// Of the trace, and of the span above.
    parent: Option<(String, String)>,
}

impl Outcome {
    /// All that is known of the job.
    pub fn new(status: &ExitStatus, settings: &Settings) -> Self {
        let parent = settings.value("TRACEPARENT", |text| {
            let why = "it is not a trace context; see https://www.w3.org/TR/trace-context/#traceparent-header";
            trace_parent(text).ok_or_else(|| why.to_owned())
        });
        Self {
            name: job::name(),
            pid: job::pid(),
            status: status.clone(),
            start: job::started_at().unwrap_or_else(wrapper_hook::now),
            duration: job::duration(),
            parent,
        }
    }

    /// As a shell would have it; the job's own where it exited.
    fn exit_code(&self) -> Option<u8> {
        match self.status {
            ExitStatus::Exited(code) => Some(code),
            ExitStatus::Signaled(signal) => Some(signal.saturating_add(128)),
            ExitStatus::NotStarted(_) => None,
        }
    }

    fn end(&self) -> SystemTime {
        self.start + self.duration.unwrap_or_default()
    }

    fn attributes(&self) -> Vec<String> {
        let mut all = vec![string("process.executable.name", &self.name)];
        all.extend(self.pid.map(|pid| integer("process.pid", pid.into())));
        all.extend(self.exit_code().map(|code| integer("process.exit.code", code.into())));
        match &self.status {
            ExitStatus::Exited(0) => {}
            ExitStatus::Exited(code) => all.push(string("error.type", &code.to_string())),
            ExitStatus::Signaled(signal) => {
                all.push(integer("wrapper.job.signal", (*signal).into()));
                all.push(string("error.type", &format!("signal {signal}")));
            }
            ExitStatus::NotStarted(_) => all.push(string("error.type", "not-started")),
        }
        all
    }
}

/// The body of a request to `/v1/traces`.
pub fn traces(outcome: &Outcome, resource: &[(String, String)]) -> String {
    let (trace, parent) = match &outcome.parent {
        Some((trace, span)) => (trace.clone(), Some(span)),
        None => (format!("{:016x}{:016x}", id(), id()), None),
    };
    // 1 is OK, 2 an error: trace.proto, Status.StatusCode.
    let status = if outcome.status.success() {
        object(&[("code", "1".to_owned())])
    } else {
        object(&[("code", "2".to_owned()), ("message", text(&outcome.status.to_string()))])
    };
    let mut span = vec![
        ("traceId", text(&trace)),
        ("spanId", text(&format!("{:016x}", id()))),
        ("name", text(&outcome.name)),
        // Internal: trace.proto, Span.SpanKind.
        ("kind", "1".to_owned()),
        ("startTimeUnixNano", text(&nanoseconds(outcome.start))),
        ("endTimeUnixNano", text(&nanoseconds(outcome.end()))),
        ("attributes", array(&outcome.attributes())),
        ("status", status),
    ];
    span.extend(parent.map(|parent| ("parentSpanId", text(parent))));
    of_resource(["resourceSpans", "scopeSpans", "spans"], resource, &[object(&span)])
}

/// The body of a request to `/v1/metrics`.
pub fn metrics(outcome: &Outcome, resource: &[(String, String)]) -> String {
    let gauge = |name, unit, description, field, value| {
        let point = object(&[
            ("startTimeUnixNano", text(&nanoseconds(outcome.start))),
            ("timeUnixNano", text(&nanoseconds(outcome.end()))),
            ("attributes", array(&[string("process.executable.name", &outcome.name)])),
            (field, value),
        ]);
        let points = object(&[("dataPoints", array(&[point]))]);
        object(&[("name", text(name)), ("unit", text(unit)), ("description", text(description)), ("gauge", points)])
    };
    let count = |name, description, value: u8| gauge(name, "1", description, "asInt", text(&value.to_string()));
    let mut all = Vec::new();
    if let Some(duration) = outcome.duration {
        let seconds = format!("{}.{:03}", duration.as_secs(), duration.subsec_millis());
        all.push(gauge("wrapper.job.duration", "s", "From the job's start to its end.", "asDouble", seconds));
    }
    if let Some(code) = outcome.exit_code() {
        all.push(count("wrapper.job.exit_code", "The job's exit code; 128 and the signal where one killed it.", code));
    }
    if let ExitStatus::Signaled(signal) = outcome.status {
        all.push(count("wrapper.job.signal", "The signal that killed the job.", signal));
    }
    let is_started = u8::from(outcome.duration.is_some());
    all.push(count("wrapper.job.started", "1 where the job was started, 0 where not.", is_started));
    of_resource(["resourceMetrics", "scopeMetrics", "metrics"], resource, &all)
}

/// What both requests have around what they are about.
fn of_resource([outer, inner, field]: [&str; 3], resource: &[(String, String)], items: &[String]) -> String {
    let attributes: Vec<_> = resource.iter().map(|(name, value)| string(name, value)).collect();
    let scope = object(&[("name", text("wrapper")), ("version", text(env!("CARGO_PKG_VERSION")))]);
    let in_scope = object(&[("scope", scope), (field, array(items))]);
    let resource = object(&[("attributes", array(&attributes))]);
    object(&[(outer, array(&[object(&[("resource", resource), (inner, array(&[in_scope]))])]))])
}

fn string(key: &str, value: &str) -> String {
    object(&[("key", text(key)), ("value", object(&[("stringValue", text(value))]))])
}

fn integer(key: &str, value: u64) -> String {
    object(&[("key", text(key)), ("value", object(&[("intValue", text(&value.to_string()))]))])
}

/// Fields whose values are JSON, and whose names need no escape. `serde_json`'s own values would be most of this plugin.
fn object(fields: &[(&str, String)]) -> String {
    let fields: Vec<_> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", fields.join(","))
}

fn array(items: &[String]) -> String {
    format!("[{}]", items.join(","))
}

/// A string with its escapes.
fn text(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

fn nanoseconds(time: SystemTime) -> String {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos().to_string()
}

/// Half of a trace's or all of a span's id, which must not be zero.
fn id() -> u64 {
    wrapper_hook::random().max(1)
}

/// Trace and span of `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01`.
fn trace_parent(text: &str) -> Option<(String, String)> {
    let is_id = |part: &&str, length| {
        part.len() == length
            && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
            && part.bytes().any(|byte| byte != b'0')
    };
    let mut parts = text.split('-').skip(1);
    let trace = parts.next().filter(|part| is_id(part, 32))?;
    let span = parts.next().filter(|part| is_id(part, 16))?;
    Some((trace.to_owned(), span.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::trace_parent;

    #[test]
    fn a_trace_context_is_taken_apart() {
        let (trace, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
        let own = |text: &str| text.to_owned();
        assert_eq!(trace_parent(&format!("00-{trace}-{span}-01")), Some((own(trace), own(span))));
        for text in [
            "",
            "00",
            "00-1-2-01",
            &format!("00-{trace}-0000000000000000-01"),
            &format!("00-{}-{span}", trace.to_uppercase()),
        ] {
            assert_eq!(trace_parent(text), None, "{text}");
        }
    }
}
