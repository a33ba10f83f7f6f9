//! Signals at every phase of a run: each cell of the table in `docs/init.md`.

use std::{
    io::{BufRead, BufReader, Read as _},
    os::unix::process::CommandExt as _,
    process::Child,
};
use wrapper_tests::{
    HOSTILE, Run, Running,
    guests::{MEMORY, hook},
    run, wait_until,
};

const PROBE: &str = env!("CARGO_BIN_EXE_probe");

/// Those by which a program is asked to end.
const ASKS_TO_END: [i32; 4] = [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT];

/// Some of all the others: ordinary ones, one that stops, one of a fault, one that is ignored by default, a real-time one.
const OTHERS: [i32; 7] =
    [libc::SIGUSR1, libc::SIGUSR2, libc::SIGTSTP, libc::SIGSEGV, libc::SIGWINCH, libc::SIGCONT, 40];

fn send(child: &Child, signal: i32) {
    // SAFETY: no pointers; the child is not waited for yet, so its id is its own.
    assert_eq!(unsafe { libc::kill(child.id() as libc::pid_t, signal) }, 0);
}

/// A run of `sh -c 'exit 3'`, or of the probe that says which signals it gets, with the guest that follows instructions.
fn hooked(before: &str, after: &str, job: &[&str]) -> Run {
    run(["--plugin", HOSTILE].iter().chain(job)).env("HOOK_BEFORE", before).env("HOOK_AFTER", after)
}

/// Reads stderr until this text has come.
fn read_until(stderr: &mut impl BufRead, text: &str) -> String {
    let mut log = String::new();
    while !log.contains(text) {
        assert_ne!(stderr.read_line(&mut log).unwrap(), 0, "{text:?} is not in {log}");
    }
    log
}

/// Lets the probe end, and returns the exit code, what the probe said and the log.
fn end(mut child: Child, stderr: &mut impl BufRead, mut log: String) -> (Option<i32>, String, String) {
    stderr.read_to_string(&mut log).unwrap();
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    (child.wait().unwrap().code(), said, log)
}

/// Blocks all signals from before the wrapper's first instruction, which the job then inherits. With a number, that signal
/// has been sent by another process by then, and waits for whoever asks.
fn all_blocked(run: Run, sent: Option<i32>) -> Run {
    run.with(|command| {
        // SAFETY: the calls are async-signal-safe, and the pointers are valid.
        unsafe {
            command.pre_exec(move || {
                let mut all: libc::sigset_t = std::mem::zeroed();
                libc::sigfillset(&mut all);
                libc::pthread_sigmask(libc::SIG_SETMASK, &all, std::ptr::null_mut());
                if let Some(signal) = sent {
                    let sender = libc::fork();
                    if sender == 0 {
                        libc::kill(libc::getppid(), signal);
                        libc::_exit(0);
                    }
                    libc::waitpid(sender, std::ptr::null_mut(), 0);
                }
                Ok(())
            })
        };
    })
}

fn assert_not_started(signal: i32, (code, said, log): (Option<i32>, String, String)) {
    assert_eq!(code, Some(128 + signal), "{log}");
    assert_eq!(said, "", "the job was started: {log}");
    assert!(log.contains(" came before its start"), "{log}");
    assert!(log.contains("hostile: after: "), "the after-exit hook did not run: {log}");
    assert!(log.contains("was not started: SIG"), "{log}");
}

#[test]
fn before_the_start_who_is_asked_to_end_does_not_start() {
    for signal in ASKS_TO_END {
        let mut child = all_blocked(hooked("", "", &["echo", "started"]), Some(signal)).start();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        assert_not_started(signal, end(child, &mut stderr, String::new()));
    }
}

#[test]
fn before_the_start_other_signals_are_kept_for_the_job() {
    for signal in OTHERS {
        let mut child = all_blocked(hooked("", "", &[PROBE, "catch"]), Some(signal)).start();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains(&format!("got {signal} 0\n")) {
            assert_ne!(stdout.read_line(&mut line).unwrap(), 0, "signal {signal}: {line}");
        }
        send(&child, libc::SIGALRM);
        let mut log = String::new();
        stderr.read_to_string(&mut log).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{log}");
    }
}

#[test]
fn while_a_plugin_is_checked_who_is_asked_to_end_does_not_start_and_its_hook_runs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("large.wasm");
    let core = format!("{MEMORY} (START (i32.const 0)) {}", "(func)".repeat(20_000));
    std::fs::write(&file, hook(&core)).unwrap();
    for signal in ASKS_TO_END {
        let mut child = run(["--plugin", file.to_str().unwrap(), "echo", "started"]).start();
        // The process that checks it is its first child.
        let children = format!("/proc/{0}/task/{0}/children", child.id());
        wait_until("its check", || std::fs::read_to_string(&children).is_ok_and(|list| !list.is_empty()));
        send(&child, signal);
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let (code, said, log) = end(child, &mut stderr, String::new());
        assert_eq!((code, said.as_str()), (Some(128 + signal), ""), "{log}");
        assert!(log.contains(" came before its start"), "{log}");
        assert!(log.contains("large: done in "), "the after-exit hook did not run: {log}");
    }
}

#[test]
fn while_before_start_hooks_run_who_is_asked_to_end_ends_at_once() {
    for signal in ASKS_TO_END {
        let mut child = hooked("sleep", "", &["echo", "started"]).start();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let log = read_until(&mut stderr, "hostile: before: ");
        send(&child, signal);
        let (code, said, log) = end(child, &mut stderr, log);
        let (ended, after) = (log.find(" came: the before-start hooks are stopped"), log.find("hostile: after: "));
        assert!(ended.is_some() && ended < after, "the hook went on: {log}");
        assert_not_started(signal, (code, said, log));
    }
}

#[test]
fn while_before_start_hooks_run_other_signals_are_kept_for_the_job() {
    // A SIGCONT takes a SIGTSTP with it that still waits, and the other way round (signal(7)): so not both in one run.
    for left_out in [libc::SIGCONT, libc::SIGTSTP] {
        let signals: Vec<_> = OTHERS.into_iter().filter(|signal| *signal != left_out).collect();
        let mut child = all_blocked(hooked("nap 400", "", &[PROBE, "catch"]), None).start();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let log = read_until(&mut stderr, "hostile: before: ");
        for signal in &signals {
            send(&child, *signal);
        }
        let log = log + &read_until(&mut stderr, "started probe");
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        while said.lines().count() < signals.len() + 1 {
            assert_ne!(stdout.read_line(&mut said).unwrap(), 0, "{said}{log}");
        }
        for signal in signals {
            assert!(said.contains(&format!("got {signal} 0\n")), "signal {signal}: {said}");
        }
        send(&child, libc::SIGALRM);
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn while_the_job_runs_every_signal_is_the_jobs() {
    let (running, _) = Running::start(hooked("", "", &[PROBE, "catch"]));
    for signal in ASKS_TO_END.into_iter().chain(OTHERS) {
        running.send(signal);
        assert_eq!(running.line(), format!("got {signal} 0"));
    }
    running.send(libc::SIGALRM);
    let (code, log) = running.end();
    assert_eq!(code, Some(0), "{log}");
}

#[test]
fn while_after_exit_hooks_run_no_signal_ends_them() {
    let mut child = hooked("", "nap 400", &["sh", "-c", "exit 3"]).start();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let log = read_until(&mut stderr, "hostile: after: ");
    for signal in ASKS_TO_END.into_iter().chain(OTHERS) {
        send(&child, signal);
    }
    let (code, _, log) = end(child, &mut stderr, log);
    assert_eq!(code, Some(3), "{log}");
    assert_eq!(log.matches("hostile: done in ").count(), 2, "{log}");
    for name in ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"] {
        assert_eq!(log.matches(&format!("{name} ignored: the job has ended, hooks are running")).count(), 1, "{log}");
    }
}

#[test]
fn sigchld_is_the_wrappers_and_never_passed_on() {
    let mut child = hooked("", "", &[PROBE, "catch"]).start();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut said = String::new();
    stdout.read_line(&mut said).unwrap();
    send(&child, libc::SIGCHLD);
    send(&child, libc::SIGALRM);
    stdout.read_to_string(&mut said).unwrap();
    assert_eq!(said, "ready\ngot 14 0\n");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
