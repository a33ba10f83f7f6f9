//! The wrapper as an init: spawn, signals, reaping, end. `docs/init.md` states each rule.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use wait_timeout::ChildExt as _;
use wrapper_tests::{Outcome, Run, Running, is_alive, run, run_program, wait_until, wrapper};

const PROBE: &str = env!("CARGO_BIN_EXE_probe");

/// The ways in which the wrapper can be an init.
const MODES: [(&str, &[&str], bool); 5] = [
    ("plain", &[], false),
    ("group", &["-g"], false),
    ("subreaper", &["-s"], false),
    ("PID 1", &[], true),
    ("PID 1, group", &["-g"], true),
];

/// A job without hooks, in one of the modes.
fn init(options: &[&str], as_pid_1: bool, job: &[&str]) -> Run {
    let run = run(["--plugin", "none"].iter().chain(options).chain(job));
    if as_pid_1 { run.as_pid_1() } else { run }
}

#[test]
fn every_exit_code_is_kept_in_every_mode() {
    for (mode, options, as_pid_1) in MODES {
        for code in 0..=255 {
            let outcome = init(options, as_pid_1, &["sh", "-c", &format!("exit {code}")]).outcome();
            assert_eq!(outcome.code, code, "{mode}: {outcome:#?}");
        }
    }
}

#[test]
fn every_signal_is_told_as_the_cause_of_death() {
    // Those whose default is to be ignored, or to stop (signal(7)); 32 and 33 belong to the C library.
    let harmless = [libc::SIGCHLD, libc::SIGCONT, libc::SIGURG, libc::SIGWINCH];
    let stops = [libc::SIGSTOP, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];
    for (mode, options, as_pid_1) in MODES {
        for signal in (1..=31).chain(34..=64).filter(|signal| !stops.contains(signal)) {
            let code = if harmless.contains(&signal) { 0 } else { 128 + signal };
            let outcome = init(options, as_pid_1, &[PROBE, "die", &signal.to_string()]).outcome();
            assert_eq!(outcome.code, code, "{mode}, signal {signal}: {outcome:#?}");
        }
    }
}

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

#[test]
fn a_signal_of_the_kernels_is_passed_on_too() {
    let outcome = init(&[], false, &["sleep", "60"]).with(|command| {
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
fn ignored_and_blocked_signals_of_the_caller_survive_into_the_job() {
    const IGNORED: [i32; 6] = [libc::SIGPIPE, libc::SIGCHLD, libc::SIGUSR1, libc::SIGHUP, libc::SIGINT, 40];
    const BLOCKED: [i32; 5] = [libc::SIGTERM, libc::SIGCHLD, libc::SIGPIPE, libc::SIGUSR2, 41];
    // With SIGCHLD ignored the kernel would throw exit statuses away.
    init(&[], false, &["sh", "-c", "exit 3"]).with_signals(&IGNORED, &[]).outcome().exits(3);
    for (ignored, blocked) in [(&[][..], &[][..]), (&IGNORED, &[]), (&[], &BLOCKED)] {
        let direct = run_program(PROBE, ["signals"]).with_signals(ignored, blocked).outcome();
        let wrapped = init(&[], false, &[PROBE, "signals"]).with_signals(ignored, blocked).outcome();
        assert_eq!(wrapped.exits(0).stdout, direct.stdout);
    }
}

#[test]
fn the_job_has_the_callers_descriptors_and_none_of_the_wrappers() {
    // A file of the caller's at 7 is the job's too; 0 or 1 closed stay closed, and stderr closed does no harm.
    let script = |redirections: &str| format!("exec \"$0\" \"$@\" {redirections}");
    for redirections in ["7</dev/null", "<&-", "<&- 2>&-", "1>&2 <&-"] {
        let direct = Command::new("sh").args(["-c", &script(redirections), "ls", "/proc/self/fd"]).output().unwrap();
        let direct = [direct.stdout, direct.stderr].concat();
        assert!(!direct.is_empty());
        let shell = ["sh", "-c", &script(redirections)];
        let wrapped = init(&["--log-level", "error"], false, &["ls", "/proc/self/fd"]).under(&shell).outcome();
        let said = wrapped.stdout.clone() + &wrapped.stderr;
        assert_eq!(said, String::from_utf8_lossy(&direct), "{redirections}: {wrapped:#?}");
    }
}

#[test]
fn the_job_keeps_the_working_directory_and_the_supervisor_sits_in_the_root() {
    let folder = tempfile::tempdir().unwrap();
    let (running, cwd) = Running::start(init(&[], false, &["sh", "-c", "pwd; exec sleep 60"]).with(|command| {
        command.current_dir(folder.path());
    }));
    assert_eq!(Path::new(&cwd), folder.path().canonicalize().unwrap());
    wait_until("the move to /", || fs::read_link(format!("/proc/{}/cwd", running.init)).unwrap() == Path::new("/"));
    running.send(libc::SIGTERM);
    running.end();
}

#[test]
fn a_path_is_searched_as_a_shell_does() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, mode: u32, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    };
    file("greet", 0o755, "#!/bin/sh\necho hello\n");
    file("plain", 0o644, "#!/bin/sh\n");
    file("interpreter", 0o755, "#!/no/such/interpreter\n");
    file("bare", 0o755, "echo no first line\n");
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    let run = |name: &str| init(&[], false, &[name]).env("PATH", &path).outcome();
    assert_eq!(run("greet").exits(0).stdout, "hello\n");
    run("plain").exits(126).says("plain was not started: plain: Permission denied");
    run("interpreter").exits(127);
    assert_eq!(run("bare").exits(0).stdout, "no first line\n", "as execvp(3) and every shell run it");
    run("absent").exits(127).says("absent was not started: absent: No such file or directory");
}

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
    let asks = "sh -c 'trap : TERM; sleep 0.2; sleep 0.3' & sleep 0.1; (sleep 0.2; kill -INT $PPID) & exit 3";
    init(&["--wait-all", "10s"], false, &["sh", "-c", asks])
        .as_pid_1_of_a_shell()
        .outcome()
        .exits(3)
        .within(Duration::from_secs(5));
    let nothing = init(&["--wait-all", "10s"], true, &["true"]).outcome();
    nothing.exits(0).never_says("left").within(Duration::from_secs(5));
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
fn exit_codes_are_mapped() {
    let exit = |code: i32| format!("exit {code}");
    init(&["-e", "143"], false, &["sh", "-c", "kill $$"]).outcome().exits(0);
    init(&["-e", "3=7", "-e", "4"], false, &["sh", "-c", &exit(3)]).outcome().exits(7);
    init(&["-e", "3=7", "-e", "4"], false, &["sh", "-c", &exit(4)]).outcome().exits(0);
    init(&["-e", "3=7"], false, &["sh", "-c", &exit(7)]).outcome().exits(7);
    init(&[], false, &["sh", "-c", &exit(3)]).env("WRAPPER_MAP_EXIT", "4,3=5").outcome().exits(5);
    init(&["-e", "300"], false, &["true"]).outcome().exits(125).says("'300' is not FROM=TO");
    // A job that was not started has no code that could be mapped.
    init(&["-e", "127"], false, &["/no/such/program"]).outcome().exits(127);
    // Hooks are told what the job did.
    run(["--plugin", "echo", "-e", "3", "sh", "-c", "exit 3"]).outcome().exits(0).says("echo: sh exited 3");
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
    // What it cannot survive is a fault; a SIGSEGV that somebody sends is passed on, as another test shows. A stack that
    // cannot grow any more makes one.
    let outcome = init(&[], false, &["true"]).under(&["sh", "-c", "ulimit -s 16; exec \"$0\" \"$@\""]).outcome();
    assert!([0, 139].contains(&outcome.code), "{outcome:#?}");
}

#[test]
fn stdin_through_a_pipe_of_a_hundred_megabytes_is_byte_for_byte() {
    let block: Vec<u8> = (0..1_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let feed = |mut stdin: std::process::ChildStdin| {
        for _ in 0..100 {
            stdin.write_all(&block).unwrap();
        }
    };
    let mut direct = Command::new("sha256sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    feed(direct.stdin.take().unwrap());
    let direct = direct.wait_with_output().unwrap().stdout;
    let mut wrapped = init(&[], false, &["sh", "-c", "cat | sha256sum"]).input("").start();
    feed(wrapped.stdin.take().unwrap());
    assert_eq!(wrapped.wait_with_output().unwrap().stdout, direct);
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

#[test]
fn it_works_for_an_ordinary_user_on_a_read_only_root() {
    // The folder that the binary lies in may be root's alone.
    let folder = tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o755)).tempdir_in("/tmp").unwrap();
    let copy = folder.path().join("wrapper");
    fs::copy(wrapper(), &copy).unwrap();
    let script = "mount --make-rprivate / && mount -o remount,bind,ro / && exec setpriv --reuid 65534 --regid 65534 \
                  --clear-groups --no-new-privs \"$0\" --plugin echo sh -c 'id -u; touch /x 2>/dev/null || exit 3'";
    let outcome = run([""; 0])
        .with(|command| {
            let mut shell = Command::new("unshare");
            shell.args(["--mount", "--fork", "--pid", "--mount-proc", "sh", "-c", script]).arg(&copy);
            shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            *command = shell;
        })
        .outcome();
    assert_eq!(outcome.exits(3).stdout, "65534\n");
    outcome.says("echo: sh exited 3");
}

#[test]
fn a_system_without_a_process_or_a_descriptor_to_give_is_told_as_such() {
    let folder = tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o755)).tempdir_in("/tmp").unwrap();
    let copy = folder.path().join("wrapper");
    fs::copy(wrapper(), &copy).unwrap();
    let user = ["setpriv", "--reuid", "65533", "--regid", "65533", "--clear-groups", "prlimit"];
    for (limit, words) in [("--nproc=1", "Resource temporarily unavailable"), ("--nofile=3", "Too many open files")] {
        let run = run_program(&copy, ["--plugin", "none", "true"]).under(&[&user[..], &[limit]].concat());
        run.outcome().exits(125).says(&format!("true was not started: true: {words}"));
    }
}

#[test]
fn it_installs_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wrapper");
    let install = |path: &Path, more: &[&str]| -> Outcome {
        run(["--install", path.to_str().unwrap()].iter().chain(more)).outcome()
    };
    install(&path, &[]).exits(0);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o755);
    assert!(fs::read(&path).unwrap() == fs::read(wrapper()).unwrap());
    // Over another wrapper, and while that runs.
    let mut running = Command::new(&path).args(["--plugin", "none", "sleep", "61"]).spawn().unwrap();
    install(&path, &[]).exits(0);
    // SAFETY: no pointers; the child is not waited for yet.
    unsafe { libc::kill(running.id() as libc::pid_t, libc::SIGTERM) };
    running.wait().unwrap();

    let other = folder.path().join("precious");
    fs::write(&other, "data").unwrap();
    install(&other, &[]).exits(125).says("precious is there already and is not a wrapper; remove it, or say --force");
    assert_eq!(fs::read(&other).unwrap(), b"data");
    install(&other, &["--force"]).exits(0);
    assert!(fs::read(&other).unwrap() == fs::read(&path).unwrap());
    install(folder.path(), &[]).exits(125).says("is a folder; name the file, such as ");
    install(&folder.path().join("no/such/folder/wrapper"), &[]).exits(125).says("No such file or directory");
    install(Path::new("/proc/wrapper"), &[]).exits(125);
    // What is no file is not read: a pipe would wait for a writer.
    install(Path::new("/dev/zero"), &[]).exits(125).says("is not a wrapper");
    let link = folder.path().join("link");
    std::os::unix::fs::symlink("nowhere", &link).unwrap();
    install(&link, &[]).exits(125).says("is not a wrapper");
    fs::remove_file(&link).unwrap();
    install(&path, &["true"]).exits(125).says("cannot be used with");
    // Whole or not at all: nothing else is left in the folder.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn a_disk_without_room_for_a_copy_keeps_what_was_there() {
    let script = "mount -t tmpfs -o size=1m none \"$1\" && cp /bin/true \"$1/wrapper\" && exec \"$0\" --install \"$1/wrapper\" --force";
    let folder = tempfile::tempdir().unwrap();
    let outcome = run([""; 0])
        .with(|command| {
            let mut shell = Command::new("unshare");
            shell
                .args(["--mount", "sh", "-c", &format!("{script} || {{ ls \"$1\"; exit 9; }}")])
                .arg(wrapper())
                .arg(folder.path());
            shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            *command = shell;
        })
        .outcome();
    outcome.exits(125).says("No space left on device");
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

/// The processes that have this in their environment.
fn marked(mark: &str) -> Vec<String> {
    let entries = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    let has_mark = |pid: &String| {
        pid.parse::<u32>().is_ok()
            && fs::read(format!("/proc/{pid}/environ"))
                .is_ok_and(|environment| environment.split(|byte| *byte == 0).any(|line| line == mark.as_bytes()))
    };
    entries.filter(has_mark).collect()
}

#[test]
fn random_signals_at_random_times_change_no_exit_code_and_leave_nothing_behind() {
    let seconds = std::env::var("SOAK_SECONDS").map_or(20, |text| text.parse().unwrap());
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |bound: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % bound
    };
    const ENDS: [i32; 4] = [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT];
    const OTHERS: [i32; 6] = [libc::SIGUSR1, libc::SIGUSR2, libc::SIGWINCH, libc::SIGURG, libc::SIGCHLD, libc::SIGTSTP];
    // The job ignores all of them from the first moment, but the stop, so its own exit code must come out.
    const IGNORED: [i32; 6] = [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT, libc::SIGUSR1, libc::SIGUSR2];
    let modes: [&[&str]; 4] = [&[], &["-g"], &["-s"], &["--wait-all", "10ms"]];
    let mut runs = 0;
    while Instant::now() < until {
        let code = next(256) as i32;
        let mode = modes[next(4) as usize];
        let leaves = if mode.contains(&"--wait-all") { "sleep 61 & (setsid sleep 61 &);" } else { "" };
        let script = format!("{leaves} sleep 0.00{}; (exit 3) & exit {code}", next(9));
        let mut child = init(&[&["--log-level", "error"], mode].concat(), false, &["sh", "-c", &script])
            .env("SOAK_RUN", runs.to_string())
            .with_signals(&IGNORED, &[])
            .start();
        // SAFETY: no pointers; the child is not waited for yet.
        let send = |signal: i32| unsafe { libc::kill(child.id() as libc::pid_t, signal) };
        for _ in 0..next(6) {
            thread::sleep(Duration::from_micros(next(2_000)));
            let signal = [&ENDS[..], &OTHERS].concat()[next(10) as usize];
            send(signal);
            if signal == libc::SIGTSTP {
                thread::sleep(Duration::from_micros(next(500)));
                send(libc::SIGCONT);
            }
        }
        let status = child.wait_timeout(Duration::from_secs(20)).unwrap();
        let status = status.unwrap_or_else(|| panic!("run {runs}, {mode:?}, exit {code} hangs"));
        let mut log = String::new();
        child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        // Who is asked to end before the start does not start, and says so.
        let obeyed =
            ENDS.iter().any(|signal| status.code() == Some(128 + signal)) && log.contains("came before its start");
        let right = status.code() == Some(code) && log.is_empty();
        assert!(right || obeyed, "run {runs}, {mode:?}, exit {code}: {status:?}, {log}");
        let left = || marked(&format!("SOAK_RUN={runs}"));
        if mode.contains(&"--wait-all") {
            assert!(left().is_empty(), "run {runs} left {:?}", left());
        } else {
            // The shell's own child may take its moment.
            wait_until("the end of all of it", || left().is_empty());
        }
        runs += 1;
    }
    println!("{runs} runs in {seconds} s");
    assert!(runs > 50, "{runs}");
}
