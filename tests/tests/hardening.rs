//! Defence around the sandbox: what the process has that runs a hook, and that neither the wrapper nor the job lacks anything.

use std::{fs, io::Read as _, path::Path};
use wrapper_tests::{HOSTILE, Run, Running, run, run_program, wait_until};

/// A job that says what the kernel lets it do.
const RIGHTS: &str = "grep -E 'NoNewPrivs|Seccomp:|SigBlk|SigIgn|CapEff' /proc/self/status; ulimit -a; \
                      cat /proc/self/oom_score_adj; ls -ld /proc/self/fd | cut -d' ' -f3; touch \"$0\"; echo $?";

/// A run whose job says `ready` and ends, and whose hook then takes its time; and the process that runs the hook.
fn with_a_hook_that_runs(settings: &str) -> (Running, libc::pid_t) {
    let spec = format!("{HOSTILE}{settings}");
    let run = run(["--plugin", &spec, "--hook-timeout", "20s", "sh", "-c", "echo ready; exit 3"]);
    let (running, _) = Running::start(run.env("HOOK_AFTER", "sleep"));
    let children = || {
        let file = format!("/proc/{0}/task/{0}/children", running.init);
        fs::read_to_string(file).unwrap().split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<_>>()
    };
    // It catches the timer's signal once a guest is in it.
    let alarm = 1 << (libc::SIGALRM - 1);
    let caught = |pid: libc::pid_t| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:\t"));
        mask.and_then(|mask| u64::from_str_radix(mask, 16).ok()).unwrap_or(0)
    };
    wait_until("the hook", || children().first().is_some_and(|&pid| caught(pid) & alarm != 0));
    let hook = children()[0];
    (running, hook)
}

fn status(pid: libc::pid_t, field: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(":\t"));
    line.unwrap_or_else(|| panic!("{field} in {status}")).to_owned()
}

/// The files of mappings that are executable, but for the kernel's own.
fn executable(pid: libc::pid_t) -> Vec<String> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let is_executable = |line: &&str| line.split(' ').nth(1).is_some_and(|rights| rights.contains('x'));
    let file = |line: &str| line.split_whitespace().nth(5).unwrap_or(line).to_owned();
    let mut files: Vec<_> = maps.lines().filter(is_executable).map(file).collect();
    files.retain(|file| !file.starts_with("[v"));
    files.dedup();
    files
}

fn end(running: Running) {
    // SAFETY: no pointers; the process is this test's and not waited for yet.
    unsafe { libc::kill(running.init, libc::SIGKILL) };
    running.end();
}

#[test]
fn no_memory_is_executable_but_the_wrappers_own_code() {
    let own = fs::canonicalize(wrapper_tests::wrapper()).unwrap().to_str().unwrap().to_owned();
    let (running, hook) = with_a_hook_that_runs("");
    assert_eq!(executable(hook), [own.as_str()]);
    assert_eq!(executable(running.init), [own.as_str()]);
    end(running);
    // What the test would see otherwise.
    let (running, hook) = with_a_hook_that_runs(",native=true");
    assert!(executable(hook).len() > 1, "{:?}", executable(hook));
    end(running);
}

#[test]
fn the_hooks_process_has_given_up_what_it_does_not_need_and_the_wrapper_handles_no_faults() {
    let (running, hook) = with_a_hook_that_runs("");
    assert_eq!(status(hook, "NoNewPrivs"), "1");
    assert_eq!(status(hook, "Seccomp"), "2");
    assert_eq!(fs::read_to_string(format!("/proc/{hook}/oom_score_adj")).unwrap(), "1000\n");
    assert_eq!(status(running.init, "NoNewPrivs"), "0");
    assert_eq!(status(running.init, "Seccomp"), "0");
    let faults = [libc::SIGILL, libc::SIGTRAP, libc::SIGBUS, libc::SIGFPE, libc::SIGSEGV, libc::SIGSYS];
    for pid in [hook, running.init] {
        let caught = u64::from_str_radix(&status(pid, "SigCgt"), 16).unwrap();
        assert!(faults.iter().all(|fault| caught & (1 << (fault - 1)) == 0), "{caught:x}");
    }
    end(running);
}

#[test]
fn what_the_kernel_has_is_used_and_said_in_the_debug_log() {
    let outcome = run(["--plugin", "echo", "--log-level", "debug", "true"]).outcome();
    outcome.exits(0).says("system calls: seccomp");
    // SAFETY: no pointers. The first asks for Landlock's version (landlock_create_ruleset(2)), the second for MDWE.
    let (landlock, mdwe) = unsafe {
        (libc::syscall(libc::SYS_landlock_create_ruleset, 0, 0, 1), libc::prctl(66, 0_u64, 0_u64, 0_u64, 0_u64))
    };
    if landlock > 0 {
        outcome.says("has no files: Landlock");
    }
    if mdwe >= 0 {
        outcome.says("can make no memory executable: PR_SET_MDWE");
    }
}

#[test]
fn the_job_is_not_restricted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    let file = file.to_str().unwrap();
    let said = |mut run: Run| run.outcome().stdout;
    let direct = said(run_program("sh", ["-c", RIGHTS, file]));
    assert!(direct.ends_with("0\n"), "{direct}");
    // With a plugin that is compiled before, and one that runs before.
    let wrapped = run(["--plugin", HOSTILE, "sh", "-c", RIGHTS, file]).env("HOOK_BEFORE", "nap 1");
    assert_eq!(said(wrapped), direct);
}

#[test]
fn a_hook_whose_process_is_killed_is_a_failed_hook_and_nothing_more() {
    let (running, hook) = with_a_hook_that_runs("");
    // SAFETY: no pointers; the process is the wrapper's, which has not waited for it yet.
    unsafe { libc::kill(hook, libc::SIGKILL) };
    let (code, log) = running.end();
    assert_eq!(code, Some(3), "{log}");
    assert!(log.contains("hostile: warning: failed in "), "{log}");
    assert!(log.contains("its process was killed by SIGKILL"), "{log}");
}

#[test]
fn a_hook_whose_process_dies_costs_no_other_plugin_its_hook_and_leaves_no_line_past_the_log() {
    let outcome = run(["--log-format", "json", "--plugin", HOSTILE, "--plugin", "echo", "sh", "-c", "exit 3"])
        .env("HOOK_AFTER", "flood-methods")
        .outcome();
    outcome.exits(3).says("its process ran out of memory: it may have 320 MiB").says("sh exited 3, ");
    for line in outcome.stderr.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    }
}

#[test]
fn one_file_that_takes_long_leaves_the_others_their_share_of_the_time() {
    let folder = tempfile::tempdir().unwrap();
    let slow = folder.path().join("slow.wasm");
    let core = format!("{} (START (i32.const 0)) {}", wrapper_tests::guests::MEMORY, "(func)".repeat(990_000));
    fs::write(&slow, wrapper_tests::guests::hook(&core)).unwrap();
    let slow = slow.to_str().unwrap();
    let outcome = run(["--start-timeout", "4s", "--plugin", slow, "--plugin", HOSTILE, "echo", "started"]).outcome();
    assert_eq!(outcome.exits(125).stdout, "");
    outcome.says("hostile: after: echo was not started: plugin ").says("hostile: done in ");
}

#[test]
fn a_plugin_cannot_write_control_characters_by_what_it_is_called_or_imports() {
    let folder = tempfile::tempdir().unwrap();
    let import = "url=<a\\0d\\0a\\1b[2K\\e2\\80\\aewrapper: true exited 0>";
    let file = folder.path().join("a\nb\u{1b}[1A: c.wasm");
    fs::write(&file, wat::parse_str(format!(r#"(component (import "{import}" (func)))"#)).unwrap()).unwrap();
    let file = file.to_str().unwrap();
    let is_clean = |text: &str| text.chars().all(|c| c == '\n' || (!c.is_control() && c != '\u{202e}'));
    for more in [&["--check"][..], &["--check", "--log-format", "json"], &["--log-format", "json", "true"], &["true"]] {
        let outcome = run([&["--plugin", file], more].concat()).outcome();
        assert!(is_clean(&outcome.exits(125).stdout) && is_clean(&outcome.stderr), "{more:?}: {outcome:#?}");
        let lines = outcome.stdout.lines().chain(outcome.stderr.lines());
        assert!(!lines.map(str::trim_start).any(|line| line.starts_with("wrapper: true exited")), "{outcome:#?}");
    }
}

#[test]
fn hooks_end_with_the_wrapper() {
    let (running, hook) = with_a_hook_that_runs("");
    end(running);
    wait_until("the hook's end", || !wrapper_tests::is_alive(hook));
}

#[test]
fn check_says_what_becomes_of_each_import() {
    let outcome = run(["--check", "--plugin", HOSTILE, "--plugin", "echo"]).outcome();
    let lines: Vec<_> = outcome.exits(0).stdout.lines().collect();
    assert!(lines[0].ends_with("hostile.wasm: runs before-start and after-exit"), "{lines:#?}");
    assert!(lines.contains(&"  granted           wasi:http/outgoing-handler@0.2.12"), "{lines:#?}");
    assert!(lines.contains(&"  linked but empty  wasi:filesystem/preopens@0.2.12"), "{lines:#?}");
    assert!(lines.contains(&"echo: runs after-exit"), "{lines:#?}");
    // What is said to be granted or empty can be loaded, so nothing of that guest may be called unknown.
    assert!(!outcome.stdout.contains("unknown"), "{lines:#?}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("alien.wasm");
    fs::write(&file, wat::parse_str(r#"(component (import "test:alien/thing" (instance)))"#).unwrap()).unwrap();
    let file = file.to_str().unwrap();
    let outcome = run(["--check", "--plugin", file, "--plugin", "echo"]).outcome();
    assert!(outcome.exits(125).stdout.contains("alien.wasm: refused: it "), "{outcome:#?}");
    assert!(outcome.stdout.contains("  unknown           test:alien/thing\n"), "{outcome:#?}");
    assert!(outcome.stdout.contains("echo: runs after-exit\n"), "{outcome:#?}");

    let outcome = run(["--check", "--log-format", "json", "--plugin", file, "--plugin", "echo"]).outcome();
    let plugins: Vec<serde_json::Value> =
        outcome.exits(125).stdout.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert_eq!(plugins[0]["hooks"], serde_json::Value::Null);
    assert_eq!(plugins[0]["imports"][0]["treatment"], "unknown");
    assert_eq!(plugins[1]["hooks"][0], "after-exit");
    assert_eq!(plugins[1]["refused"], serde_json::Value::Null);
}

#[test]
fn a_closed_stdout_does_not_change_what_check_returns() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut outcome = run(["--check"]).with(|command| {
        command.stdout(writer);
    });
    let mut child = outcome.start();
    let mut log = String::new();
    child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{log}");
}

#[test]
fn no_deadline_is_on_a_clock_that_can_be_set() {
    // The sandbox table has runs under a clock that jumps; this looks where it is read: for the start of the job, which a
    // hook is told, and for the lines of the log in JSON.
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime/src")];
    let mut readers = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let reads = ["SystemTime::now", "CLOCK_REALTIME", "libc::time(", "gettimeofday("];
            if reads.iter().any(|read| text.contains(read)) {
                readers.push(path.file_name().unwrap().to_owned());
            }
        }
    }
    readers.sort_unstable();
    assert_eq!(readers, ["log.rs", "spawn.rs"]);
}
