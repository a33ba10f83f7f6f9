//! A `-drain` holds the pod until a collector has passed on what it has, and no longer.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    thread,
    time::Duration,
};
use wrapper_tests::{Answer, Outcome, Program, Run, Server, own_network, run, skip_unless_ci, wait_until};

fn metrics(lengths: &[u32]) -> Answer {
    let mut text = "# TYPE otelcol_exporter_queue_size gauge\n".to_owned();
    for (index, length) in lengths.iter().enumerate() {
        text += &format!("otelcol_exporter_queue_size{{data_type=\"logs\",exporter=\"otlp/{index}\"}} {length}\n");
    }
    Answer::status("200 OK", &text)
}

fn drain(plugin: &str) -> Run {
    run(["--plugin", plugin, "--on-hook-failure", "fail", "true"])
        .env("HOOK_DRAIN_RETRY", "0s")
        .env("HOOK_OTEL_DRAIN_PAUSE", "50ms")
        .env("HOOK_FLUENTBIT_DRAIN_PAUSE", "50ms")
        .env("HOOK_HTTP_DRAIN_PAUSE", "50ms")
}

/// The same with these answers.
fn drained(plugin: &str, port: u16, answers: Vec<Answer>) -> (Outcome, usize) {
    own_network();
    let server = Server::start_series(port, answers);
    let outcome = drain(plugin).outcome();
    let requests = server.requests();
    assert!(requests.iter().all(|request| request.method == "GET"), "{requests:?}");
    (outcome, requests.len())
}

#[test]
fn a_queue_must_be_empty_twice_in_a_row() {
    let answers = [&[2, 1][..], &[0, 0], &[0, 1], &[0, 0], &[0, 0]].map(metrics).to_vec();
    let (outcome, asked) = drained("otel-drain", 8888, answers);
    outcome
        .exits(0)
        .says("waiting until the queue of OpenTelemetry Collector on localhost:8888 is empty, at most 20 s");
    outcome
        .says("the queue of OpenTelemetry Collector on localhost:8888 has 3")
        .says("on localhost:8888 is empty after ");
    assert_eq!(asked, 5);
}

#[test]
fn fluent_bits_chunks_are_counted() {
    let storage = |chunks: u32| {
        let text = format!(
            r#"{{"storage_layer":{{"chunks":{{"total_chunks":{chunks},"mem_chunks":0}}}},"input_chunks":{{}}}}"#
        );
        Answer::status("200 OK", &text)
    };
    let not_counted_yet = Answer::status("404 Not Found", "");
    let (outcome, asked) = drained("fluentbit-drain", 2020, vec![not_counted_yet, storage(4), storage(0), storage(0)]);
    outcome.exits(0).says("the queue of Fluent Bit on localhost:2020 has 4").says("on localhost:2020 is empty after ");
    assert_eq!(asked, 4);
}

#[test]
fn a_queue_that_is_never_empty_is_a_failure_at_the_deadline() {
    let (outcome, _) = drained("otel-drain,timeout=700ms", 8888, vec![metrics(&[7])]);
    outcome.exits(125).says("still has 7 after ").says("--hook-timeout or timeout= allows more");
    outcome.within(Duration::from_secs(1));
}

#[test]
fn a_queue_that_nobody_counts_is_a_failure_that_says_so() {
    let other = Answer::status("200 OK", "up 1\n");
    let (outcome, _) = drained("otel-drain", 8888, vec![other]);
    outcome.exits(125).says("localhost:8888 has no otelcol_exporter_queue_size").within(Duration::from_secs(4));
    let (outcome, _) = drained("fluentbit-drain", 2020, vec![Answer::status("404 Not Found", "")]);
    outcome.exits(125).says("storage.metrics: on").within(Duration::from_secs(9));
}

#[test]
fn no_collector_is_success_and_one_that_ends_meanwhile_too() {
    own_network();
    drain("otel-drain").outcome().exits(0).says("nothing listens on localhost:8888: no queue to wait for");
    let listener = TcpListener::bind("127.0.0.1:8888").unwrap();
    let ending = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
        let text = "otelcol_exporter_queue_size 5\n";
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len()).unwrap();
    });
    drain("otel-drain")
        .outcome()
        .exits(0)
        .says("localhost:8888 no longer listens: there is no queue to wait for any more");
    ending.join().unwrap();
}

#[test]
fn any_metric_of_any_server_can_be_the_queue() {
    own_network();
    let text = "queue{name=\"a\"} 0\nqueue{name=\"b\"} 9\n";
    let server = Server::start(7000, Answer::status("200 OK", text));
    let url = ("HOOK_HTTP_DRAIN_URL", "http://127.0.0.1:7000/metrics?x=y");
    let outcome = drain("http-drain").env(url.0, url.1).env("HOOK_HTTP_DRAIN_LENGTH", "queue{name=\"a\"}").outcome();
    outcome.exits(0).says("the queue of the server on 127.0.0.1:7000 is empty after ");
    assert_eq!(server.requests()[0].path, "/metrics?x=y");
    drain("http-drain").outcome().exits(125).says("HOOK_HTTP_DRAIN_URL is not set; it says what to ask");
    drain("http-drain").env(url.0, url.1).outcome().exits(125).says("HOOK_HTTP_DRAIN_LENGTH is not set");
}

/// A real collector whose exporter sends to port 4319, and tries again for ever.
fn collector() -> Program {
    Program::new("collector/collector", &["--config=config.yaml"]).file(
        "config.yaml",
        "receivers: { otlp: { protocols: { http: { endpoint: 127.0.0.1:4318 } } } }\n\
         exporters:\n  otlp_http:\n    endpoint: http://127.0.0.1:4319\n    compression: none\n    \
         retry_on_failure: { initial_interval: 100ms, max_interval: 200ms }\n\
         service:\n  telemetry:\n    metrics:\n      readers: [{ pull: { exporter: { prometheus: { host: 127.0.0.1, port: 8888 } } } }]\n  \
         pipelines:\n    traces: { receivers: [otlp], exporters: [otlp_http] }\n",
    )
}

#[test]
fn a_real_collector_is_waited_for_until_it_has_sent_all() {
    let program = collector();
    if let Some(why) = program.missing() {
        return skip_unless_ci(&why);
    }
    own_network();
    let mut collector = program.start();
    wait_until("the collector listens", || TcpStream::connect("127.0.0.1:4318").is_ok());
    // Its backend comes two seconds after the job.
    let backend = thread::spawn(|| {
        thread::sleep(Duration::from_secs(2));
        let server = Server::start(4319, Answer::ok());
        thread::sleep(Duration::from_secs(4));
        server.requests().len()
    });
    let plugins =
        ["--plugin", "otlp-report", "--plugin", "otel-drain", "--on-hook-failure", "fail", "sh", "-c", "exit 3"];
    let outcome = run(plugins).env("HOOK_OTLP_SIGNALS", "traces").outcome();
    outcome.exits(3).says("localhost:4318 has the span").never_says("warning");
    outcome.says("the queue of OpenTelemetry Collector on localhost:8888 has 1").says("is empty after ");
    assert!(outcome.took > Duration::from_secs(2), "{outcome:#?}\n{collector:?}");
    assert_eq!(backend.join().unwrap(), 1, "{outcome:#?}\n{collector:?}");
    assert!(collector.is_running());
}
