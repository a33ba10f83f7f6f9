//! What a plugin says when a sidecar answers oddly, or has what it is asked for switched off: the cause, and the setting.
//! And what it never says: a secret.

use std::net::{Ipv4Addr, Ipv6Addr};
use wrapper_tests::{Answer, Outcome, Run, Server, dist, own_network, run};

/// A job of no length with this plugin, which does not wait for long.
fn job(plugin: &str) -> Run {
    run(["--plugin", &format!("{plugin},timeout=700ms"), "--on-hook-failure", "fail", "true"])
        .env("HOOK_QUIT_RETRY", "0s")
}

/// A plugin's failure. That of a -wait is also why the job did not start.
#[track_caller]
fn fails(outcome: &Outcome, plugin: &str, hint: &str) {
    outcome.exits(125).says(&format!("{plugin}: warning: failed in ")).says(hint);
}

#[test]
fn a_status_and_a_body_together_name_the_cause() {
    let off = "shutdown endpoint is not enabled";
    let own_host = "Requests are only permitted from localhost.";
    let direct = r#"{"errorCode":"ERR_DIRECT_INVOKE","message":"failed to invoke, id: x, err: ..."}"#;
    for (plugin, port, status, body, hint) in [
        ("linkerd-quit", 4191, "404 Not Found", off, "config.linkerd.io/proxy-admin-shutdown: enabled"),
        ("linkerd-quit", 4191, "404 Not Found", "", "its inbound policy denies port 4191"),
        ("linkerd-quit", 4191, "403 Forbidden", "", "its inbound policy denies it; authorize 127.0.0.1"),
        ("linkerd-quit", 4191, "403 Forbidden", own_host, "network namespace"),
        ("linkerd-wait", 4191, "404 Not Found", "", "its inbound policy denies port 4191"),
        ("linkerd-wait", 4191, "403 Forbidden", "", "its inbound policy denies it"),
        ("dapr-quit", 3500, "404 Not Found", direct, "spec.api.allowed"),
        ("dapr-quit", 3500, "404 Not Found", "404 page not found", "spec.api.allowed"),
        (
            "dapr-quit",
            3500,
            "401 Unauthorized",
            "missing api token",
            "its API has a token; give it as HOOK_DAPR_API_TOKEN",
        ),
        ("dapr-wait", 3500, "500 Internal Server Error", "", "its components are not initialised"),
        ("prometheus-quit", 9090, "403 Forbidden", "Lifecycle API is not enabled.", "--web.enable-lifecycle"),
        ("pushgateway-quit", 9091, "403 Forbidden", "Lifecycle API is not enabled.", "--web.enable-lifecycle"),
        ("istio-wait", 15021, "503 Service Unavailable", "", "its Envoy is not ready yet; without istiod it never is"),
    ] {
        own_network();
        let _server = Server::start(port, Answer::status(status, body));
        fails(&job(plugin).outcome(), plugin, hint);
    }
}

#[test]
fn a_closed_port_names_the_setting_too_and_is_a_failure_if_there_is_a_sidecar() {
    own_network();
    for (plugin, hint) in [
        ("cloudsql-quit", "--quitquitquit"),
        ("alloydb-quit", "--quitquitquit"),
        ("vault-quit", "vault.hashicorp.com/agent-enable-quit"),
        ("vault-proxy-quit", "proxy_api { enable_quit = true }"),
        ("dapr-quit", "--unix-domain-socket"),
        ("consul-quit", "-graceful-port"),
        ("kuma-quit", "whose admin interface is a Unix socket"),
        ("istio-quit", "its status port is another"),
        ("caddy-quit", "its admin endpoint is off or elsewhere"),
        ("envoy-quit", "its admin interface is off"),
        ("otel-drain", "service.telemetry.metrics.readers"),
        ("fluentbit-drain", "storage.metrics: on"),
    ] {
        let unknown = job(plugin).env("HOOK_DRAIN_RETRY", "0s").outcome();
        unknown.exits(0).says(&format!("{plugin}: nothing listens on localhost:")).says("; or ").says(hint);
        let there = job(plugin).env("HOOK_SIDECAR", "true").outcome();
        fails(&there, plugin, hint);
        there.says("but HOOK_SIDECAR says that there is one");
    }
    for (plugin, hint) in [("cloudsql-wait", "--health-check"), ("kuma-wait", "Unix sockets, which no hook reaches")] {
        let outcome = run(["--plugin", plugin, "--start-timeout", "500ms", "true"]).outcome();
        outcome.exits(125).says("is not ready: nothing listens there; ").says(hint);
    }
}

#[test]
fn a_second_port_is_asked_if_nothing_listens_on_the_first() {
    for (plugin, port, path, granted) in [
        ("consul-quit", 20300, "/graceful_shutdown", "localhost:20300 answered 200: the sidecar quits"),
        ("istio-wait", 15020, "/healthz/ready", "localhost:15020 answered 200: Istio is ready"),
        ("cloudsql-wait", 9801, "/startup", "localhost:9801 answered 200: Cloud SQL Auth Proxy is ready"),
        ("kuma-wait", 9902, "/ready", "localhost:9902 answered 200: Kuma is ready"),
    ] {
        own_network();
        let server = Server::start(port, Answer::status("200 OK", "LIVE\n"));
        job(plugin).outcome().exits(0).says(granted);
        let requests = server.requests();
        assert_eq!((requests.len(), requests[0].path.as_str()), (1, path), "{plugin}");
    }
}

#[test]
fn kuma_dp_that_has_not_asked_its_envoy_does_not_count() {
    own_network();
    let own_word = b"HTTP/1.1 200 OK\r\nX-Powered-By: kuma-dp\r\nContent-Length: 5\r\n\r\nREADY".to_vec();
    let _reporter = Server::start(9902, Answer::Bytes(own_word));
    let outcome = job("kuma-wait").outcome();
    fails(&outcome, "kuma-wait", "localhost:9902/ready answered 200: kuma-dp is up, its Envoy is not yet");
    let _envoy = Server::start(9901, Answer::status("200 OK", "LIVE\n"));
    job("kuma-wait").outcome().exits(0).says("localhost:9901 answered 200: Kuma is ready");
}

#[test]
fn an_unknown_answer_is_quoted() {
    let long = format!("{}\nsecond line", "x".repeat(200));
    for (status, body, says) in [
        (
            "403 Forbidden",
            "Lifecycle API is not enabled.\n",
            "answered 403 \"Lifecycle API is not enabled.\": HOOK_HTTP_QUIT_URL",
        ),
        ("401 Unauthorized", "", "answered 401: it wants credentials; HOOK_HTTP_QUIT_HEADERS sends them"),
        (
            "418 I'm a teapot",
            "\n  one\u{1b}[31m two\n",
            "answered 418 \"one?[31m two\": HOOK_HTTP_QUIT_URL sets port and path",
        ),
        ("409 Conflict", &long, &format!("answered 409 \"{}\"...: ", "x".repeat(80))),
        ("502 Bad Gateway", "<html>\n", "answered 502: it could not do it"),
    ] {
        own_network();
        let _server = Server::start(7000, Answer::status(status, body));
        let outcome = job("http-quit").env("HOOK_HTTP_QUIT_URL", "http://localhost:7000/stop").outcome();
        fails(&outcome, "http-quit", says);
        outcome.never_says("not an answer").never_says("second line");
    }
}

#[test]
fn what_an_operator_injects_is_read_by_the_plugin_that_it_is_meant_for() {
    own_network();
    let [one, two] = [9091, 9092].map(|port| Server::start(port, Answer::ok()));
    let urls = "http://localhost:9091/quitquitquit http://localhost:9092/quitquitquit";
    for variable in ["CSQL_PROXY_QUIT_URLS", "CSQL_QUIT_URLS"] {
        job("cloudsql-quit")
            .env(variable, urls)
            .outcome()
            .exits(0)
            .says("localhost:9091 answered")
            .says("localhost:9092 answered");
        assert_eq!((one.requests().len(), two.requests().len()), (1, 1));
    }
    let outcome = job("cloudsql-quit").env("CSQL_PROXY_QUIT_URLS", "http://localhost:1/quitquitquit").outcome();
    fails(&outcome, "cloudsql-quit", "but CSQL_PROXY_QUIT_URLS says that there is one");
    // What the user says counts before it.
    let own = "http://localhost:9092/quitquitquit";
    let outcome = job("cloudsql-quit").env("CSQL_PROXY_QUIT_URLS", urls).env("HOOK_CLOUDSQL_QUIT_URL", own).outcome();
    outcome.exits(0).never_says("9091");

    let health = Server::start(9802, Answer::ok());
    job("cloudsql-wait").env("CSQL_PROXY_HTTP_PORT", "9802").outcome().exits(0).says("localhost:9802 answered 200");
    assert_eq!(health.requests().len(), 1);
    let outcome = job("cloudsql-wait").env("CSQL_PROXY_HTTP_PORT", "http").outcome();
    outcome.exits(125).says("CSQL_PROXY_HTTP_PORT: 'http' is not a port from 1 to 65535; the default is used");

    own_network();
    let dapr = Server::start(3501, Answer::status("204 No Content", ""));
    let in_pod = |run: Run| run.env("DAPR_HTTP_PORT", "3501").env("DAPR_API_TOKEN", "s3cret");
    in_pod(job("dapr-wait")).outcome().exits(0).says("localhost:3501 answered 204: Dapr is ready");
    in_pod(job("dapr-quit")).outcome().exits(0).says("localhost:3501 answered 204").never_says("s3cret");
    let requests = dapr.requests();
    assert_eq!((requests[0].header("dapr-api-token"), requests[1].header("dapr-api-token")), (vec![], vec!["s3cret"]));
    // A file sees it if it is allowed to.
    let file = format!("{},env=DAPR_API_TOKEN,env=DAPR_HTTP_PORT", dist("plugins/dapr-quit.wasm").display());
    in_pod(run(["--plugin", &file, "true"])).outcome().exits(0).says("localhost:3501 answered 204");
    assert_eq!(dapr.requests()[0].header("dapr-api-token"), ["s3cret"]);
    let outcome = in_pod(job("dapr-quit")).env("HOOK_DAPR_API_TOKEN", "other").outcome();
    outcome.exits(0);
    assert_eq!(dapr.requests()[0].header("dapr-api-token"), ["other"]);
}

#[test]
fn a_value_that_ends_in_a_newline_is_the_value() {
    own_network();
    let dapr = Server::start(3500, Answer::status("204 No Content", ""));
    let outcome = job("dapr-quit").env("HOOK_DAPR_API_TOKEN", "s3cret\n").outcome();
    outcome.exits(0).says("answered 204: the sidecar quits").never_says("s3cret");
    assert_eq!(dapr.requests()[0].header("dapr-api-token"), ["s3cret"]);
    let outcome = job("http-quit")
        .env("HOOK_HTTP_QUIT_URL", " http://localhost:3500/a\n")
        .env("HOOK_QUIT_WAIT", "0s \n")
        .outcome();
    outcome.exits(0).says("answered 204").never_says("warning");
}

#[test]
fn what_can_never_be_sent_fails_at_once_and_names_its_variable() {
    own_network();
    let servers = [3500, 7000].map(|port| Server::start(port, Answer::ok()));
    let http = [("HOOK_HTTP_QUIT_URL", "http://localhost:7000/"), ("HOOK_HTTP_WAIT_URL", "http://localhost:7000/")];
    for (plugin, variable, value, why) in [
        (
            "dapr-quit",
            "HOOK_DAPR_API_TOKEN",
            "s3\ncret",
            "the value of the header dapr-api-token has a control character",
        ),
        (
            "http-quit",
            "HOOK_HTTP_QUIT_HEADERS",
            "X-A: s3\u{7}cret",
            "the value of the header X-A has a control character",
        ),
        (
            "http-wait",
            "HOOK_HTTP_WAIT_HEADERS",
            "X-A: s3\u{7}cret",
            "the value of the header X-A has a control character",
        ),
        ("http-wait", "HOOK_HTTP_WAIT_HEADERS", "X(A: s3cret", "a name in it is not that of a header field"),
        ("http-quit", "HOOK_HTTP_QUIT_HEADERS", "Host: s3cret", "the wrapper itself sets the header Host"),
    ] {
        let mut run = run(["--plugin", plugin, "--on-hook-failure", "fail", "--log-level", "debug", "true"]);
        for (name, value) in http {
            run = run.env(name, value);
        }
        let outcome = run.env(variable, value).outcome();
        fails(&outcome, plugin, &format!("{variable}: {why}"));
        outcome.never_says("s3").never_says("cret").within(std::time::Duration::from_secs(1));
    }
    let denied = run(["--plugin", "http-wait,port=1", "true"]).env(http[1].0, http[1].1).outcome();
    denied.exits(125).says("localhost:7000 cannot be asked: port 7000: ").says("add port=7000");
    denied.within(std::time::Duration::from_secs(1));
    assert!(servers.iter().all(|server| server.requests().is_empty()));
}

#[test]
fn no_secret_is_logged_at_any_level() {
    own_network();
    let long = "s3cret".repeat(1_000);
    let echo = Answer::status("403 Forbidden", &format!("/stop?key=s3cret: your token s3cret is wrong {long}"));
    let _server = Server::start(7000, echo);
    let report = tempfile::tempdir().unwrap();
    let file = report.path().join("report.json");
    for url in [
        "http://localhost:7000/",
        "http://localhost:7000/stop?key=s3cret",
        "http://u:s3cret@localhost:7000/",
        "https://localhost/?key=s3cret",
    ] {
        let options = ["--plugin", "http-quit", "--log-level", "debug", "--report", file.to_str().unwrap(), "true"];
        let run = run(options).env("HOOK_HTTP_QUIT_URL", url);
        // The query alone, and with a token.
        let run =
            if url.contains("stop") { run } else { run.env("HOOK_HTTP_QUIT_HEADERS", "Authorization: Bearer s3cret") };
        let mut run = run;
        run.outcome().exits(0).says("http-quit: warning: failed in ").never_says("s3cret");
        assert!(!std::fs::read_to_string(&file).unwrap().contains("s3cret"));
    }
}

#[test]
fn an_address_in_a_url_means_that_address() {
    own_network();
    let at = |ip| Server::start_at(ip, 7000, Answer::ok());
    let (first, second, sixth) =
        (at(Ipv4Addr::LOCALHOST.into()), at(Ipv4Addr::new(127, 0, 0, 2).into()), at(Ipv6Addr::LOCALHOST.into()));
    for (host, server) in [("127.0.0.2", &second), ("[::1]", &sixth), ("127.0.0.1", &first), ("localhost", &first)] {
        let outcome = job("http-quit").env("HOOK_HTTP_QUIT_URL", format!("http://{host}:7000/")).outcome();
        outcome.exits(0).says(&format!("{host}:7000 answered 200: the sidecar quits"));
        assert_eq!(server.requests()[0].header("host"), [format!("{host}:7000")], "{host}");
        assert!([&first, &second, &sixth].iter().all(|server| server.requests().is_empty()), "{host}");
    }
    let outcome = run(["--plugin", "otlp-report", "true"]).env("HOOK_OTLP_ENDPOINT", "http://127.0.0.2:7000").outcome();
    outcome.exits(0).says("127.0.0.2:7000 has the span");
    assert_eq!(second.requests().len(), 2);
}
