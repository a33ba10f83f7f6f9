//! Orphans and what the job leaves behind: reaped, waited for, killed, and otherwise mentioned.

use std::{fs, thread, time::Duration};
use wrapper_tests::{Running, init, run, wait_until};

const PROBE: &str = env!("CARGO_BIN_EXE_probe");

#[test]
fn orphans_are_reaped_by_the_ten_thousand_and_memory_stays_flat() {
    let outcome = init(&[], true, &[PROBE, "orphans", "10000"]).outcome();
    outcome.exits(0);
    let numbers: Vec<i64> = outcome.stdout.split([' ', ',']).filter_map(|word| word.parse().ok()).collect();
    let [zombies, before, after] = numbers[..] else { panic!("{outcome:#?}") };
    assert_eq!(zombies, 0, "{outcome:#?}");
    assert!(after - before <= 16, "{before} kB before, {after} kB after");

    let outcome = init(&["-s"], false, &[PROBE, "orphans", "1000"]).as_pid_1_of_a_shell().outcome();
    assert!(outcome.exits(0).stdout.starts_with("zombies 0, "), "{outcome:#?}");
}

#[test]
fn orphans_that_nobody_will_reap_are_mentioned_once() {
    let leave = "sleep 61 >/dev/null 2>&1 & exit 3";
    let warning = "warning: the job left processes behind, which the wrapper cannot reap: run it as PID 1 or with -s";
    let outcome = init(&[], false, &["sh", "-c", leave]).as_pid_1_of_a_shell().outcome();
    assert_eq!(outcome.exits(3).stderr.matches(warning).count(), 1, "{outcome:#?}");
    init(&["-s"], false, &["sh", "-c", leave]).as_pid_1_of_a_shell().outcome().exits(3).never_says("warning");
    init(&[], true, &["sh", "-c", leave]).outcome().exits(3).never_says("warning");
    init(&[], false, &["true"]).outcome().exits(0).never_says("warning");
}

#[test]
fn what_the_job_leaves_can_be_waited_for_and_is_killed_where_it_must() {
    for (options, as_pid_1) in [(&["--wait-all", "300ms"][..], true), (&["--wait-all", "300ms"], false)] {
        let left = |stubborn: &str| init(options, as_pid_1, &[PROBE, "leave", stubborn]);
        let left = |stubborn: &str| {
            let run = left(stubborn);
            if as_pid_1 { run } else { run.as_pid_1_of_a_shell() }
        };
        let outcome = left("0").outcome();
        outcome
            .exits(0)
            .says("the job left processes behind: SIGTERM")
            .says("they ended within")
            .never_says("SIGKILL\n");
        let outcome = left("1").outcome();
        outcome.exits(0).says("processes that the job left are still there: SIGKILL").says("they ended within 30");
    }
    // A signal meanwhile is noted and changes nothing.
    let asks = "(trap '' TERM; sleep 0.3; kill -INT $PPID; sleep 0.2) & sleep 0.1; exit 3";
    let outcome = run(["--plugin", "echo", "--wait-all", "10s", "sh", "-c", asks]).as_pid_1_of_a_shell().outcome();
    outcome
        .exits(3)
        .within(Duration::from_secs(5))
        .says("SIGINT ignored: the job has ended, what it left has been told to")
        .says("they ended within");
    // Hooks come after all of that.
    let position = |text| outcome.stderr.find(text).unwrap();
    assert!(position("they ended within") < position("echo: sh exited 3"), "{outcome:#?}");
    let nothing = init(&["--wait-all", "10s"], true, &["true"]).outcome();
    nothing.exits(0).never_says("left").within(Duration::from_secs(5));
}

#[test]
fn without_a_proc_of_its_own_it_is_an_init_all_the_same() {
    let empty = "mount --make-rprivate / && mount -t tmpfs none /proc && exec \"$@\"";
    // Without one for the new namespace, /proc is that of the processes outside.
    for script in [empty, "exec \"$@\""] {
        let hide = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script, "sh"];
        // Those that are left have been executed by then: a shell that has just forked would lose a signal.
        let job = "sleep 61 & (sleep 61 & sleep 61) & sleep 0.2; exit 4";
        let outcome = init(&["--wait-all", "1s"], false, &["sh", "-c", job]).under(&hide).outcome();
        // What descends from the job is not known then, but its group is.
        outcome
            .exits(4)
            .says("the job left processes behind: SIGTERM")
            .says("they ended within")
            .never_says("SIGKILL\n");
        run(["--plugin", "echo", "sh", "-c", "exit 3"]).under(&hide).outcome().exits(3).says("echo: sh exited 3");
    }
}

#[test]
fn while_the_job_runs_the_supervisor_is_one_thread_that_never_wakes() {
    // With its plugin, which is not needed yet.
    let run = run(["sh", "-c", "echo ready; exec sleep 61"]).env("HOOK_ISTIO_QUIT_RETRY", "0s");
    let (running, _) = Running::start(run);
    let status = || fs::read_to_string(format!("/proc/{}/status", running.init)).unwrap();
    let switches = || status().lines().filter(|line| line.contains("ctxt_switches")).collect::<Vec<_>>().join(" ");
    assert!(status().contains("Threads:\t1\n"));
    // Until it has logged the start it is still at work.
    wait_until("sleep", || status().contains("State:\tS"));
    thread::sleep(Duration::from_millis(200));
    let before = switches();
    thread::sleep(Duration::from_secs(2));
    assert_eq!(switches(), before);
    let system_call = fs::read_to_string(format!("/proc/{}/syscall", running.init)).unwrap_or_default();
    assert!(system_call.is_empty() || system_call.starts_with("128 "), "not rt_sigtimedwait: {system_call}");
    running.send(libc::SIGTERM);
    assert_eq!(running.end().0, Some(143));
}
