//! Every sidecar by its name: what it is asked, and what becomes of each of its answers. The rows are what the projects
//! themselves document; the plugins have a table of their own.

use std::{net::TcpListener, thread, time::Duration};
use wrapper_tests::{Answer, Outcome, Request, Run, Server, dist, own_network, run};

/// What a sidecar is asked.
struct Row {
    plugin: &'static str,
    method: &'static str,
    port: u16,
    path: &'static str,
    /// A header field that it must have.
    header: Option<(&'static str, &'static str)>,
    /// Its answer to what it grants.
    granted: &'static str,
    /// Other answers, and what the log says of them.
    others: &'static [(&'static str, &'static str)],
}

const fn row(plugin: &'static str, method: &'static str, port: u16, path: &'static str) -> Row {
    Row { plugin, method, port, path, header: None, granted: "200 OK", others: &[] }
}

const QUITQUITQUIT: &[(&str, &str)] = &[("404 Not Found", "--quitquitquit"), ("405 Method Not Allowed", "POST")];

const LIFECYCLE_OFF: &[(&str, &str)] = &[("405 Method Not Allowed", "does not take POST")];

const QUIT: &[Row] = &[
    Row { others: &[("403 Forbidden", "network namespace")], ..row("istio-quit", "POST", 15020, "/quitquitquit") },
    Row {
        others: &[
            ("405 Method Not Allowed", "does not take POST"),
            ("426 Upgrade Required", "HOOK_ENVOY_QUIT_URL sets port and path"),
        ],
        ..row("envoy-quit", "POST", 9901, "/quitquitquit")
    },
    row("istio-envoy-quit", "POST", 15000, "/quitquitquit"),
    row("kuma-quit", "POST", 9901, "/quitquitquit"),
    Row {
        others: &[
            ("404 Not Found", "config.linkerd.io/proxy-admin-shutdown: enabled"),
            ("404 Not Found", "proxy.enableShutdownEndpoint=true"),
            ("403 Forbidden", "network namespace"),
            ("405 Method Not Allowed", "HOOK_LINKERD_QUIT_URL"),
        ],
        ..row("linkerd-quit", "POST", 4191, "/shutdown")
    },
    Row {
        granted: "204 No Content",
        header: Some(("dapr-api-token", "s3cret")),
        others: &[("401 Unauthorized", "it does not take the token of HOOK_DAPR_API_TOKEN")],
        ..row("dapr-quit", "POST", 3500, "/v1.0/shutdown")
    },
    row("consul-quit", "POST", 20600, "/graceful_shutdown"),
    row("caddy-quit", "POST", 2019, "/stop"),
    Row { others: LIFECYCLE_OFF, ..row("prometheus-quit", "POST", 9090, "/-/quit") },
    Row { others: LIFECYCLE_OFF, ..row("pushgateway-quit", "POST", 9091, "/-/quit") },
    Row {
        others: &[
            ("404 Not Found", "management.endpoint.shutdown.access=unrestricted"),
            ("404 Not Found", "management.endpoints.web.exposure.include=health,shutdown"),
        ],
        ..row("spring-quit", "POST", 8080, "/actuator/shutdown")
    },
    Row {
        others: &[("401 Unauthorized", "HOOK_WIREMOCK_QUIT_HEADERS")],
        ..row("wiremock-quit", "POST", 8080, "/__admin/shutdown")
    },
    Row {
        header: Some(("x-vault-request", "true")),
        others: &[("404 Not Found", "proxy_api { enable_quit = true }")],
        ..row("vault-proxy-quit", "POST", 8200, "/proxy/v1/quit")
    },
    Row { others: QUITQUITQUIT, ..row("cloudsql-quit", "POST", 9091, "/quitquitquit") },
    Row { others: QUITQUITQUIT, ..row("alloydb-quit", "POST", 9091, "/quitquitquit") },
    Row {
        header: Some(("x-vault-request", "true")),
        others: &[
            ("404 Not Found", "vault.hashicorp.com/agent-enable-quit"),
            ("404 Not Found", "enable_quit = true"),
            ("412 Precondition Failed", "X-Vault-Request"),
        ],
        ..row("vault-quit", "POST", 8200, "/agent/v1/quit")
    },
];

const WAIT: &[Row] = &[
    row("istio-wait", "GET", 15021, "/healthz/ready"),
    row("envoy-wait", "GET", 9901, "/ready"),
    row("istio-envoy-wait", "GET", 15000, "/ready"),
    row("kuma-wait", "GET", 9901, "/ready"),
    row("linkerd-wait", "GET", 4191, "/ready"),
    Row { granted: "204 No Content", ..row("dapr-wait", "GET", 3500, "/v1.0/healthz/outbound") },
    row("consul-wait", "GET", 19000, "/ready"),
    row("caddy-wait", "GET", 2019, "/config/"),
    row("prometheus-wait", "GET", 9090, "/-/ready"),
    row("pushgateway-wait", "GET", 9091, "/-/ready"),
    Row {
        others: &[("404 Not Found", "management.endpoint.health.probes.enabled=true")],
        ..row("spring-wait", "GET", 8080, "/actuator/health/readiness")
    },
    row("wiremock-wait", "GET", 8080, "/__admin/health"),
    Row { others: &[("404 Not Found", "--health-check")], ..row("cloudsql-wait", "GET", 9090, "/startup") },
    Row { others: &[("404 Not Found", "--health-check")], ..row("alloydb-wait", "GET", 9090, "/startup") },
];

/// A job with one plugin, and the secret that one of them needs.
fn job(plugin: &str, job: &[&str]) -> Run {
    run([&["--plugin", plugin], job].concat()).env("HOOK_DAPR_API_TOKEN", "s3cret")
}

fn is_asked(row: &Row, requests: &[Request]) {
    assert!(!requests.is_empty(), "{}", row.plugin);
    for request in requests {
        assert_eq!((request.method.as_str(), request.path.as_str()), (row.method, row.path), "{}", row.plugin);
        assert_eq!(request.header("host"), [format!("localhost:{}", row.port)], "{}", row.plugin);
        if let Some((name, value)) = row.header {
            assert_eq!(request.header(name), [value], "{}", row.plugin);
        }
    }
}

#[test]
fn each_is_asked_to_quit_in_its_own_way() {
    for row in QUIT {
        own_network();
        let server = Server::start(row.port, Answer::status(row.granted, ""));
        let outcome = job(row.plugin, &["sh", "-c", "exit 3"]).outcome();
        let status = row.granted.split(' ').next().unwrap();
        let port = row.port;
        outcome.exits(3).says(&format!("{}: localhost:{port} answered {status}: the sidecar quits", row.plugin));
        outcome.never_says("warning").never_says("before-start").never_says("s3cret");
        let requests = server.requests();
        assert_eq!(requests.len(), 1, "{}", row.plugin);
        is_asked(row, &requests);
    }
}

#[test]
fn each_refusal_to_quit_names_the_setting_that_mends_it() {
    for row in QUIT {
        for (status, hint) in row.others {
            own_network();
            let server = Server::start(row.port, Answer::status(status, "no"));
            let outcome = job(row.plugin, &["sh", "-c", "exit 3"]).outcome();
            outcome.exits(3).says(&format!("{}: warning: failed in ", row.plugin)).says(hint).never_says("s3cret");
            assert_eq!(server.requests().len(), 1, "{}", row.plugin);
        }
    }
}

#[test]
fn one_that_is_not_there_and_one_that_closes_and_is_gone_are_success() {
    own_network();
    let rows: Vec<_> = QUIT.iter().flat_map(|row| ["--plugin", row.plugin]).collect();
    let absent = run(rows.iter().chain(&["true"])).env("HOOK_QUIT_RETRY", "0s").outcome();
    absent.exits(0).never_says("warning");
    for row in QUIT {
        absent.says(&format!("{}: nothing listens on localhost:{}: no sidecar to quit", row.plugin, row.port));
    }
    for row in QUIT {
        own_network();
        let server = TcpListener::bind(("127.0.0.1", row.port)).unwrap();
        let dying = thread::spawn(move || drop(server.accept().unwrap()));
        job(row.plugin, &["true"]).outcome().exits(0).says("and no longer listens: the sidecar quits");
        dying.join().unwrap();
    }
}

#[test]
fn the_job_starts_when_the_sidecar_is_ready_and_not_before() {
    for row in WAIT {
        own_network();
        let late = thread::spawn(|| {
            thread::sleep(Duration::from_millis(300));
            let not_yet = Answer::status("503 Service Unavailable", "");
            let answers = vec![not_yet.clone(), Answer::Close, not_yet, Answer::status(row.granted, "")];
            Server::start_series(row.port, answers)
        });
        let outcome = job(row.plugin, &["sh", "-c", "echo started; exit 3"]).outcome();
        outcome.exits(3).never_says("warning").never_says("after-exit").never_says("s3cret");
        let place = format!("localhost:{}", row.port);
        outcome.says(": waiting for ").says(&format!(" on {place}, at most 60 s"));
        outcome.says(&format!("{place} is not ready: nothing listens there"));
        outcome.says("answered 503").says(": the connection was closed");
        let status = row.granted.split(' ').next().unwrap();
        let ready = format!("{}: {place} answered {status}: ", row.plugin);
        let (before, after) = outcome.stderr.split_once(&ready).unwrap_or_else(|| panic!("{outcome:#?}"));
        assert!(!before.contains("started sh") && after.contains("started sh"), "{outcome:#?}");
        let requests = late.join().unwrap().requests();
        assert_eq!(requests.len(), 4, "{}", row.plugin);
        is_asked(row, &requests);
    }
}

#[test]
fn one_that_never_is_ready_keeps_the_job_from_starting_and_says_why() {
    for row in WAIT {
        for (status, hint) in row.others.iter().chain(&[("500 Internal Server Error", "")]) {
            own_network();
            let _server = Server::start(row.port, Answer::status(status, ""));
            let outcome = job(row.plugin, &["echo", "started"]).env("WRAPPER_START_TIMEOUT", "500ms").outcome();
            assert_eq!(outcome.exits(125).stdout, "");
            let status = status.split(' ').next().unwrap();
            let line = outcome.stderr.lines().find(|line| line.starts_with("wrapper: error: ")).unwrap();
            for part in ["echo was not started", row.plugin, " failed after ", "answered", status, hint] {
                assert!(line.contains(part), "{part} is not in {line}");
            }
            // Time mends no 404.
            assert_eq!(line.contains("--start-timeout"), status == "500", "{line}");
            outcome.within(Duration::from_millis(700));
        }
    }
}

#[test]
fn a_sidecar_that_does_not_answer_in_time_is_asked_again() {
    own_network();
    let server = Server::start_series(15021, vec![Answer::Silence, Answer::ok()]);
    let outcome = job("istio-wait", &["true"]).outcome();
    outcome.exits(0).says("is not ready: no answer in time").says("Istio is ready");
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn the_head_of_an_answer_decides_whatever_becomes_of_its_body() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc";
    for answer in [
        Answer::Bytes(head.into()),
        Answer::Endless(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'x'; 1 << 16]),
        Answer::Endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(), b"no chunk\r\n".to_vec()),
    ] {
        own_network();
        let servers = [15020, 15021].map(|port| Server::start(port, answer.clone()));
        let plugins = ["--plugin", "istio-wait", "--plugin", "istio-quit", "--on-hook-failure", "fail", "true"];
        let outcome = run(plugins).outcome();
        outcome.exits(0).says("Istio is ready").says("answered 200: the sidecar quits").never_says("warning");
        outcome.within(Duration::from_secs(1));
        assert!(servers.iter().all(|server| server.requests().len() == 1), "{answer:?}");
    }
}

#[test]
fn several_sidecars_in_one_run() {
    own_network();
    let (istio, sql) = (Server::start(15021, Answer::ok()), Server::start(9090, Answer::ok()));
    let (quit, sql_quit) = (Server::start(15020, Answer::ok()), Server::start(9091, Answer::ok()));
    let plugins =
        ["istio-wait", "cloudsql-wait", "cloudsql-quit", "istio-quit"].map(|name| ["--plugin", name]).concat();
    let outcome = run(plugins.iter().chain(&["sh", "-c", "exit 3"])).outcome();
    outcome.exits(3).never_says("warning");
    for server in [&istio, &sql, &quit, &sql_quit] {
        assert_eq!(server.requests().len(), 1, "{outcome:#?}");
    }
}

#[test]
fn port_path_method_headers_and_statuses_can_be_others() {
    own_network();
    let server = Server::start(7000, Answer::status("302 Found", ""));
    let change = |run: Run, prefix: &str| {
        run.env(&format!("{prefix}_URL"), "http://127.0.0.1:7000/elsewhere?a=b")
            .env(&format!("{prefix}_METHOD"), "PUT")
            .env(&format!("{prefix}_HEADERS"), "X-One: 1\nX-Two: 2: two\n")
            .env(&format!("{prefix}_STATUS"), "200,300-399")
    };
    for (plugin, prefix) in [("linkerd-quit", "HOOK_LINKERD_QUIT"), ("istio-envoy-wait", "HOOK_ISTIO_ENVOY_WAIT")] {
        change(job(plugin, &["true"]), prefix).outcome().exits(0).says("127.0.0.1:7000 answered 302");
        let requests = server.requests();
        assert_eq!(requests.len(), 1, "{plugin}");
        assert_eq!((requests[0].method.as_str(), requests[0].path.as_str()), ("PUT", "/elsewhere?a=b"));
        assert_eq!((requests[0].header("x-one"), requests[0].header("x-two")), (vec!["1"], vec!["2: two"]));
    }
    // What is wrong is said, and the sidecar is asked all the same.
    let server = Server::start(4191, Answer::ok());
    for (key, value, why) in [
        ("RETRY", "5", "'5' is not a duration; write it as 3s or 500ms"),
        ("WAIT", "soon", "'soon' is not a duration; write it as 3s or 500ms"),
        ("METHOD", "post it", "'post it' is not a method; write it as POST"),
        ("HEADERS", "s3cret", "a line of it is not a header field; write each as 'Name: value'"),
        ("STATUS", "ok", "'ok' is not a list of statuses; write it as 200-299,304"),
    ] {
        let name = format!("HOOK_LINKERD_QUIT_{key}");
        let outcome = job("linkerd-quit", &["true"]).env(&name, value).outcome();
        outcome.exits(0).says(&format!("linkerd-quit: warning: {name}: {why}; the default is used"));
        outcome.says("answered 200: the sidecar quits").never_says("s3cret").never_says("failed");
        assert_eq!(server.requests().len(), 1, "{name}");
    }
    let outcome = job("linkerd-quit", &["true"]).env("HOOK_LINKERD_QUIT_PORT", "4192").outcome();
    outcome.exits(0).says("HOOK_LINKERD_QUIT_PORT is not known; after HOOK_LINKERD_QUIT_ there are URL, METHOD");
    assert_eq!(server.requests().len(), 1);
    let outcome = job("linkerd-quit", &["true"]).env("HOOK_QUIT_WIAT", "1s").outcome();
    outcome.exits(0).says("HOOK_QUIT_WIAT is not known; after HOOK_QUIT_ there are RETRY, WAIT");
    assert_eq!(server.requests().len(), 1);
    let outcome = job("linkerd-quit", &["true"]).env("HOOK_QUIT_URL", "http://localhost:1/").outcome();
    outcome.exits(0).says("HOOK_QUIT_URL is not known; after HOOK_QUIT_ there are RETRY, WAIT");
    assert_eq!(server.requests().len(), 1);
    // Only where to ask cannot be guessed.
    let outcome = job("linkerd-quit", &["true"]).env("HOOK_LINKERD_QUIT_URL", "https://localhost").outcome();
    outcome.exits(0).says("linkerd-quit: warning: failed in ");
    outcome.says("HOOK_LINKERD_QUIT_URL: 'https://localhost' is https, and a hook speaks plain HTTP; write it as ");
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn http_wait_and_http_quit_are_for_any_server() {
    own_network();
    let (one, two) = (Server::start(7000, Answer::ok()), Server::start(7001, Answer::status("404 Not Found", "")));
    let plugins = ["--plugin", "http-wait", "--plugin", "http-quit", "true"];
    let outcome = run(plugins)
        .env("HOOK_HTTP_WAIT_URL", "http://localhost:7000/ready")
        .env("HOOK_HTTP_QUIT_URL", "http://localhost:7001/stop,http://10.0.0.1/,http://localhost:7000/stop")
        .env("HOOK_HTTP_QUIT_HEADERS", "Authorization: Bearer s3cret")
        .outcome();
    // One that refuses, or is no URL on this host, does not keep the other from being asked.
    outcome.exits(0).says("http-quit: localhost:7000 answered 200: the sidecar quits").never_says("s3cret");
    outcome.says("http-quit: warning: failed in ").says("http://localhost:7001/stop answered 404");
    outcome.says("HOOK_HTTP_QUIT_URL: 'http://10.0.0.1/' is not on this host");
    let asked: Vec<_> = one.requests().iter().map(|request| format!("{} {}", request.method, request.path)).collect();
    assert_eq!(asked, ["GET /ready", "POST /stop"]);
    let two = two.requests();
    assert_eq!((two.len(), two[0].header("authorization")), (1, vec!["Bearer s3cret"]));

    let missing = run(["--plugin", "http-quit", "true"]).outcome();
    missing.exits(0).says("HOOK_HTTP_QUIT_URL is not set; it says what to ask");
    run(["--plugin", "http-wait", "true"]).outcome().exits(125).says("HOOK_HTTP_WAIT_URL is not set");
    let status = run(["--plugin", "http-quit", "true"])
        .env("HOOK_HTTP_QUIT_URL", "http://localhost:7001/")
        .env("HOOK_HTTP_QUIT_STATUS", "404")
        .outcome();
    status.exits(0).says("answered 404: the sidecar quits");
}

#[test]
fn a_quit_can_wait_until_the_sidecar_is_gone() {
    own_network();
    let stays = Server::start(15020, Answer::ok());
    let outcome = run(["--on-hook-failure", "fail", "true"]).env("HOOK_QUIT_WAIT", "500ms").outcome();
    outcome.exits(125).says("istio-quit: warning: failed in ").says("localhost:15020 still listens ");
    outcome.within(Duration::from_secs(2));
    let requests = stays.requests();
    assert!(requests.len() <= 13 && requests[1..].iter().all(|request| request.method == "GET" && request.path == "/"));

    own_network();
    let server = TcpListener::bind("127.0.0.1:15020").unwrap();
    let leaving = thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut stream, _) = server.accept().unwrap();
        let _count = stream.read(&mut [0; 4096]).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
        drop(stream);
        thread::sleep(Duration::from_millis(400));
    });
    let outcome = run(["true"]).env("HOOK_ISTIO_QUIT_WAIT", "5s").outcome();
    outcome
        .exits(0)
        .says("localhost:15020 answered 200: the sidecar quits")
        .says("localhost:15020 no longer listens after ");
    assert!(outcome.took > Duration::from_millis(400) && outcome.took < Duration::from_secs(2), "{outcome:#?}");
    leaving.join().unwrap();
}

#[test]
fn as_files_they_are_what_they_are_called() {
    own_network();
    let (quit, wait) = (Server::start(4191, Answer::ok()), Server::start(15021, Answer::ok()));
    let file = |name: &str| dist(&format!("plugins/{name}.wasm")).to_str().unwrap().to_owned();
    let plugins = ["--plugin", &file("linkerd-quit"), "--plugin", &file("istio-wait"), "true"];
    let outcome = run(plugins).outcome();
    outcome.exits(0).says("istio-wait: localhost:15021 answered 200: Istio is ready").says("the sidecar quits");
    assert_eq!((quit.requests().len(), wait.requests().len()), (1, 1));
    assert_eq!(outcome.stderr.matches(": done in ").count(), 2, "{outcome:#?}");

    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("mine.wasm");
    std::fs::copy(file("linkerd-quit"), &other).unwrap();
    let outcome: Outcome = run(["--plugin", other.to_str().unwrap(), "true"]).outcome();
    outcome.exits(0).says("this plugin is what its file is called, and 'mine' is none of ").says("rename the file");
}
