//! A sidecar that starts after the job, or never, with and without a variable that tells whether there is one.

use std::{thread, time::Duration};
use wrapper_tests::{Answer, Outcome, Run, Running, Server, own_network, run};

/// As the kubelet sets it in every container.
const IN_A_POD: (&str, &str) = ("KUBERNETES_SERVICE_HOST", "10.96.0.1");

/// What Istio's injector writes.
const INJECTED: &str = r#"{"initContainers":["istio-init"],"containers":["istio-proxy"],"revision":"default"}"#;

/// Runs it beside a sidecar on port 15020 that starts so much later, and returns whether the sidecar was asked to quit.
fn beside_late(mut run: Run, after: Duration) -> (Outcome, bool) {
    own_network();
    let late = thread::spawn(move || {
        thread::sleep(after);
        let server = Server::start(15020, Answer::ok());
        move || server.requests().len() == 1
    });
    let outcome = run.outcome();
    let was_asked = late.join().unwrap()();
    (outcome, was_asked)
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

#[test]
fn a_sidecar_that_is_known_to_come_is_waited_for() {
    for (name, value) in [("HOOK_ISTIO_SIDECAR", INJECTED), ("HOOK_SIDECAR", "true")] {
        let (outcome, was_asked) = beside_late(run(["sh", "-c", "exit 3"]).env(name, value), seconds(4.0));
        outcome.exits(3).says("yet: asking again for at most 300 s").says("answered 200: the sidecar quits");
        assert!(was_asked, "{outcome:#?}");
        outcome.within(seconds(5.0));
    }
}

#[test]
fn a_sidecar_that_is_known_and_never_comes_is_a_failure() {
    own_network();
    let options = ["--hook-timeout", "1s", "--on-hook-failure", "fail", "true"];
    let outcome = run(options).env("HOOK_ISTIO_SIDECAR", INJECTED).outcome();
    outcome.exits(125).says("istio-quit: warning: failed in ").within(seconds(1.3));
    outcome.says("nothing listened on localhost:15020 for ").says("but HOOK_ISTIO_SIDECAR says that there is one");
}

#[test]
fn without_a_time_limit_of_the_users_it_is_waited_for_minutes_until_a_signal_comes() {
    own_network();
    let run = run(["sh", "-c", "echo done"]).env("HOOK_ISTIO_SIDECAR", "true");
    let (running, line) = Running::start(run);
    assert_eq!(line, "done");
    thread::sleep(seconds(10.5));
    running.send(libc::SIGTERM);
    let began = std::time::Instant::now();
    let (code, stderr) = running.end();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("wrapper: still waiting for istio-quit after 10 s, at most 300 s"), "{stderr}");
    assert!(stderr.contains("wrapper: SIGTERM came: istio-quit has 20.0 s more"), "{stderr}");
    assert!(stderr.contains("the sidecar got the signal to end too, or never came"), "{stderr}");
    assert!((seconds(2.5)..seconds(5.0)).contains(&began.elapsed()), "{:?}: {stderr}", began.elapsed());
}

#[test]
fn a_pod_without_a_sidecar_that_says_so_ends_at_once() {
    own_network();
    let quit = ["--plugin", "istio-wait", "--plugin", "istio-quit", "--on-hook-failure", "fail", "true"];
    for (value, why) in [("", "HOOK_ISTIO_SIDECAR is empty"), ("false", "HOOK_ISTIO_SIDECAR is false")] {
        let outcome = run(quit).env("HOOK_ISTIO_SIDECAR", value).outcome();
        outcome.exits(0).never_says("warning").within(seconds(0.5));
        outcome.says(&format!("istio-wait: nothing listens on localhost:15021: no sidecar to wait for, as {why}"));
        outcome.says(&format!("istio-quit: nothing listens on localhost:15020: no sidecar to quit, as {why}"));
    }
}

#[test]
fn a_sidecar_that_is_there_though_the_variable_is_empty_is_quit_and_that_is_a_warning() {
    own_network();
    let server = Server::start(15020, Answer::ok());
    let outcome = run(["true"]).env("HOOK_SIDECAR", "").outcome();
    outcome.exits(0).says("warning: something listens on localhost:15020, though HOOK_SIDECAR is empty");
    outcome.says("answered 200: the sidecar quits");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn the_default_plugin_finds_a_sidecar_that_is_eight_seconds_late_in_a_pod() {
    let (name, value) = IN_A_POD;
    for job in ["0.1", "5"] {
        let (outcome, was_asked) = beside_late(run(["sleep", job]).env(name, value), seconds(8.0));
        assert!(was_asked, "{outcome:#?}");
        outcome.exits(0).says("answered 200: the sidecar quits").never_says("warning").within(seconds(10.0));
    }
}

#[test]
fn the_window_lasts_some_seconds_after_the_jobs_end() {
    let (name, value) = IN_A_POD;
    let (outcome, was_asked) = beside_late(run(["sleep", "14"]).env(name, value), seconds(16.0));
    assert!(was_asked, "{outcome:#?}");
}

#[test]
fn a_plugin_that_the_user_named_waits_longer_than_the_time_of_all_hooks() {
    let (outcome, was_asked) = beside_late(run(["--plugin", "istio-quit", "true"]), seconds(22.0));
    outcome.exits(0).says("yet: asking again for at most 60 s").says("at most 80 s").says("the sidecar quits");
    assert!(was_asked, "{outcome:#?}");
}

#[test]
fn a_pod_that_is_deleted_does_not_wait_for_a_sidecar_that_may_have_ended_too() {
    let job = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.1; done";
    let wait = ["--plugin", "istio-wait", "--plugin", "istio-quit"];
    for (options, variable) in
        [(&wait[2..], None), (&wait[2..], Some("true")), (&wait[..], None), (&wait[..], Some("true"))]
    {
        own_network();
        let _ready = Server::start(15021, Answer::ok());
        let mut run = run(options.iter().chain(&["sh", "-c", job]));
        if let Some(value) = variable {
            run = run.env("HOOK_ISTIO_SIDECAR", value);
        }
        let (running, _) = Running::start(run);
        running.send(libc::SIGTERM);
        let began = std::time::Instant::now();
        let (code, stderr) = running.end();
        assert_eq!(code, Some(7), "{stderr}");
        assert!(!stderr.contains("failed in "), "{stderr}");
        assert!(began.elapsed() < seconds(4.0), "{:?}: {stderr}", began.elapsed());
    }
}

#[test]
fn a_young_pod_is_warned_and_told_what_to_set() {
    own_network();
    let outcome = run(["--plugin", "linkerd-quit,timeout=500ms", "true"]).outcome();
    outcome
        .exits(0)
        .says("linkerd-quit: warning: nothing listens on localhost:4191: no sidecar to quit, or one that starts ");
    outcome.says("set HOOK_LINKERD_SIDECAR to tell which");
}

#[test]
fn a_sidecar_that_a_wait_found_ready_is_not_called_absent() {
    own_network();
    let _ready = Server::start(4191, Answer::ok());
    let plugins = ["--plugin", "linkerd-wait", "--plugin", "linkerd-quit", "--hook-timeout", "1s", "true"];
    let outcome = run(plugins).env("HOOK_LINKERD_QUIT_URL", "http://localhost:4192/shutdown").outcome();
    outcome.exits(0).says("linkerd-quit: warning: failed in ").never_says("no sidecar to quit");
    outcome.says("it is ready on localhost:4191, but nothing listens on localhost:4192: HOOK_LINKERD_QUIT_URL sets port and path");
}

#[test]
fn a_sidecar_that_was_ready_and_is_gone_has_ended_and_holds_the_pod_for_seconds() {
    for variable in [None, Some("true")] {
        own_network();
        let listener = std::net::TcpListener::bind("127.0.0.1:4191").unwrap();
        let once = thread::spawn(move || {
            use std::io::{Read as _, Write as _};
            let (mut stream, _) = listener.accept().unwrap();
            assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
        });
        let options = ["--plugin", "linkerd-wait", "--plugin", "linkerd-quit", "--on-hook-failure", "fail", "true"];
        let mut run = run(options);
        if let Some(value) = variable {
            run = run.env("HOOK_LINKERD_SIDECAR", value);
        }
        let outcome = run.outcome();
        outcome
            .exits(0)
            .says("nothing listens on localhost:4191 any more, and linkerd-wait found it ready: the sidecar has ended");
        outcome.within(seconds(6.0));
        once.join().unwrap();
    }
}

#[test]
fn a_signal_that_ends_the_job_ends_the_waiting_too_whichever_it_is() {
    for signal in [libc::SIGQUIT, libc::SIGUSR1, libc::SIGHUP] {
        own_network();
        let job = ["sh", "-c", "echo ready; exec sleep 60"];
        let (running, _) = Running::start(run(job).env("HOOK_ISTIO_SIDECAR", "true"));
        running.send(signal);
        let began = std::time::Instant::now();
        let (code, stderr) = running.end();
        assert_eq!(code, Some(128 + signal), "{stderr}");
        assert!(began.elapsed() < seconds(4.0), "{:?}: {stderr}", began.elapsed());
    }
}

#[test]
fn signals_bound_the_time_of_all_hooks_together_however_many_come() {
    own_network();
    let _silent = [15020, 9901].map(|port| Server::start(port, Answer::Silence));
    let plugins = ["--plugin", "istio-quit", "--plugin", "envoy-quit", "sh", "-c", "echo done"];
    let (running, _) = Running::start(run(plugins).env("HOOK_SIDECAR", "true"));
    let began = std::time::Instant::now();
    for _ in 0..3 {
        thread::sleep(seconds(3.0));
        running.send(libc::SIGTERM);
    }
    let (code, stderr) = running.end();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(began.elapsed() < seconds(24.0), "{:?}: {stderr}", began.elapsed());
}

#[test]
fn another_program_on_a_port_of_the_sidecar_is_not_the_sidecar() {
    own_network();
    let _other = [9090, 20300].map(|port| Server::start(port, Answer::status("404 Not Found", "")));
    let late = thread::spawn(|| {
        thread::sleep(seconds(4.0));
        [9091, 20600].map(|port| Server::start(port, Answer::ok()))
    });
    let plugins = ["--plugin", "cloudsql-quit", "--plugin", "consul-quit", "--on-hook-failure", "fail", "true"];
    let outcome = run(plugins).env("HOOK_SIDECAR", "true").outcome();
    outcome.exits(0).says("localhost:9091 answered 200").says("localhost:20600 answered 200");
    let servers = late.join().unwrap();
    assert!(servers.iter().all(|server| server.requests().len() == 1), "{outcome:#?}");

    own_network();
    let _other = Server::start(20300, Answer::status("404 Not Found", ""));
    let outcome = run(["--plugin", "consul-quit,timeout=700ms", "true"]).outcome();
    outcome
        .exits(0)
        .says("consul-quit: warning: failed in ")
        .says("http://localhost:20300/graceful_shutdown answered 404");

    // Prometheus has the port of the health checks, whose operator has another.
    own_network();
    let (_prometheus, _health) =
        (Server::start(9090, Answer::status("404 Not Found", "")), Server::start(9801, Answer::ok()));
    run(["--plugin", "cloudsql-wait", "true"]).outcome().exits(0).says("localhost:9801 answered 200");
}

#[test]
fn a_file_has_minutes_only_by_its_own_variable() {
    own_network();
    let file = wrapper_tests::dist("plugins/istio-quit.wasm");
    let plugin = ["--plugin", file.to_str().unwrap(), "--log-level", "debug", "true"];
    let outcome = run(plugin).env("HOOK_SIDECAR", "true").outcome();
    outcome.exits(0).says("but HOOK_SIDECAR says that there is one").within(seconds(22.0));
    let (outcome, was_asked) = beside_late(run(plugin).env("HOOK_ISTIO_SIDECAR", "true"), seconds(1.0));
    outcome.exits(0).says("yet: asking again for at most ").never_says("at most 20 s").never_says("at most 19 s");
    assert!(was_asked, "{outcome:#?}");
}

#[test]
fn a_quit_port_that_stays_closed_beside_an_open_one_is_an_endpoint_that_is_off() {
    own_network();
    let _health = Server::start(9090, Answer::ok());
    let plugins = ["--plugin", "cloudsql-wait", "--plugin", "cloudsql-quit", "true"];
    let outcome = run(plugins).outcome();
    outcome.exits(0).says("cloudsql-quit: warning: failed in ").within(seconds(5.0));
    outcome.says("it is ready on localhost:9090, but nothing listens on localhost:9091: its quit endpoint is off");
    outcome.says("--quitquitquit");
}

#[test]
fn a_wait_for_a_sidecar_that_is_known_to_come_has_minutes_and_a_signal_ends_it_at_once() {
    own_network();
    let plugins = ["--plugin", "istio-wait", "--plugin", "echo", "sh", "-c", "echo started"];
    let mut run = run(plugins).env("HOOK_ISTIO_SIDECAR", "true");
    let child = run.start();
    thread::sleep(seconds(1.0));
    // SAFETY: no pointers; the child is not waited for yet.
    assert_eq!(unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGTERM) }, 0);
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(143), &b""[..]), "{stderr}");
    assert!(stderr.contains("istio-wait: waiting for Istio on localhost:15021, at most 300 s"), "{stderr}");
}

#[test]
fn the_other_hooks_keep_their_time_after_one_that_took_long() {
    let plugins = ["--plugin", "istio-quit", "--plugin", "http-quit,timeout=19s", "true"];
    let run = run(plugins)
        .env("HOOK_ISTIO_SIDECAR", "true")
        .env("HOOK_HTTP_SIDECAR", "")
        .env("HOOK_HTTP_QUIT_URL", "http://localhost:7000/");
    let (outcome, was_asked) = beside_late(run, seconds(21.0));
    assert!(was_asked, "{outcome:#?}");
    outcome.says("http-quit: nothing listens on localhost:7000: no sidecar to quit, as HOOK_HTTP_SIDECAR is empty");
}
