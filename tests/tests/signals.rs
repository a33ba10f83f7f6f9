//! Signals while the job runs: passed on as they came, none lost; and those that end the wrapper or the job.

use std::{
    fs,
    os::unix::{fs::FileExt as _, process::CommandExt as _},
    process::Stdio,
    thread,
    time::{Duration, Instant},
};
use wrapper_tests::{MODES, Running, init, is_alive, wait_until};

const PROBE: &str = env!("CARGO_BIN_EXE_probe");

#[test]
fn every_signal_that_another_process_sends_is_passed_on() {
    let kept = [libc::SIGKILL, libc::SIGSTOP, libc::SIGCHLD, libc::SIGALRM];
    for (mode, options, as_pid_1) in MODES {
        let (running, ready) = Running::start(init(options, as_pid_1, &[PROBE, "catch"]));
        assert_eq!(ready, "ready");
        for signal in (1..=31).chain(34..=64).filter(|signal| !kept.contains(signal)) {
            running.send(signal);
            assert_eq!(running.line(), format!("got {signal} 0"), "{mode}");
        }
        running.send(libc::SIGALRM);
        assert_eq!(running.line(), "got 14 0", "{mode}");
        assert_eq!(running.end().0, Some(0), "{mode}");
    }
}

/// glibc has 32 and 33 to itself, musl 34 too, and no program that is linked with one can block them by its means.
#[test]
fn a_signal_that_a_c_library_keeps_is_passed_on_too() {
    for (mode, options, as_pid_1) in MODES {
        for signal in [32, 33, 34] {
            let run = init(options, as_pid_1, &["sh", "-c", "echo; exec sleep 60"]).with(|command| {
                // Whoever was started by glibc's posix_spawn(3) ignores them, and so do those that it starts.
                // SAFETY: async-signal-safe; zeros are the default action, in as many bytes as the kernel reads on any CPU.
                unsafe {
                    command.pre_exec(move || {
                        let default = [0_u64; 4];
                        let nothing = std::ptr::null_mut::<u64>();
                        libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), nothing, 8);
                        Ok(())
                    })
                };
            });
            let (running, _) = Running::start(run);
            running.send(signal);
            assert_eq!(running.end().0, Some(128 + signal), "{mode}");
        }
    }
}

#[test]
fn a_signal_of_the_kernels_is_passed_on_too() {
    let mut outcome = init(&[], false, &["sleep", "60"]).with(|command| {
        // SAFETY: async-signal-safe. The alarm stays set over the exec, and the job does not inherit it (alarm(2)).
        unsafe {
            command.pre_exec(|| {
                libc::alarm(1);
                Ok(())
            })
        };
    });
    outcome.outcome().exits(128 + libc::SIGALRM);
}

/// An alarm of the caller's may go off at any moment of the start, such as while a line of log is written. Before the wrapper is there
/// it ends the process, and after that the job.
#[test]
fn an_alarm_that_goes_off_at_the_start_is_the_jobs() {
    for microseconds in (100..5_000).step_by(50) {
        let mut run = init(&[], false, &["sleep", "1"]).with(|command| {
            // SAFETY: async-signal-safe; the pointer is to a valid timer, which outlives the execution.
            unsafe {
                command.pre_exec(move || {
                    let time = |tv_usec| libc::timeval { tv_sec: 0, tv_usec };
                    let timer = libc::itimerval { it_interval: time(0), it_value: time(microseconds) };
                    libc::setitimer(libc::ITIMER_REAL, &timer, std::ptr::null_mut());
                    Ok(())
                })
            };
        });
        run.outcome().exits(128 + libc::SIGALRM);
    }
}

#[test]
fn a_real_time_signal_keeps_its_value() {
    let (running, _) = Running::start(init(&[], false, &[PROBE, "catch"]));
    let value = libc::sigval { sival_ptr: 4711 as *mut libc::c_void };
    // SAFETY: the pointer is a number that is carried along.
    assert_eq!(unsafe { libc::sigqueue(running.init, 40, value) }, 0);
    assert_eq!(running.line(), "got 40 4711");
    running.send(libc::SIGALRM);
    assert_eq!(running.end().0, Some(0));
}

#[test]
fn a_term_as_early_as_can_be_is_never_lost_a_thousand_times() {
    for _ in 0..1_000 {
        let mut child = init(&["--log-level", "error"], false, &["sleep", "60"])
            .with(|command| {
                command.stderr(Stdio::null());
            })
            .start();
        // Blocked signals are the first thing that it does; from then on the signal may come before, at or after the fork.
        let process = format!("/proc/{}", child.id());
        let taken = || {
            let status = fs::read_to_string(format!("{process}/status")).unwrap();
            let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:\t")).unwrap();
            let job = fs::read_to_string(format!("{process}/task/{}/children", child.id())).unwrap();
            blocked != "0000000000000000" || !job.is_empty()
        };
        let bound = Instant::now() + Duration::from_secs(10);
        while !taken() {
            assert!(Instant::now() < bound);
        }
        // SAFETY: no pointers; the child is not waited for yet.
        assert_eq!(unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGTERM) }, 0);
        assert_eq!(child.wait().unwrap().code(), Some(143));
    }
}

#[test]
fn the_group_gets_the_signals_where_that_is_asked_for() {
    for (options, dies) in [(&["-g"][..], true), (&[], false)] {
        let script = "trap '' TERM; (trap - TERM; exec sleep 61) & echo $!; wait";
        let (running, pid) = Running::start(init(options, false, &["sh", "-c", script]));
        let pid: libc::pid_t = pid.parse().unwrap();
        wait_until("the sleep", || {
            fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with("sleep"))
        });
        running.send(libc::SIGTERM);
        if dies {
            wait_until("the end of the sleep", || !is_alive(pid));
            assert_eq!(running.end().0, Some(0));
        } else {
            // The signal is passed on before the next one is, and the shell ignores both.
            running.send(libc::SIGTERM);
            thread::sleep(Duration::from_millis(100));
            assert!(is_alive(pid));
            // SAFETY: no pointers; the group is this run's own.
            unsafe { libc::kill(pid, libc::SIGKILL) };
            running.end();
        }
    }
}

#[test]
fn a_job_that_ignores_term_is_killed_when_the_grace_period_is_over() {
    let stubborn = "trap '' TERM INT; echo ready; while :; do sleep 0.05; done";
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let (running, _) = Running::start(init(&["--grace", "400ms"], false, &["sh", "-c", stubborn]));
        let sent = Instant::now();
        running.send(signal);
        thread::sleep(Duration::from_millis(200));
        // A second one leaves the end of the period where it is.
        running.send(signal);
        let (code, log) = running.end();
        assert_eq!(code, Some(137), "{log}");
        assert!((350..1_500).contains(&sent.elapsed().as_millis()), "{:?}", sent.elapsed());
        assert!(log.contains("passed on, SIGKILL follows in 400.0 ms"), "{log}");
        assert!(log.contains("warning: the grace period is over: SIGKILL"), "{log}");
    }
    // Without a grace period it may take its time, and another signal does not start one.
    let (running, _) = Running::start(init(&["--grace", "100ms"], false, &["sh", "-c", stubborn]));
    running.send(libc::SIGUSR2);
    assert_eq!(running.end().0, Some(128 + libc::SIGUSR2));
}

#[test]
fn the_job_dies_with_the_wrapper_where_that_is_asked_for() {
    for (options, dies) in [(&["-p", "KILL"][..], true), (&["-p", "TERM"], true), (&[], false)] {
        let (running, pid) = Running::start(init(options, false, &["sh", "-c", "echo $$; exec sleep 61"]));
        let pid: libc::pid_t = pid.parse().unwrap();
        running.send(libc::SIGKILL);
        if dies {
            wait_until("the job's end", || !is_alive(pid));
        } else {
            thread::sleep(Duration::from_millis(100));
            assert!(is_alive(pid));
            // SAFETY: no pointers.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
        running.end();
    }
}

#[test]
fn a_fault_of_the_wrappers_own_still_ends_it() {
    for as_pid_1 in [false, true] {
        let (running, _) = Running::start(init(&["-p", "KILL"], as_pid_1, &["sh", "-c", "echo ready; exec sleep 61"]));
        // Zeros are no instructions: once it wakes, it faults, whatever the CPU.
        let process = format!("/proc/{}", running.init);
        let maps = fs::read_to_string(format!("{process}/maps")).unwrap();
        let code = maps.lines().find(|line| line.contains(" r-xp ") && line.ends_with("/wrapper")).unwrap();
        let bounds = code.split(' ').next().unwrap().split('-').map(|text| u64::from_str_radix(text, 16).unwrap());
        let [from, to] = bounds.collect::<Vec<_>>()[..] else { panic!("{code}") };
        let memory = fs::OpenOptions::new().write(true).open(format!("{process}/mem")).unwrap();
        memory.write_all_at(&vec![0; (to - from) as usize], from).unwrap();
        // It may have been awake, and have ended by now.
        // SAFETY: no pointers; the init is not waited for yet.
        unsafe { libc::kill(running.init, libc::SIGUSR1) };
        let (code, log) = running.end();
        assert_eq!(code, None, "a signal ends it, PID 1: {as_pid_1}: {log}");
    }
}
