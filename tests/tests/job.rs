//! The job comes first: its exit code, signals and streams are as if the wrapper were not there.

use std::{
    io::{BufRead, BufReader, Read},
    os::unix::fs::PermissionsExt as _,
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
fn a_file_that_is_no_program_of_this_machine_is_told_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let job = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        // By its path, and by its name alone.
        let by_path = run(["--plugin", "none", path.to_str().unwrap(), "3"]).outcome();
        let by_name = run(["--plugin", "none", name, "3"]).env("PATH", folder.path()).outcome();
        assert_eq!(by_path.code, by_name.code, "{by_path:#?} {by_name:#?}");
        by_path
    };
    // Another CPU's program, as its header says (elf(5)).
    let mut elf = std::fs::read("/bin/true").unwrap();
    let other = if cfg!(target_arch = "x86_64") { (183, "arm64") } else { (62, "amd64") };
    elf[18..20].copy_from_slice(&u16::to_le_bytes(other.0));
    job("other", &elf).exits(126).says(&format!("other: Exec format error: it is a program for {}", other.1));
    for (name, bytes) in [("zeros", &[0; 100][..]), ("wasm", b"\0asm\x01\0\0\0"), ("archive", b"PK\x03\x04\x0a\0\0\0")]
    {
        job(name, bytes).exits(126).says("Exec format error");
    }
    // Text is for a shell, as a shell has it.
    job("text", b"exit $1").exits(3);
    job("empty", b"").exits(0);
    job("script", b"#!/bin/sh\nexit $1").exits(3);
    // What is not there is named.
    job("interpreter", b"#!/no/such/interpreter -x\n")
        .exits(127)
        .says("its interpreter /no/such/interpreter was not found");
    job("windows", b"#!/bin/sh\r\nexit 3\r\n").exits(127).says("its interpreter /bin/sh\\r was not found");
    let loader = elf.windows(7).position(|text| text == b"/lib64/" || text == b"/lib/ld").unwrap();
    let mut without = std::fs::read("/bin/true").unwrap();
    without[loader + 1] = b'x';
    job("loader", &without).exits(127).says("its loader /xib");
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
fn what_a_manifest_has_around_a_setting_is_no_part_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report");
    for end in ["\n", "\r\n", " ", "\t\n"] {
        let outcome = run(["sh", "-c", "exit 143"])
            .env("WRAPPER_PLUGIN_PATH", format!(" echo{end}"))
            .env("WRAPPER_LOG", format!("debug{end}"))
            .env("WRAPPER_LOG_FORMAT", format!("json{end}"))
            .env("WRAPPER_HOOK_TIMEOUT", format!("5s{end}"))
            .env("WRAPPER_GROUP", format!("true{end}"))
            .env("WRAPPER_MAP_EXIT", format!("143=0,{end}1=0{end}"))
            .env("WRAPPER_REPORT", format!("{}{end}", report.display()))
            .outcome();
        outcome.exits(0).says("\"plugin\":\"echo\"");
        std::fs::remove_file(&report).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{end:?}");
        // And where it is a refusal's form.
        let outcome = run(["--no-such-option"]).env("WRAPPER_LOG_FORMAT", format!("json{end}")).outcome();
        serde_json::from_str::<serde_json::Value>(&outcome.exits(125).stderr).unwrap();
    }
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
