//! The wrapper waits for nobody: not for a reader of stderr, not for a file that somebody holds, not for a process that does not
//! end, and not for signals to cease.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    os::{
        fd::AsRawFd as _,
        unix::{ffi::OsStrExt as _, process::CommandExt as _},
    },
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};
use wrapper_tests::{
    HOSTILE, MODES, Running, children, dist, init, on_a_terminal, run, run_program, wait_until, wrapper,
};

/// What a machine that is busy may add.
const SLACK: Duration = Duration::from_millis(400);

/// A command with these settings for the hostile plugin, whose hook has a second.
fn hooked(after: &str, job: &[&str]) -> wrapper_tests::Run {
    run(["--plugin", HOSTILE, "--hook-timeout", "1s"].iter().chain(job)).env("HOOK_AFTER", after)
}

#[test]
fn a_terminal_that_nobody_reads_does_not_hold_the_pod() {
    for (instruction, ends) in [("flood-log", false), ("lines 228", false), ("fail-long", false), ("flood-log", true)] {
        let mut command = Command::new(wrapper());
        command
            .args(["--plugin", HOSTILE, "--hook-timeout", "1s", "sh", "-c"])
            .arg(if ends { "sleep 60" } else { "exit 3" })
            .env("HOOK_AFTER", instruction);
        let started = Instant::now();
        let (person, mut child) = on_a_terminal(command);
        if ends {
            thread::sleep(Duration::from_millis(300));
            // SAFETY: no pointers; the child is not waited for yet.
            unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGTERM) };
        }
        let code = child.wait().unwrap().code();
        assert_eq!(code, Some(if ends { 128 + libc::SIGTERM } else { 3 }), "{instruction}");
        assert!(started.elapsed() < Duration::from_secs(2), "{instruction}: {:?}", started.elapsed());
        drop(person);
    }
}

#[test]
fn a_pipe_that_others_fill_at_the_same_time_does_not_hold_the_pod() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    // SAFETY: no pointers; a page is the least that a pipe can be (fcntl(2)).
    assert_eq!(unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETPIPE_SZ, 4096) }, 4096);
    let started = Instant::now();
    // What it leaves behind goes on writing, and ends with the pipe.
    let job = ["sh", "-c", "yes >&2 & exit 3"];
    let mut child = hooked("flood-log", &job)
        .with(|command| {
            command.stderr(writer);
        })
        .start();
    let slow = thread::spawn(move || {
        let mut piece = [0; 512];
        while started.elapsed() < Duration::from_secs(3) && reader.read(&mut piece).is_ok_and(|count| count > 0) {
            thread::sleep(Duration::from_millis(1));
        }
    });
    assert_eq!(child.wait().unwrap().code(), Some(3));
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    slow.join().unwrap();
}

#[test]
fn the_patience_with_a_reader_ends_with_the_hooks_deadline() {
    let over = || {
        let (reader, mut writer) = std::io::pipe().unwrap();
        // SAFETY: no pointers; a page is the least that a pipe can be (fcntl(2)).
        assert_eq!(unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETPIPE_SZ, 4096) }, 4096);
        std::io::Write::write_all(&mut writer, &[b'x'; 4096]).unwrap();
        let mut child = hooked("sleep", &["echo"])
            .with(|command| {
                command.stderr(writer);
            })
            .start();
        // The job's last word.
        child.stdout.take().unwrap().read_to_end(&mut Vec::new()).unwrap();
        let ended = Instant::now();
        child.wait().unwrap();
        drop(reader);
        ended.elapsed()
    };
    let least = (0..3).map(|_| over()).min().unwrap();
    assert!(least < Duration::from_millis(1_100), "{least:?}");
}

#[test]
fn a_plugin_file_that_somebody_holds_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = folder.path().join("held.wasm");
    fs::copy(HOSTILE, &plugin).unwrap();
    let file = fs::File::options().read(true).write(true).open(&plugin).unwrap();
    // SAFETY: no pointers. The lease is this process's alone, as it has the file open alone; its break is told by SIGIO.
    unsafe {
        libc::signal(libc::SIGIO, libc::SIG_IGN);
        assert_eq!(libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_WRLCK), 0);
    }
    let outcome = run(["--plugin", plugin.to_str().unwrap(), "--start-timeout", "1s", "true"]).outcome();
    outcome
        .exits(125)
        .within(Duration::from_secs(2))
        .says("held.wasm cannot be read: Resource temporarily unavailable");
}

#[test]
fn a_hooks_process_that_another_traces_is_not_waited_for() {
    for as_pid_1 in [false, true] {
        let run = hooked("spin", &["true"]);
        let mut child = if as_pid_1 { run.as_pid_1() } else { run }.start();
        let started_as = child_id(&child);
        let wrapper = || if as_pid_1 { children(started_as).first().copied() } else { Some(started_as) };
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        log.find(|line| line.starts_with("hostile: after: ")).expect("a hook");
        let hook = wrapper().and_then(|wrapper| children(wrapper).first().copied());
        let started = Instant::now();
        // SAFETY: no pointers that are read.
        let seized = unsafe { libc::ptrace(libc::PTRACE_SEIZE, hook.unwrap(), 0, 0) };
        assert_eq!(seized, 0, "{}", std::io::Error::last_os_error());
        // As process 1 it has ended then, and the kernel ends the rest of its namespace: a tracer from outside holds up that.
        let wrapper = wrapper();
        let has_ended = || {
            wrapper.is_none_or(|pid| fs::read(format!("/proc/{pid}/cmdline")).map_or(true, |words| words.is_empty()))
        };
        wait_until("the wrapper's end", has_ended);
        assert!(started.elapsed() < Duration::from_secs(1) + SLACK, "{:?}", started.elapsed());
        // SAFETY: the pointer is to a valid integer.
        unsafe { libc::waitpid(hook.unwrap(), &mut 0, libc::__WALL) };
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
}

fn child_id(child: &std::process::Child) -> libc::pid_t {
    child.id() as libc::pid_t
}

/// Sends it real-time signals as fast as can be, until the flag is set.
fn flood(pid: libc::pid_t, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        // SAFETY: no pointers; the process is waited for after this only.
        unsafe { libc::kill(pid, libc::SIGRTMAX()) };
    }
}

#[test]
fn a_flood_of_signals_holds_up_neither_the_grace_period_nor_a_hooks_deadline() {
    static OVER: AtomicBool = AtomicBool::new(false);
    for (mode, options, as_pid_1) in MODES {
        OVER.store(false, Ordering::Relaxed);
        let options = [options, &["--grace", "500ms"]].concat();
        let job = "trap '' TERM RTMAX; echo ready; while :; do sleep 0.05; done";
        let (running, _) = Running::start(init(&options, as_pid_1, &["bash", "-c", job]));
        let (pid, started) = (running.init, Instant::now());
        running.send(libc::SIGTERM);
        let flooding = thread::spawn(move || flood(pid, &OVER));
        thread::sleep(Duration::from_millis(1_000));
        OVER.store(true, Ordering::Relaxed);
        flooding.join().unwrap();
        let (code, log) = running.end();
        assert_eq!(code, Some(137), "{mode}: {log}");
        assert!(started.elapsed() < Duration::from_millis(1_500), "{mode}: {:?}", started.elapsed());
    }

    OVER.store(false, Ordering::Relaxed);
    let mut child = hooked("spin", &["true"]).start();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    log.find(|line| line.starts_with("hostile: after: ")).expect("a hook");
    let (pid, started) = (child_id(&child), Instant::now());
    let flooding = thread::spawn(move || flood(pid, &OVER));
    thread::sleep(Duration::from_millis(1_300));
    OVER.store(true, Ordering::Relaxed);
    flooding.join().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(started.elapsed() < Duration::from_millis(1_300) + SLACK, "{:?}", started.elapsed());
}

#[test]
#[cfg(target_arch = "x86_64")]
fn where_signals_cannot_be_waited_for_the_job_goes_on() {
    for as_pid_1 in [false, true] {
        for error in [libc::EPERM, libc::ENOSYS] {
            let run = init(&[], as_pid_1, &["sh", "-c", "sleep 0.3; exit 3"]).with(|command| {
                // SAFETY: async-signal-safe; the pointers are to values that live as long as the calls.
                unsafe { command.pre_exec(move || refuse(libc::SYS_rt_sigtimedwait, error)) };
            });
            let mut run = run;
            run.outcome().exits(3).says("no signal can be passed on: ");
        }
        // Some emulated kernels end the wait early, without a word.
        let mut run = init(&[], as_pid_1, &["sh", "-c", "sleep 0.3; exit 3"]).with(|command| {
            // SAFETY: as before.
            unsafe { command.pre_exec(|| refuse(libc::SYS_rt_sigtimedwait, libc::EAGAIN)) };
        });
        run.outcome().exits(3);
    }
}

/// Has a system call fail with an error from now on (seccomp(2)).
#[cfg(target_arch = "x86_64")]
fn refuse(call: libc::c_long, error: i32) -> std::io::Result<()> {
    let step = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt, jf, k };
    let mut steps = [
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, call as u32),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | error as u32),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: steps.len() as u16, filter: steps.as_mut_ptr() };
    // SAFETY: the pointer is to a live filter, which the kernel copies.
    let result = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program)
    };
    if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn calls_that_a_profile_denies_cost_no_hook() {
    for call in [libc::SYS_memfd_create, libc::SYS_timer_create, libc::SYS_fdatasync] {
        let mut run = run(["--plugin", "echo", "sh", "-c", "exit 3"]).with(|command| {
            // SAFETY: async-signal-safe.
            unsafe { command.pre_exec(move || refuse(call, libc::EPERM)) };
        });
        run.outcome().exits(3).says("echo: done in ");
    }
}

/// What a hook needs and is refused is named, and costs the job nothing.
#[test]
#[cfg(target_arch = "x86_64")]
fn a_call_that_a_profile_denies_is_named() {
    for (call, name) in [
        (libc::SYS_getrandom, "getrandom"),
        (libc::SYS_sigaltstack, "sigaltstack"),
        (libc::SYS_epoll_create1, "epoll_create1"),
        (libc::SYS_epoll_ctl, "epoll_ctl"),
        (libc::SYS_eventfd2, "eventfd2"),
        (libc::SYS_setitimer, "setitimer"),
        (libc::SYS_pipe2, "pipe2"),
        (libc::SYS_fork, "fork"),
    ] {
        let mut run = run_program(dist("wrapper-slim"), ["--plugin", "echo", "sh", "-c", "exit 3"]).with(|command| {
            // SAFETY: async-signal-safe.
            unsafe { command.pre_exec(move || refuse(call, libc::EPERM)) };
        });
        run.outcome().exits(3).says(&format!("{name}: Operation not permitted\n"));
    }
    let mut run = run_program(dist("wrapper-slim"), ["--plugin", "none", "sh", "-c", "exit 3"]).with(|command| {
        // SAFETY: async-signal-safe.
        unsafe { command.pre_exec(move || refuse(libc::SYS_wait4, libc::EPERM)) };
    });
    run.outcome().exits(125).says("sh was not started: the wrapper cannot wait for it: Operation not permitted");
}

#[test]
fn a_limit_on_files_costs_no_hook() {
    for limit in ["ulimit -f 0", "ulimit -i 0"] {
        let shell = format!("{limit}; exec \"$0\" \"$@\"");
        run(["--plugin", "echo", "sh", "-c", "exit 3"])
            .under(&["bash", "-c", &shell])
            .outcome()
            .exits(3)
            .says("echo: done in ");
    }
}

#[test]
fn what_the_caller_gave_is_let_go_of_when_the_job_has_ended() {
    // The hook has longer to go than this test waits.
    for job in ["echo x", "sleep 0.3; echo x"] {
        let (mut other, inherited) = std::io::pipe().unwrap();
        let number = inherited.as_raw_fd();
        let mut run = run(["--plugin", HOSTILE, "sh", "-c", job]).env("HOOK_AFTER", "nap 3000").with(|command| {
            command.stdin(Stdio::piped());
            // SAFETY: async-signal-safe. The descriptor is the child's own.
            unsafe {
                command.pre_exec(move || {
                    libc::fcntl(number, libc::F_SETFD, 0);
                    Ok(())
                })
            };
        });
        let started = Instant::now();
        let mut child = run.start();
        drop(inherited);
        let mut said = String::new();
        child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        other.read_to_end(&mut Vec::new()).unwrap();
        assert_eq!(said, "x\n");
        let mut stdin = child.stdin.take().unwrap();
        wait_until("a closed stdin", || {
            std::io::Write::write_all(&mut stdin, b"x")
                .is_err_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
        });
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
        assert_eq!(child.wait().unwrap().code(), Some(0));
        assert!(started.elapsed() > Duration::from_secs(3), "the hook was cut off");
    }
}

#[test]
fn a_hooks_process_has_nothing_that_the_caller_had_open() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, "s3cret").unwrap();
    for settings in ["HOOK_BEFORE", "HOOK_AFTER"] {
        let shell = "exec 7<\"$SECRET\"; exec \"$0\" \"$@\"";
        let mut run = run(["--plugin", HOSTILE, "true"])
            .under(&["bash", "-c", shell])
            .env("SECRET", &secret)
            .env(settings, "nap 700");
        let mut child = run.start();
        let mut hook = None;
        wait_until("a hook", || {
            let sleeps = |pid: &libc::pid_t| {
                fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|status| status.contains("Seccomp:\t2"))
            };
            hook = children(child_id(&child)).into_iter().find(sleeps);
            hook.is_some()
        });
        let open = fs::read_dir(format!("/proc/{}/fd", hook.unwrap())).unwrap().flatten();
        let open: Vec<_> = open.filter_map(|entry| fs::read_link(entry.path()).ok()).collect();
        assert!(
            !open.is_empty() && open.iter().all(|file| !file.as_os_str().as_bytes().ends_with(b"secret")),
            "{open:?}"
        );
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
}
