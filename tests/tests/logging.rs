//! One line for each thing that happened, on stderr only.

use std::{
    io::Read as _,
    os::fd::AsRawFd as _,
    process::Stdio,
    time::{Duration, Instant},
};
use wrapper_tests::{Answer, HOSTILE, Server, own_network, run};

#[test]
fn a_run_is_four_lines() {
    own_network();
    let _server = Server::start(15020, Answer::ok());
    let outcome = run(["true"]).outcome();
    let lines: Vec<_> = outcome.exits(0).stderr.lines().collect();
    assert_eq!(lines.len(), 4, "{outcome:#?}");
    assert!(lines[0].starts_with("wrapper: started true (pid "), "{lines:?}");
    assert!(lines[1].starts_with("wrapper: true exited 0 after ") && lines[1].ends_with(" ms"), "{lines:?}");
    assert_eq!(lines[2], "istio-quit: localhost:15020 answered 200: the sidecar quits");
    assert!(lines[3].starts_with("istio-quit: done in ") && lines[3].ends_with(" ms"), "{lines:?}");
}

#[test]
fn json_says_the_same_as_objects() {
    own_network();
    let _server = Server::start(15020, Answer::ok());
    let outcome = run(["--log-format", "json", "true"]).outcome();
    let lines: Vec<serde_json::Value> =
        outcome.exits(0).stderr.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert_eq!(lines.len(), 4, "{outcome:#?}");
    for line in &lines {
        assert_eq!(line["level"], "INFO");
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
    }
    assert!(lines[0]["message"].as_str().unwrap().starts_with("started true (pid "));
    assert_eq!(lines[0].get("plugin"), None);
    assert_eq!(lines[2]["plugin"], "istio-quit");
    assert_eq!(lines[2]["message"], "localhost:15020 answered 200: the sidecar quits");
}

#[test]
fn levels_leave_out_what_is_less() {
    own_network();
    let _server = Server::start(15020, Answer::ok());
    for level in ["error", "warn"] {
        assert_eq!(run(["--log-level", level, "true"]).outcome().exits(0).stderr, "");
    }
    run(["--log-level", "debug", "true"])
        .outcome()
        .exits(0)
        .says("istio-quit: POST http://localhost:15020/quitquitquit: 200 OK in ");
    run(["true"]).env("WRAPPER_LOG", "warn").env("WRAPPER_LOG_FORMAT", "json").outcome().exits(0).never_says("started");
}

#[test]
fn no_name_looks_like_the_wrappers_own() {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "wrapper\u{fe0f}",
        "wrapper\u{34f}",
        "wrapper\u{180e}",
        "wrapper\u{3164}",
        "wrapper\u{a0}",
        "wrapper\u{ff1a}",
        "wr\u{430}pper",
        "wrapper\u{2236}",
        "wrapper\u{7f}",
        "wrapper\u{e0041}",
        "wrapper",
    ] {
        let plugin = folder.path().join(name).with_extension("cwasm");
        std::fs::write(&plugin, "").unwrap();
        let outcome = run(["--plugin", plugin.to_str().unwrap(), "true"]).outcome();
        for line in outcome.exits(125).stderr.lines().filter(|line| !line.starts_with("wrapper: ")) {
            assert!(line.is_ascii() && !line.starts_with("wrapper:"), "{line}");
        }
        let plugin = folder.path().join(name).with_extension("wasm");
        std::fs::copy(HOSTILE, &plugin).unwrap();
        let outcome = run(["--plugin", plugin.to_str().unwrap(), "true"]).env("HOOK_AFTER", "log said").outcome();
        let said = outcome.exits(0).stderr.lines().find(|line| line.ends_with("said")).unwrap();
        let own = said.split_once(": ").unwrap().0;
        assert!(own != "wrapper" && own.bytes().all(|byte| byte.is_ascii_graphic()), "{said:?}");
    }
}

#[test]
fn whatever_is_named_a_line_stays_one_line() {
    let odd = "/no/such\n\u{1b}[31m\u{202e}place";
    let own_lines = |outcome: &wrapper_tests::Outcome| {
        assert!(!outcome.stderr.contains(['\u{1b}', '\u{202e}']), "{outcome:#?}");
        assert!(outcome.stderr.lines().all(|line| line.starts_with("wrapper: ")), "{outcome:#?}");
    };
    own_lines(run(["--plugin", "none", "--report", odd, "true"]).outcome().exits(0));
    own_lines(run(["--plugin", "none", "--cache", odd, "--log-level", "debug", "true"]).outcome().exits(0));
    own_lines(run(["--install", odd]).outcome().exits(125));
    own_lines(run(["--plugin", "none", "true"]).env("WRAPPER_\u{1b}[31m", "x").outcome().exits(0));
}

#[test]
fn a_long_line_is_json_all_the_same() {
    for (message, plugin) in [("\"", "p"), ("\\", "p"), ("\u{1b}", "p"), ("\u{fe0f}", "p"), ("x", &*"\"".repeat(200))] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(plugin).with_extension("wasm");
        std::fs::copy(HOSTILE, &file).unwrap();
        let outcome = run(["--log-format", "json", "--plugin", file.to_str().unwrap(), "true"])
            .env("HOOK_AFTER", format!("fail {}", message.repeat(3_000)))
            .outcome();
        for line in outcome.exits(0).stderr.lines() {
            let line: serde_json::Value = serde_json::from_str(line).expect(line);
            assert!(line["message"].is_string() && line["timestamp"].is_string(), "{line}");
        }
        outcome.says("\"plugin\":\"");
    }
}

#[test]
fn a_name_with_control_characters_is_escaped() {
    let outcome = run(["--plugin", "none", "/no/such\n\u{1b}[31mprogram"]).outcome();
    outcome.exits(127).says("such\\n\\u{1b}[31mprogram was not started: ").never_says("\u{1b}");
}

#[test]
fn a_closed_stderr_changes_nothing() {
    own_network();
    let server = Server::start(15020, Answer::ok());
    let mut outcome = run(["sh", "-c", "echo done; exit 3"]).with(|command| {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        command.stderr(writer);
    });
    let outcome = outcome.outcome();
    assert_eq!(outcome.exits(3).stdout, "done\n");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_refusal_is_not_held_up_by_a_full_stderr_either() {
    use std::io::Write as _;
    let (reader, mut writer) = std::io::pipe().unwrap();
    // SAFETY: no pointers; a page is the least that a pipe can be (fcntl(2)).
    assert_eq!(unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETPIPE_SZ, 4096) }, 4096);
    writer.write_all(&[b'x'; 4096]).unwrap();
    let mut run = run(["--no-such-option"]).with(|command| {
        command.stderr(Stdio::from(writer));
    });
    run.outcome().exits(125).within(Duration::from_secs(2));
    drop(reader);
}

#[test]
fn a_full_stderr_that_nobody_reads_does_not_hold_the_pod() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    // SAFETY: no pointers; a page is the least that a pipe can be (fcntl(2)).
    let size = unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETPIPE_SZ, 4096) };
    assert_eq!(size, 4096);
    let started = Instant::now();
    let mut child = run(["--plugin", HOSTILE, "--hook-timeout", "2s", "sh", "-c", "exit 3"])
        .env("HOOK_AFTER", "flood-log")
        .with(|command| {
            command.stderr(Stdio::from(writer));
        })
        .start();
    assert_eq!(child.wait().unwrap().code(), Some(3));
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    let mut log = String::new();
    reader.read_to_string(&mut log).unwrap();
    assert!(log.starts_with("hostile: before: "), "{log}");
}
