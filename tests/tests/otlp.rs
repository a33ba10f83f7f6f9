//! `otlp-report`: the body against the JSON mapping of OTLP (<https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>)
//! field by field, then against a real collector.

use serde_json::{Value, json};
use std::{
    fs::{self, File},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::{Duration, SystemTime},
};
use wrapper_tests::{Answer, Outcome, Request, Run, Server, own_network, run, tool, wait_until};

/// A job that is reported to a server that answers so, and what it was sent.
fn reported(answer: Answer, arguments: &[&str], more: impl FnOnce(Run) -> Run) -> (Outcome, Vec<Request>) {
    own_network();
    let server = Server::start(4318, answer);
    let plugin = "otlp-report,env=OTEL_SERVICE_NAME,env=OTEL_RESOURCE_ATTRIBUTES,env=TRACEPARENT";
    let outcome = more(run(["--plugin", plugin].iter().chain(arguments))).outcome();
    (outcome, server.requests())
}

/// The one span, the metrics by name, and the resource's attributes.
fn parsed(requests: &[Request]) -> (Value, Vec<Value>, Value) {
    let [traces, metrics] = requests else { panic!("{requests:#?}") };
    for (request, path) in [(traces, "/v1/traces"), (metrics, "/v1/metrics")] {
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", path));
        assert_eq!(request.header("content-type"), ["application/json"]);
    }
    let only = |value: &Value| match value.as_array().map(Vec::as_slice) {
        Some([one]) => one.clone(),
        _ => panic!("{value}"),
    };
    let (traces, metrics) = (json_of(traces), json_of(metrics));
    let (spans, points) = (only(&traces["resourceSpans"]), only(&metrics["resourceMetrics"]));
    assert_eq!(spans["resource"], points["resource"]);
    let (in_spans, in_points) = (only(&spans["scopeSpans"]), only(&points["scopeMetrics"]));
    assert_eq!(in_spans["scope"]["name"], "wrapper");
    assert_eq!(in_spans["scope"], in_points["scope"]);
    let metrics = in_points["metrics"].as_array().unwrap().clone();
    (only(&in_spans["spans"]), metrics, spans["resource"]["attributes"].clone())
}

fn json_of(request: &Request) -> Value {
    serde_json::from_str(&request.body).unwrap_or_else(|error| panic!("{error}: {}", request.body))
}

/// The one attribute of this name, with its type.
fn attribute(attributes: &Value, name: &str) -> Option<Value> {
    let mut named = attributes.as_array().unwrap().iter().filter(|attribute| attribute["key"] == name);
    let value = named.next().map(|attribute| attribute["value"].clone());
    assert!(named.next().is_none(), "{name} is given twice: {attributes}");
    value
}

fn is_id(value: &Value, length: usize) -> bool {
    let is_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    value.as_str().is_some_and(|text| text.len() == length && is_hex(text) && text.bytes().any(|byte| byte != b'0'))
}

fn nanoseconds(value: &Value) -> u128 {
    value.as_str().unwrap_or_else(|| panic!("{value} is not a string, as 64 bits are in JSON")).parse().unwrap()
}

/// The value of a gauge with one point.
fn gauge<'a>(metrics: &'a [Value], name: &str) -> Option<&'a Value> {
    let metric = metrics.iter().find(|metric| metric["name"] == name)?;
    let points = metric["gauge"]["dataPoints"].as_array().unwrap();
    assert_eq!(points.len(), 1);
    Some(&points[0])
}

#[test]
fn a_span_and_metrics_tell_how_the_job_went() {
    let before = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos();
    let (outcome, requests) = reported(Answer::ok(), &["sh", "-c", "sleep 0.2; exit 3"], |run| run);
    outcome.exits(3).says("localhost:4318 has the span").says("localhost:4318 has the metrics").never_says("warning");
    let (span, metrics, resource) = parsed(&requests);
    assert_eq!(span["name"], "sh");
    assert_eq!(span["kind"], 1);
    assert!(is_id(&span["traceId"], 32) && is_id(&span["spanId"], 16), "{span}");
    assert_eq!(span.get("parentSpanId"), None);
    let (start, end) = (nanoseconds(&span["startTimeUnixNano"]), nanoseconds(&span["endTimeUnixNano"]));
    // Times are to the millisecond.
    assert!(start + 1_000_000 > before && (200_000_000..400_000_000).contains(&(end - start)), "{span}");
    assert_eq!(span["status"], json!({ "code": 2, "message": "exited 3" }));
    assert_eq!(attribute(&span["attributes"], "process.executable.name"), Some(json!({ "stringValue": "sh" })));
    assert_eq!(attribute(&span["attributes"], "process.exit.code"), Some(json!({ "intValue": "3" })));
    assert_eq!(attribute(&span["attributes"], "error.type"), Some(json!({ "stringValue": "3" })));
    let pid = attribute(&span["attributes"], "process.pid").unwrap();
    assert!(pid["intValue"].as_str().unwrap().parse::<u32>().unwrap() > 1);
    assert_eq!(attribute(&resource, "service.name"), Some(json!({ "stringValue": "sh" })));

    let duration = gauge(&metrics, "wrapper.job.duration").unwrap();
    assert!((0.2..0.4).contains(&duration["asDouble"].as_f64().unwrap()), "{duration}");
    assert_eq!(nanoseconds(&duration["timeUnixNano"]), end);
    assert_eq!(nanoseconds(&duration["startTimeUnixNano"]), start);
    assert_eq!(gauge(&metrics, "wrapper.job.exit_code").unwrap()["asInt"], "3");
    assert_eq!(gauge(&metrics, "wrapper.job.started").unwrap()["asInt"], "1");
    assert_eq!(gauge(&metrics, "wrapper.job.signal"), None);
    let units: Vec<_> = metrics.iter().map(|metric| metric["unit"].as_str().unwrap()).collect();
    assert_eq!(units, ["s", "1", "1"]);
}

#[test]
fn success_a_signal_and_a_job_that_was_not_started_are_told_apart() {
    let (outcome, requests) = reported(Answer::ok(), &["true"], |run| run);
    let (span, metrics, _) = parsed(&requests);
    outcome.exits(0);
    assert_eq!((&span["status"], attribute(&span["attributes"], "error.type")), (&json!({ "code": 1 }), None));
    assert_eq!(gauge(&metrics, "wrapper.job.exit_code").unwrap()["asInt"], "0");

    let (outcome, requests) = reported(Answer::ok(), &["sh", "-c", "kill -KILL $$"], |run| run);
    let (span, metrics, _) = parsed(&requests);
    outcome.exits(137);
    assert_eq!(span["status"], json!({ "code": 2, "message": "was killed by signal 9" }));
    assert_eq!(attribute(&span["attributes"], "wrapper.job.signal"), Some(json!({ "intValue": "9" })));
    assert_eq!(gauge(&metrics, "wrapper.job.exit_code").unwrap()["asInt"], "137");
    assert_eq!(gauge(&metrics, "wrapper.job.signal").unwrap()["asInt"], "9");

    let (outcome, requests) = reported(Answer::ok(), &["/no/such/\"command\""], |run| run);
    let (span, metrics, _) = parsed(&requests);
    outcome.exits(127);
    assert_eq!((&span["name"], &span["startTimeUnixNano"]), (&json!("\"command\""), &span["endTimeUnixNano"]));
    assert!(span["status"]["message"].as_str().unwrap().starts_with("was not started: "), "{span}");
    assert_eq!(attribute(&span["attributes"], "error.type"), Some(json!({ "stringValue": "not-started" })));
    assert_eq!(attribute(&span["attributes"], "process.pid"), None);
    assert_eq!((gauge(&metrics, "wrapper.job.duration"), gauge(&metrics, "wrapper.job.exit_code")), (None, None));
    assert_eq!(gauge(&metrics, "wrapper.job.started").unwrap()["asInt"], "0");
}

#[test]
fn the_duration_is_the_jobs_though_another_hook_took_its_time() {
    own_network();
    let server = Server::start(4318, Answer::ok());
    let plugins = ["--plugin", "istio-quit", "--plugin", "otlp-report", "true"];
    run(plugins).env("HOOK_ISTIO_QUIT_RETRY", "700ms").outcome().exits(0);
    let (_, metrics, _) = parsed(&server.requests());
    let duration = gauge(&metrics, "wrapper.job.duration").unwrap()["asDouble"].as_f64().unwrap();
    assert!(duration < 0.3, "{duration}");
}

#[test]
fn the_resource_and_the_trace_are_those_of_the_environment_where_it_is_granted() {
    let trace = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let set = |run: Run| {
        run.env("OTEL_SERVICE_NAME", "nightly")
            .env("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,k8s.job.name=n%2C1,empty=")
            .env("TRACEPARENT", format!("00-{}-{}-01", trace.0, trace.1))
            .env("HOOK_OTLP_HEADERS", "authorization=Bearer%20s3cret,x-tenant=a")
    };
    let (outcome, requests) = reported(Answer::ok(), &["true"], set);
    outcome.exits(0).never_says("s3cret");
    let (span, _, resource) = parsed(&requests);
    assert_eq!((&span["traceId"], &span["parentSpanId"]), (&json!(trace.0), &json!(trace.1)));
    for (name, value) in [("service.name", "nightly"), ("k8s.job.name", "n,1"), ("empty", "")] {
        assert_eq!(attribute(&resource, name), Some(json!({ "stringValue": value })), "{name}");
    }
    for request in &requests {
        assert_eq!((request.header("authorization"), request.header("x-tenant")), (vec!["Bearer s3cret"], vec!["a"]));
    }

    // What is not granted is not seen.
    own_network();
    let server = Server::start(4318, Answer::ok());
    set(run(["--plugin", "otlp-report", "true"])).outcome().exits(0);
    let (span, _, resource) = parsed(&server.requests());
    assert_eq!(resource, json!([{ "key": "service.name", "value": { "stringValue": "true" } }]));
    assert_eq!(span.get("parentSpanId"), None);
}

#[test]
fn where_it_is_sent_and_what_can_be_chosen() {
    own_network();
    let server = Server::start(4999, Answer::ok());
    let outcome = run(["--plugin", "otlp-report", "true"])
        .env("HOOK_OTLP_ENDPOINT", "http://127.0.0.1:4999/otlp/")
        .env("HOOK_OTLP_SIGNALS", "metrics")
        .outcome();
    outcome.exits(0).says("127.0.0.1:4999 has the metrics");
    let paths: Vec<_> = server.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, ["/otlp/v1/metrics"]);
    for (name, value, why) in [
        ("HOOK_OTLP_RETRY", "5", "'5' is not a duration; write it as 3s or 500ms"),
        ("HOOK_OTLP_SIGNALS", "logs", "'logs' is not a list of traces and metrics"),
        ("HOOK_OTLP_HEADERS", "s3cret", "it is not a list such as name=value,name=value"),
    ] {
        let outcome = run(["--plugin", "otlp-report", "sleep", "3.1"]).env(name, value).outcome();
        outcome.exits(0).says(&format!("otlp-report: warning: {name}: {why}; the default is used"));
        outcome.never_says("s3cret").never_says("failed");
    }
    let away = run(["--plugin", "otlp-report", "true"]).env("HOOK_OTLP_ENDPOINT", "http://collector:4318").outcome();
    away.exits(0).says("HOOK_OTLP_ENDPOINT: 'http://collector:4318' is not on this host");
    let bad = run(["--plugin", "otlp-report", "true"]).env("HOOK_OTLP_HEADERS", "x-key=s3%0Acret").outcome();
    bad.exits(0).says("HOOK_OTLP_HEADERS: the value of the header x-key has a control character").never_says("cret");
    let none = run(["--plugin", "otlp-report", "true"]).env("HOOK_OTLP_RETRY", "0s").outcome();
    none.exits(0).says("no collector to tell").within(Duration::from_secs(1));
}

#[test]
fn a_collector_that_is_not_there_is_success_and_one_that_refuses_is_a_warning() {
    own_network();
    let outcome = run(["--plugin", "otlp-report", "sleep", "3.1"]).outcome();
    outcome.exits(0).says("nothing listens on localhost:4318: no collector to tell").never_says("warning");

    let (outcome, requests) = reported(Answer::status("404 Not Found", ""), &["sh", "-c", "exit 3"], |run| run);
    outcome.exits(3).says("otlp-report: warning: failed in ").says("localhost:4318 has no /v1/metrics: ");
    outcome.says("HOOK_OTLP_SIGNALS");
    assert_eq!(requests.len(), 2);
    let (outcome, requests) = reported(Answer::status("400 Bad Request", ""), &["true"], |run| run);
    outcome.exits(0).says("localhost:4318 answered 400 to the span; the collector's log says why");
    assert_eq!(requests.len(), 2);

    // What was taken in part is told.
    let partial = r#"{"partialSuccess":{"rejectedSpans":"1","errorMessage":"too old"}}"#;
    let (outcome, _) = reported(Answer::status("200 OK", partial), &["true"], |run| run);
    outcome
        .exits(0)
        .says("otlp-report: warning: localhost:4318 took the span and rejects a part of it \"")
        .says("too old");
    let (outcome, _) = reported(Answer::status("200 OK", r#"{"partialSuccess":{}}"#), &["true"], |run| run);
    outcome.exits(0).says("localhost:4318 has the span").never_says("warning");

    // What can heal is tried again.
    own_network();
    let busy = Answer::status("503 Service Unavailable", "");
    let server = Server::start_series(4318, vec![busy.clone(), busy, Answer::ok()]);
    run(["--plugin", "otlp-report", "true"]).outcome().exits(0).says("has the span").never_says("warning");
    assert_eq!(server.requests().len(), 4);
}

/// A real collector, ended with the test.
struct Collector(Child);

impl Drop for Collector {
    fn drop(&mut self) {
        // It may have ended.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn a_real_collector_understands_it() {
    own_network();
    let folder = tempfile::tempdir().unwrap();
    let (config, log) = (folder.path().join("config.yaml"), folder.path().join("log"));
    fs::write(
        &config,
        "receivers: { otlp: { protocols: { http: { endpoint: 127.0.0.1:4318 } } } }\n\
         exporters: { debug: { verbosity: detailed } }\n\
         service:\n  telemetry: { metrics: { level: none } }\n  pipelines:\n    \
         traces: { receivers: [otlp], exporters: [debug] }\n    metrics: { receivers: [otlp], exporters: [debug] }\n",
    )
    .unwrap();
    let mut command = Command::new(tool("collector/collector"));
    command.arg(format!("--config={}", config.display())).stdin(Stdio::null());
    let log_file = File::create(&log).unwrap();
    command.stdout(log_file.try_clone().unwrap()).stderr(log_file);
    let _collector = Collector(command.spawn().unwrap());
    wait_until("the collector listens", || TcpStream::connect("127.0.0.1:4318").is_ok());

    let outcome = run(["--plugin", "otlp-report,env=OTEL_SERVICE_NAME", "sh", "-c", "kill -KILL $$"])
        .env("OTEL_SERVICE_NAME", "nightly")
        .outcome();
    outcome.exits(137).says("localhost:4318 has the span").says("localhost:4318 has the metrics");
    let read = || fs::read_to_string(&log).unwrap();
    wait_until("it has told of the metrics", || read().contains("wrapper.job.started"));
    let told = read();
    for line in [
        "service.name: Str(nightly)",
        "Name           : sh",
        "Kind           : Internal",
        "Status code    : Error",
        "Status message : was killed by signal 9",
        "process.exit.code: Int(137)",
        "-> Name: wrapper.job.duration",
        "-> Unit: s",
        "-> DataType: Gauge",
        "Value: 9",
    ] {
        assert!(told.contains(line), "{line:?} is not in {told}");
    }
    assert!(outcome.took < Duration::from_secs(5));
}
