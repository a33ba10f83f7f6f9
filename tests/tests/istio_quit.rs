//! `istio-quit` against a sidecar's stand-in that records and misbehaves.

use std::{net::Ipv6Addr, thread, time::Duration};
use wrapper_tests::{Answer, Outcome, Server, own_network, run};

/// A job of no length, with the default plugin.
fn quit() -> Outcome {
    run(["true"]).outcome()
}

/// The same where the sidecar is at another port, as the outcome and what the sidecar was asked.
fn quit_with(answer: Answer) -> (Outcome, usize) {
    own_network();
    let server = Server::start(0, answer);
    let url = format!("http://localhost:{}/quitquitquit", server.port());
    let outcome = run(["--hook-timeout", "2s", "sh", "-c", "exit 3"]).env("HOOK_ISTIO_QUIT_URL", url).outcome();
    let asked = server.requests().len();
    (outcome, asked)
}

#[test]
fn the_sidecar_is_asked_to_quit_by_one_post() {
    own_network();
    let server = Server::start(15020, Answer::ok());
    quit().exits(0).says("istio-quit: localhost:15020 answered 200: the sidecar quits").says("istio-quit: done in ");
    let requests = server.requests();
    assert_eq!(requests.len(), 1, "{requests:?}");
    assert_eq!((requests[0].method.as_str(), requests[0].path.as_str()), ("POST", "/quitquitquit"));
    assert_eq!(requests[0].header("host"), ["localhost:15020"]);
    assert_eq!(requests[0].header("content-length"), ["0"]);
    assert_eq!(requests[0].header("transfer-encoding"), [""; 0]);
    assert_eq!(requests[0].body, "");
}

#[test]
fn it_is_asked_however_the_job_ended() {
    own_network();
    let server = Server::start(15020, Answer::ok());
    run(["sh", "-c", "exit 3"]).outcome().exits(3);
    assert_eq!(server.requests().len(), 1);
    run(["sh", "-c", "kill -9 $$"]).outcome().exits(137);
    assert_eq!(server.requests().len(), 1);
    run(["/no/such/program"]).outcome().exits(127);
    assert_eq!(server.requests().len(), 1);
    run(["/etc/passwd"]).outcome().exits(126);
    assert_eq!(server.requests().len(), 1);
    run(["--plugin", "istio-quit", "--plugin", "/no/such/plugin.wasm", "true"]).outcome().exits(125);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_sidecar_on_the_ipv6_loopback_alone_is_found() {
    own_network();
    let server = Server::start_at(Ipv6Addr::LOCALHOST.into(), 15020, Answer::ok());
    quit().exits(0).says("answered 200");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn no_sidecar_is_success_and_after_a_longer_job_known_at_once() {
    own_network();
    let outcome = run(["sleep", "3.1"]).outcome();
    outcome
        .exits(0)
        .says("istio-quit: warning: nothing listens on localhost:15020: no sidecar to quit, or one that starts ");
    outcome.says("set HOOK_ISTIO_SIDECAR to tell which").within(Duration::from_millis(4_000));
}

#[test]
fn a_sidecar_that_comes_up_after_a_short_job_is_still_quit() {
    own_network();
    // The thread inherits this test's network.
    let late = thread::spawn(|| {
        thread::sleep(Duration::from_millis(500));
        let server = Server::start(15020, Answer::ok());
        thread::sleep(Duration::from_secs(2));
        server.requests().len()
    });
    quit().exits(0).says("nothing listens on localhost:15020 yet: asking again").says("answered 200");
    assert_eq!(late.join().unwrap(), 1);
}

#[test]
fn the_waiting_for_a_sidecar_is_bounded() {
    own_network();
    let wait = |retry: &str| run(["true"]).env("HOOK_ISTIO_QUIT_RETRY", retry).outcome();
    quit().exits(0).says("no sidecar to quit").within(Duration::from_secs(4));
    wait("0s").exits(0).says("no sidecar to quit").never_says("asking again").within(Duration::from_millis(500));
    wait("200ms").exits(0).says("asking again").within(Duration::from_secs(1));
    wait("soon").exits(0).says("HOOK_ISTIO_QUIT_RETRY: 'soon' is not a duration; write it as 3s or 500ms");
    // The hook's own deadline comes first: still there was no sidecar, which is fine.
    for options in [&["--hook-timeout", "1s"][..], &["--plugin", "istio-quit,timeout=500ms"]] {
        let outcome = run(options.iter().chain(&["--on-hook-failure", "fail", "true"])).outcome();
        outcome.exits(0).says("no sidecar to quit").never_says("failed").within(Duration::from_secs(2));
    }
}

#[test]
fn a_refusal_names_its_cause_and_the_setting() {
    for (status, hint) in [
        ("403 Forbidden", "answered 403: it takes this from its own host only"),
        ("404 Not Found", "answered 404 \"no\": what listens there does not know the path"),
        ("405 Method Not Allowed", "answered 405 \"no\": what listens there does not take POST"),
        ("500 Internal Server Error", "answered 500 \"no\": it could not do it; its own log says why"),
        ("503 Service Unavailable", "answered 503 \"no\": it could not do it"),
        ("302 Found", "answered 302 \"no\": HOOK_ISTIO_QUIT_URL sets port and path"),
    ] {
        let (outcome, asked) = quit_with(Answer::status(status, "no"));
        outcome.exits(3).says(hint).says("istio-quit: warning: failed in ");
        assert_eq!(asked, 1, "{status}");
    }
}

#[test]
fn a_slow_answer_is_waited_for() {
    let slow = Answer::Slow(Duration::from_millis(700), b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK".to_vec());
    quit_with(slow).0.exits(3).says("answered 200");
}

#[test]
fn a_silent_sidecar_holds_the_pod_until_the_deadline_and_no_longer() {
    let (outcome, _) = quit_with(Answer::Silence);
    outcome.exits(3).says("took the request and did not answer in time").within(Duration::from_millis(2_500));
}

#[test]
fn an_answer_that_is_not_http_is_a_failure_in_words() {
    let (outcome, _) = quit_with(Answer::Bytes(b"220 mail.example.com ESMTP\r\n".to_vec()));
    outcome.exits(3).says("the answer is not HTTP/1.1");
}

#[test]
fn an_endless_answer_is_cut_off() {
    let ok = b"HTTP/1.1 200 OK\r\n".to_vec();
    let headers = b"x-more: and more and more\r\n".to_vec();
    let outcome = quit_with(Answer::Endless(ok.clone(), headers)).0;
    outcome.exits(3).says("answered 200: the sidecar quits").within(Duration::from_secs(2));
    // Its head is an answer, and of its body no more than 1 MiB is read.
    let chunked = [&ok[..], b"Transfer-Encoding: chunked\r\n\r\n"].concat();
    let body = [&b"10000\r\n"[..], &[b'x'; 0x10000], b"\r\n"].concat();
    let outcome = quit_with(Answer::Endless(chunked, body)).0;
    outcome.exits(3).says("answered 200: the sidecar quits").within(Duration::from_secs(2));
}

#[test]
fn an_answer_in_chunks_is_an_answer() {
    let chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nOK\r\n0\r\n\r\n".to_vec();
    quit_with(Answer::Bytes(chunks)).0.exits(3).says("answered 200");
}

#[test]
fn another_url_must_be_on_this_host() {
    own_network();
    for (url, why) in [
        ("http://example.com/", "is not on this host"),
        ("http://169.254.169.254/", "is not on this host"),
        ("https://localhost:15020/", "is https, and a hook speaks plain HTTP"),
        ("HTTP://localhost:15020/", "has its scheme in upper case"),
        ("http://localhost.:15020/", "has a dot after localhost"),
        ("localhost:15020", "does not begin with http://"),
    ] {
        let outcome = run(["true"]).env("HOOK_ISTIO_QUIT_URL", url).outcome();
        let sentence = format!("HOOK_ISTIO_QUIT_URL: '{url}' {why}");
        outcome.exits(0).says(&sentence).says("; write it as http://localhost:PORT/PATH");
    }
    let secret = run(["true"]).env("HOOK_ISTIO_QUIT_URL", "http://user:s3cret@localhost/").outcome();
    secret.says("HOOK_ISTIO_QUIT_URL: '...@localhost/' has user information").never_says("s3cret");
}

#[test]
fn a_failed_hook_counts_only_where_the_user_says_so() {
    own_network();
    let _server = Server::start(15020, Answer::status("404 Not Found", ""));
    run(["true"]).outcome().exits(0);
    run(["--on-hook-failure", "fail", "true"]).outcome().exits(125);
    run(["--on-hook-failure", "fail", "sh", "-c", "exit 3"]).outcome().exits(3);
    run(["true"]).env("WRAPPER_ON_HOOK_FAILURE", "fail").outcome().exits(125);
}
