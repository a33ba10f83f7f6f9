//! What docs/kubernetes.md says of log lines and of time is so.

use std::{
    env::consts::ARCH,
    fs,
    path::Path,
    time::{Duration, Instant},
};
use wrapper_tests::{Answer, Outcome, Run, Running, Server, dist, own_network, run, run_program};

fn page() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/kubernetes.md")).unwrap()
}

/// `true` under the wrapper with these options, where no hook waits for a sidecar that is yet to come.
fn wrapped(options: &[&str]) -> Run {
    run([options, &["true"]].concat()).env("HOOK_QUIT_RETRY", "0s")
}

/// `true` with machine code of this CPU as its plugin, in a place that is mounted noexec.
fn noexec() -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let plugin = folder.path().join("echo.cwasm").to_str().unwrap().to_owned();
    let echo = dist("plugins/echo.wasm");
    let compile = ["compile", echo.to_str().unwrap(), "-o", &plugin, "--target", ARCH];
    run_program(dist("wrapper-plugin"), compile).outcome().exits(0);
    wrapped(&["--plugin", &plugin]).with_noexec(folder.path()).outcome()
}

#[test]
fn each_line_of_the_table_is_one_that_the_wrapper_writes() {
    own_network();
    let echo = dist("plugins/echo.wasm");
    let echo = echo.to_str().unwrap();
    let pinned = format!("{echo},sha256={}", "0".repeat(64));
    let _sidecar = Server::start(3500, Answer::ok());
    let _crashing = Server::start(9901, Answer::Close);
    let _linkerd = Server::start(4191, Answer::status("404 Not Found", ""));
    let lines = [
        (
            "no sidecar to quit, as HOOK_ISTIO_SIDECAR is empty",
            0,
            run(["true"]).env("HOOK_ISTIO_SIDECAR", "").outcome(),
        ),
        ("nothing listens on localhost:15020: no sidecar to quit", 0, wrapped(&[]).outcome()),
        (
            "no sidecar to quit, or one that starts later and keeps the pod running",
            0,
            run(["true"]).env("HOOK_QUIT_RETRY", "1s").outcome(),
        ),
        (
            "but HOOK_ISTIO_SIDECAR says that there is one",
            0,
            run(["--hook-timeout", "1s", "true"]).env("HOOK_ISTIO_SIDECAR", "true").outcome(),
        ),
        ("the sidecar quits", 0, wrapped(&["--plugin", "dapr-quit"]).outcome()),
        (
            "closed the connection without an answer and still listens",
            0,
            wrapped(&["--plugin", "envoy-quit"]).outcome(),
        ),
        (
            "is not ready: nothing listens there",
            125,
            wrapped(&["--plugin", "istio-wait", "--start-timeout", "2s"]).outcome(),
        ),
        ("answered 404", 0, wrapped(&["--plugin", "linkerd-quit"]).outcome()),
        ("the plugin may reach only port 1", 0, wrapped(&["--plugin", "istio-quit,port=1"]).outcome()),
        ("is not a duration", 125, wrapped(&[]).env("WRAPPER_GRACE", "30").outcome()),
        (
            "was not started: /absent: No such file or directory",
            127,
            run(["/absent"]).env("HOOK_QUIT_RETRY", "0s").outcome(),
        ),
        (
            "was not started: /etc/passwd: Permission denied",
            126,
            run(["/etc/passwd"]).env("HOOK_QUIT_RETRY", "0s").outcome(),
        ),
        ("cannot be read: No such file or directory", 125, wrapped(&["--plugin", "/absent.wasm"]).outcome()),
        ("has the SHA-256 digest", 125, wrapped(&["--plugin", &pinned]).outcome()),
        ("this wrapper is the slim one", 125, run_program(dist("wrapper-slim"), ["--plugin", echo, "true"]).outcome()),
        ("is machine code in a place that is mounted noexec", 125, noexec()),
        (
            "is not a variable of the wrapper; is WRAPPER_PLUGIN_PATH meant?",
            0,
            wrapped(&[]).env("WRAPPER_PLUGIN", "x").outcome(),
        ),
        (
            "the job left processes behind, which the wrapper cannot reap",
            0,
            run(["--plugin", "none", "sh", "-c", "sleep 5 >/dev/null 2>&1 & exit 0"]).outcome(),
        ),
        ("the report cannot be written", 0, wrapped(&["--report", "/absent/report"]).outcome()),
        ("cannot be installed", 125, run(["--install", "/absent/wrapper"]).outcome()),
    ];
    for (line, code, outcome) in &lines {
        outcome.exits(*code).says(line);
    }

    let page = page();
    let table = page.split_once("| line | means | do |").unwrap().1;
    let rows = table.lines().skip(2).take_while(|row| row.starts_with('|'));
    // The first is about lines that are not there.
    let described: Vec<_> = rows.skip(1).map(|row| row.split('`').nth(1).unwrap()).collect();
    assert_eq!(described, lines.map(|(line, ..)| line));
}

#[test]
fn grace_and_hook_timeout_add_up_and_no_more() {
    own_network();
    let _silent = Server::start(15020, Answer::Silence);
    let stubborn = "trap '' TERM; echo ready; while :; do sleep 0.05; done";
    let options = ["--grace", "1s", "--hook-timeout", "1s", "--plugin", "istio-quit", "sh", "-c", stubborn];
    let (running, _) = Running::start(run(options));
    let told = Instant::now();
    running.send(libc::SIGTERM);
    let (code, stderr) = running.end();
    let took = told.elapsed();
    assert_eq!(code, Some(137), "{stderr}");
    assert!(took > Duration::from_millis(1_800) && took < Duration::from_secs(5), "{took:?}");
}
