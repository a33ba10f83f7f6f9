//! A hook gets localhost and nothing else, and never holds the pod for longer than its deadline.

use std::time::Duration;
use wrapper_tests::{Answer, HOSTILE, HOSTILE_DEBUG, Outcome, Server, own_network, run};

/// A second's deadline, and what a busy machine takes for loading the plugin before it: half a second.
const STOPPED: Duration = Duration::from_millis(1_500);

/// A job that exits 3, and a guest that follows this instruction.
fn hostile(instruction: &str) -> Outcome {
    hostile_with("", instruction)
}

/// The same with further settings of the plugin, such as `,port=1`.
fn hostile_with(settings: &str, instruction: &str) -> Outcome {
    let spec = format!("{HOSTILE}{settings}");
    run(["--plugin", &spec, "--hook-timeout", "1s", "sh", "-c", "exit 3"]).env("HOOK_AFTER", instruction).outcome()
}

#[test]
fn a_guest_that_does_not_return_is_stopped_at_the_deadline() {
    for instruction in ["spin", "sleep"] {
        hostile(instruction).exits(3).says(": stopped at its deadline; --hook-timeout allows more").within(STOPPED);
    }
    // Counted from the job's end, as the plugin is loaded before that.
    let outcome = hostile_with(",timeout=200ms", "spin");
    outcome.exits(3).says("stopped at its deadline; timeout= allows more");
    assert!(outcome.after_job < Duration::from_millis(300), "{outcome:#?}");
}

#[test]
fn a_hook_that_hangs_leaves_the_others_their_share() {
    own_network();
    let server = Server::start(15020, Answer::ok());
    run(["--plugin", HOSTILE, "--plugin", "istio-quit", "--hook-timeout", "1s", "true"])
        .env("HOOK_AFTER", "spin")
        .outcome()
        .exits(0)
        .says("hostile: warning: failed in 5")
        .says("istio-quit: done in ")
        .within(STOPPED);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_guest_that_breaks_is_a_failed_hook_and_nothing_more() {
    hostile("fail for a reason").exits(3).says("failed in ").says(": for a reason");
    hostile("trap").exits(3).says("trapped: wasm trap: wasm `unreachable` instruction executed");
    hostile("recurse").exits(3).says("trapped: wasm trap: call stack exhausted");
    hostile("exit").exits(3).says("exited with code 1 instead of returning");
    hostile("panic with words").exits(3).says("hostile: error: panicked at ").says("with words").says("trapped: ");
}

#[test]
fn a_debug_build_of_a_plugin_names_the_functions_of_a_trap() {
    let outcome = run(["--plugin", HOSTILE_DEBUG, "true"]).env("HOOK_AFTER", "trap").outcome();
    outcome.exits(0).says("instruction executed, in hostile::trap < hostile::follow < ");
}

#[test]
fn memory_is_bounded() {
    hostile("memory").exits(3).says("it was refused more than 64 MiB of memory; memory= allows more");
    hostile_with(",memory=4MiB", "memory").exits(3).says("it was refused more than 4 MiB");
}

#[test]
fn a_request_to_a_closed_port_does_not_answer_itself() {
    own_network();
    // The only port that the system can choose for the hook's end is the one that is asked for.
    std::fs::write("/proc/sys/net/ipv4/ip_local_port_range", "40000 40000").unwrap();
    hostile("get 40000 /").exits(3).says("error Refused");
}

#[test]
fn one_refusal_of_memory_is_no_refusal_of_the_next() {
    hostile("memory-again").exits(3).says("grown by 100000 pages: false, and then by one: true");
}

#[test]
fn much_memory_is_all_there_and_is_taken_away_in_time() {
    for (instruction, option) in [("memory-all", ""), ("memory-all spin", ",timeout=4s")] {
        let plugin = format!("{HOSTILE},memory=1024MiB{option}");
        for as_pid_1 in [false, true] {
            let run = run(["--plugin", &plugin, "sh", "-c", "exit 3"]).env("HOOK_AFTER", instruction);
            let outcome = if as_pid_1 { run.as_pid_1() } else { run }.outcome();
            // What it begins with and its own heap's bookkeeping take some.
            let taken = (1_015..1_024).any(|taken| outcome.stderr.contains(&format!("took {taken} MiB\n")));
            assert!(outcome.exits(3).stderr.contains("took ") && taken, "{outcome:#?}");
            if !option.is_empty() {
                outcome.says("stopped at its deadline; timeout= allows more").within(Duration::from_millis(4_100));
            }
        }
    }
}

#[test]
fn a_flood_of_log_lines_has_an_end() {
    let outcome = hostile("flood-log");
    outcome.exits(3).says("hostile: warning: log limit of 1024 KiB reached, its further lines are dropped");
    assert!(outcome.stderr.len() < 1 << 20, "{} bytes", outcome.stderr.len());
    outcome.within(STOPPED);
    // Of what is written, whatever that is made of.
    for format in ["text", "json"] {
        let outcome = run(["--plugin", HOSTILE, "--log-format", format, "sh", "-c", "exit 3"])
            .env("HOOK_AFTER", "flood-quotes")
            .outcome();
        assert!(outcome.exits(3).stderr.len() < 1 << 20, "{} bytes", outcome.stderr.len());
        assert!(outcome.stderr.lines().all(|line| line.len() < 2_400), "{outcome:#?}");
        if format == "json" {
            for line in outcome.stderr.lines() {
                let line: serde_json::Value = serde_json::from_str(line).expect(line);
                assert!(line["message"].is_string() && line["level"].is_string(), "{line}");
            }
        }
    }
}

#[test]
fn a_log_line_cannot_pretend_to_be_another() {
    hostile("log innocentNEWLINEwrapper: true exited 0ESCAPE")
        .exits(3)
        .says("hostile: warning: innocent\\nwrapper: true exited 0\\u{1b}[31m\n");
}

#[test]
fn stdout_and_stderr_of_a_guest_are_log_lines() {
    let outcome = hostile("print some text");
    outcome
        .exits(3)
        .says("hostile: stdout some text\nhostile: and more\n")
        .says("hostile: warning: stderr some text\n");
    assert_eq!(outcome.stdout, "", "stdout belongs to the job");
}

#[test]
fn the_environment_is_hook_variables_and_what_is_granted() {
    let look = |settings: &str| {
        let spec = format!("{HOSTILE}{settings}");
        let run = run(["--plugin", &spec, "true", "secret-argument"]).env("HOOK_AFTER", "environment");
        run.env("SECRET", "s3cret").env("GRANTED", "g").outcome()
    };
    look("")
        .exits(0)
        .says("(\"HOOK_AFTER\", \"environment\")")
        .says("arguments [], folder None")
        .never_says("s3cret")
        .never_says("GRANTED")
        .never_says("secret-argument");
    look(",env=GRANTED").exits(0).says("(\"GRANTED\", \"g\")").never_says("s3cret");
}

#[test]
fn there_are_no_files_no_sockets_and_no_names() {
    hostile("files").exits(3).says("hostile: 0 folders");
    hostile("connect").exits(3).says("connect: Err(");
    hostile("resolve").exits(3).says("resolve: Err(");
}

#[test]
fn requests_go_to_this_host_through_either_door() {
    own_network();
    let server = Server::start(0, Answer::ok());
    let port = server.port();
    hostile(&format!("post {port} /a?b=c")).exits(3).says("answer 200, 2 bytes, location None, begins \"OK\"");
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!((requests[0].method.as_str(), requests[0].path.as_str()), ("POST", "/a?b=c"));
    assert_eq!(requests[0].header("host"), [format!("localhost:{port}")]);
    assert_eq!(requests[0].header("x-hook"), ["yes"]);
    assert_eq!(requests[0].header("content-length"), ["8"]);
    assert_eq!(requests[0].body, "the body");

    for host in ["localhost", "127.0.0.1", "[::ffff:127.0.0.1]"] {
        hostile(&format!("fetch http://{host}:{port}/path")).exits(3).says("fetched 200, 2 bytes");
        let requests = server.requests();
        assert_eq!((requests[0].method.as_str(), requests[0].path.as_str()), ("GET", "/path"));
        assert_eq!(requests[0].header("host"), [format!("{host}:{port}")]);
    }
    // As a URL may be written.
    for (url, path) in [(format!("HTTP://localhost:{port}"), "/"), (format!("http://localhost:{port}?a=b"), "/?a=b")] {
        hostile(&format!("fetch {url}")).exits(3).says("fetched 200, 2 bytes");
        assert_eq!(server.requests()[0].path, path);
    }
    hostile(&format!("fetch-with-body http://localhost:{port}/")).exits(3).says("fetched 200, 2 bytes");
    let requests = server.requests();
    assert_eq!((requests[0].method.as_str(), requests[0].header("transfer-encoding")), ("GET", vec!["chunked"]));
}

#[test]
fn requests_to_anywhere_else_are_denied_and_say_why() {
    own_network();
    let server = Server::start(0, Answer::ok());
    let port = server.port();
    for host in ["example.com", "10.0.0.1", "169.254.169.254", "0.0.0.0", "127.1", "localhost.", "[::]", "[fe80::1]"] {
        hostile(&format!("fetch http://{host}:{port}/"))
            .exits(3)
            .says("fetch failed: ErrorCode::DestinationIpProhibited")
            .says(&format!("warning: denied GET http://{host}:{port}/: "))
            .says("a hook reaches only this host, as localhost, 127.0.0.0/8 or [::1]; no option allows more");
    }
    hostile(&format!("fetch https://localhost:{port}/"))
        .exits(3)
        .says("HttpRequestDenied")
        .says("a hook speaks http only");
    hostile(&format!("method CONNECT {port} /")).exits(3).says("method CONNECT: a hook may not open tunnels");
    assert_eq!(server.requests(), []);
}

#[test]
fn ports_can_be_narrowed() {
    own_network();
    let (one, two) = (Server::start(0, Answer::ok()), Server::start(0, Answer::ok()));
    let settings = format!(",port={}", one.port());
    hostile_with(&settings, &format!("get {} /", one.port())).exits(3).says("answer 200");
    let denial = format!("port {0}: the plugin may reach only port {1}; add port={0}", two.port(), one.port());
    hostile_with(&settings, &format!("get {} /", two.port())).exits(3).says("error Denied(").says(&denial);
    hostile_with(&settings, &format!("fetch http://localhost:{}/", two.port())).exits(3).says(&denial);
    assert_eq!((one.requests().len(), two.requests().len()), (1, 0));
}

#[test]
fn a_redirect_is_handed_to_the_guest_and_not_followed() {
    own_network();
    let other = Server::start(0, Answer::ok());
    let location = format!("http://127.0.0.1:{}/", other.port());
    let moved = format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
    let server = Server::start(0, Answer::Bytes(moved.into_bytes()));
    hostile(&format!("get {} /", server.port()))
        .exits(3)
        .says(&format!("answer 302, 0 bytes, location Some({location:?})"));
    assert_eq!(other.requests(), []);
}

#[test]
fn a_proxy_in_the_environment_is_not_used() {
    own_network();
    let (proxy, server) = (Server::start(0, Answer::ok()), Server::start(0, Answer::ok()));
    let instruction = format!("fetch http://localhost:{}/", server.port());
    let run = run(["--plugin", HOSTILE, "true"]).env("HOOK_AFTER", instruction);
    run.env("http_proxy", format!("http://127.0.0.1:{}/", proxy.port())).outcome().exits(0).says("fetched 200");
    assert_eq!((proxy.requests().len(), server.requests().len()), (0, 1));
}

#[test]
fn the_kinds_of_failure_are_told_apart() {
    own_network();
    hostile("get 9 /").exits(3).says("error Refused");
    hostile("fetch http://localhost:9/").exits(3).says("ErrorCode::ConnectionRefused");
    let server = |answer| Server::start(0, answer);
    let silent = server(Answer::Silence);
    hostile(&format!("timeout {} /", silent.port())).exits(3).says("error TimedOut").within(Duration::from_millis(700));
    let closing = server(Answer::Close);
    hostile(&format!("get {} /", closing.port())).exits(3).says("error Closed");
    let short = server(Answer::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".to_vec()));
    hostile(&format!("get {} /", short.port())).exits(3).says("error Other(\"the answer broke off: ");
    let garbage = server(Answer::Bytes(b"garbage\r\n\r\n".to_vec()));
    hostile(&format!("get {} /", garbage.port())).exits(3).says("error Other(\"the answer is not HTTP/1.1: ");
}

#[test]
fn a_response_is_bounded() {
    own_network();
    let large = Server::start(0, Answer::status("200 OK", &"x".repeat(5 << 20)));
    hostile(&format!("get {} /", large.port())).exits(3).says("error TooLarge");
    hostile(&format!("fetch http://localhost:{}/", large.port())).exits(3).says("fetch failed: ");
    let fitting = Server::start(0, Answer::status("200 OK", &"x".repeat(4 << 20)));
    hostile(&format!("get {} /", fitting.port())).exits(3).says("answer 200, 4194304 bytes");
}

#[test]
fn a_request_cannot_break_out_of_its_place_on_the_wire() {
    own_network();
    let server = Server::start(0, Answer::ok());
    let port = server.port();
    hostile(&format!("get {port} /aCRLFHost: evil")).exits(3).says("is not a path");
    hostile(&format!("get {port} http://evil.example/")).exits(3).says("is not a path; it begins with '/'");
    hostile(&format!("method GETCRLF {port} /")).exits(3).says("error Other(");
    hostile("header x-a=1CRLFx-b: 2").exits(3).says("is not a header's value");
    hostile("header x a=1").exits(3).says("is not a header's name");
    for name in ["host", "Content-Length", "transfer-encoding", "connection", "upgrade", "proxy-authorization"] {
        hostile(&format!("header {name}=1")).exits(3).says("the wrapper sets it; no option allows it");
    }
    assert_eq!(server.requests(), []);
}

#[test]
fn a_variable_that_is_no_text_is_not_shown_and_that_is_said() {
    let latin1: std::ffi::OsString = std::os::unix::ffi::OsStringExt::from_vec(b"caf\xe9".to_vec());
    run(["--plugin", "echo", "true"])
        .env("HOOK_NAME", latin1)
        .outcome()
        .exits(0)
        .says("echo: warning: HOOK_NAME is not UTF-8 and so not shown to it");
}
