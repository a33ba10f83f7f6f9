//! The job comes first: its exit code, signals and streams are as if the wrapper were not there.

use std::{
    io::{BufRead, BufReader, Read},
    process::Child,
};
use wrapper_tests::{HOSTILE, dist, own_network, run};

/// The signals that the contract names, and that a job may catch.
const FORWARDED: [(i32, &str); 7] = [
    (libc::SIGTERM, "TERM"),
    (libc::SIGINT, "INT"),
    (libc::SIGHUP, "HUP"),
    (libc::SIGQUIT, "QUIT"),
    (libc::SIGUSR1, "USR1"),
    (libc::SIGUSR2, "USR2"),
    (libc::SIGWINCH, "WINCH"),
];

fn send(child: &Child, signal: i32) {
    // SAFETY: no pointers; the child is not waited for yet, so its id is its own.
    assert_eq!(unsafe { libc::kill(child.id() as libc::pid_t, signal) }, 0);
}

#[test]
fn the_exit_code_is_the_jobs() {
    for code in [0, 1, 2, 3, 7, 64, 125, 126, 127, 128, 130, 143, 255] {
        run(["--plugin", "none", "sh", "-c", &format!("exit {code}")]).outcome().exits(code);
    }
}

#[test]
fn a_job_killed_by_a_signal_gives_128_and_the_signal() {
    for (signal, name) in [(9, "SIGKILL"), (15, "SIGTERM"), (6, "SIGABRT"), (11, "SIGSEGV"), (2, "SIGINT")] {
        run(["--plugin", "none", "sh", "-c", &format!("kill -{signal} $$")])
            .outcome()
            .exits(128 + signal)
            .says(&format!("sh was killed by {name}"));
    }
}

#[test]
fn a_command_that_is_not_there_gives_127_and_one_that_cannot_be_executed_126() {
    run(["--plugin", "none", "/no/such/program"])
        .outcome()
        .exits(127)
        .says("program was not started: /no/such/program: No such file or directory");
    run(["--plugin", "none", "no-such-program-in-path"]).outcome().exits(127);
    run(["--plugin", "none", "/etc/passwd"]).outcome().exits(126).says("Permission denied");
    run(["--plugin", "none", "/etc"]).outcome().exits(126);
}

#[test]
fn a_bad_option_gives_125_and_one_sentence() {
    run(["--plugin", "nonsense", "true"]).outcome().exits(125).says("'nonsense' is neither a built-in plugin");
    run(["--no-such-option", "true"]).outcome().exits(125).says("--no-such-option");
    run([""; 0]).outcome().exits(125).says("<COMMAND>");
    run(["--hook-timeout", "soon", "true"]).outcome().exits(125).says("'soon' is not a duration");
    run(["true"])
        .env("WRAPPER_HOOK_TIMEOUT", "soon")
        .outcome()
        .exits(125)
        .says("wrapper: error: WRAPPER_HOOK_TIMEOUT: 'soon' is not a duration; write it as 20s or 1m30s");
}

#[test]
fn a_refusal_is_one_line_whatever_was_written() {
    for arguments in [
        &["--plugin", "a\nb\u{1b}[31m", "true"][..],
        &["--hook-timeout", "\u{1b}[31m\n", "true"],
        &["--no-such-option"],
        &[],
    ] {
        let outcome = run(arguments).outcome();
        assert_eq!(outcome.exits(125).stderr.lines().count(), 1, "{outcome:#?}");
        outcome.says("wrapper: error: ").never_says("\u{1b}");
    }
    let outcome = run(["--no-such-option", "true"]).env("WRAPPER_LOG_FORMAT", "json").outcome();
    let line: serde_json::Value = serde_json::from_str(&outcome.exits(125).stderr).unwrap();
    assert!(line["message"].as_str().unwrap().contains("unexpected argument '--no-such-option'"), "{line}");
}

#[test]
fn the_commands_own_options_are_the_commands() {
    let outcome = run(["--plugin", "none", "echo", "--plugin", "-l", "--", "--help"]).outcome();
    assert_eq!(outcome.exits(0).stdout, "--plugin -l -- --help\n");
}

#[test]
fn help_and_version_go_to_stdout() {
    let outcome = run(["--help"]).outcome();
    assert!(outcome.exits(0).stdout.contains("Usage: wrapper [OPTIONS] [--] COMMAND [ARG]..."));
    assert!(run(["--version"]).outcome().exits(0).stdout.starts_with("wrapper 0."));
}

#[test]
fn the_streams_are_the_jobs() {
    let input: Vec<u8> = (0..1_000_000_u32).flat_map(|n| format!("{n}\n").into_bytes()).collect();
    let outcome = run(["--plugin", "echo", "cat"]).input(input.clone()).outcome();
    assert_eq!(outcome.exits(0).stdout.len(), input.len());
    assert!(outcome.stdout.as_bytes() == input, "the bytes are others");

    let outcome = run(["--plugin", "none", "sh", "-c", "echo out; echo err >&2"]).env("WRAPPER_LOG", "error").outcome();
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("out\n", "err\n"));
}

#[test]
fn the_environment_is_the_jobs() {
    let outcome = run(["--plugin", "none", "env"]).env("HOOK_TOKEN", "t").env("WRAPPER_LOG", "warn").outcome();
    assert!(outcome.exits(0).stdout.contains("HOOK_TOKEN=t\n"));
    assert!(outcome.stdout.contains("WRAPPER_LOG=warn\n"));
}

#[test]
fn signals_are_passed_on() {
    for (signal, name) in FORWARDED {
        let script = format!("trap 'echo got {name}; exit 9' {name}; echo ready; while :; do sleep 0.02; done");
        let mut child = run(["--plugin", "none", "sh", "-c", &script]).start();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        send(&child, signal);
        stdout.read_to_string(&mut line).unwrap();
        assert_eq!(line, format!("ready\ngot {name}\n"));
        assert_eq!(child.wait().unwrap().code(), Some(9), "{name}");
    }
}

#[test]
fn a_signal_that_the_job_does_not_catch_ends_it() {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGUSR1] {
        let mut child = run(["--plugin", "none", "sh", "-c", "echo ready; exec sleep 60"]).start();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        send(&child, signal);
        assert_eq!(child.wait().unwrap().code(), Some(128 + signal));
    }
}

#[test]
fn a_before_start_hook_decides_whether_the_job_starts() {
    let gate = |instruction: &str| run(["--plugin", HOSTILE, "echo", "started"]).env("HOOK_BEFORE", instruction);
    let outcome = gate("").outcome();
    assert_eq!(outcome.exits(0).stdout, "started\n");
    outcome
        .says("hostile: before: pid None, elapsed 0ns, status None")
        .says("hostile: after: echo exited 0, started true");

    let outcome = gate("fail not today").outcome();
    assert_eq!(outcome.exits(125).stdout, "");
    outcome
        .says("wrapper: error: echo was not started: before-start hook hostile failed after ")
        .says("hostile: after: echo was not started: before-start hook hostile failed after ")
        .says(": not today, started false");
}

#[test]
fn the_original_contract_holds() {
    own_network();
    let plugin = dist("plugins/istio-quit.wasm");
    let server = wrapper_tests::Server::start(15020, wrapper_tests::Answer::ok());
    let plain = std::process::Command::new("ls").args(["-l", "/etc"]).output().unwrap();
    let outcome = run(["ls", "-l", "/etc"]).env("WRAPPER_PLUGIN_PATH", &plugin).outcome();
    assert_eq!(outcome.exits(0).stdout, String::from_utf8_lossy(&plain.stdout));
    assert_eq!(server.requests().len(), 1);
}
