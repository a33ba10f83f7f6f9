//! The first and the next milliseconds: what the start asks the CPU, signals that come early, where the job is started, how its
//! program is found, and how many pages all of it touches.

use std::{
    fs, io,
    io::Write as _,
    os::unix::{
        fs::PermissionsExt as _,
        process::{CommandExt as _, ExitStatusExt as _},
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use wait_timeout::ChildExt as _;
#[cfg(target_arch = "x86_64")]
use wrapper_tests::steps::{cpuids, has_glibc};
use wrapper_tests::{Answer, Outcome, Run, Server, dist, init, own_network, run, run_program, skip, wrapper};

/// CPUID leaves a virtual machine each time. glibc's start-up code executes dozens, musl's none.
#[cfg(target_arch = "x86_64")]
#[test]
fn the_start_asks_the_cpu_nothing() {
    let program = wrapper();
    let count = cpuids(&[program.to_str().unwrap(), "--plugin", "none", "--log-level", "error", "/bin/true"]);
    if has_glibc(&program) {
        println!("this build is linked with glibc, and pays for {count} CPUID instructions");
    } else {
        assert_eq!(count, 0);
    }
}

/// How many of 400 SIGTERMs, sent 0 to 2.5 ms after the exec, never reach the job. As process 1 the kernel drops them, otherwise
/// they end the wrapper.
fn lost(as_pid_1: bool) -> usize {
    const SENT: u32 = 400;
    const SPAN: Duration = Duration::from_micros(2_500);
    // A thread that has changed the namespace of its children can start one of them, and no other.
    let is_lost = |n| thread::spawn(move || is_lost(as_pid_1, SPAN * n / SENT)).join().unwrap();
    (0..SENT).filter(|n| is_lost(*n)).count()
}

fn is_lost(as_pid_1: bool, after: Duration) -> bool {
    if as_pid_1 {
        // SAFETY: no pointers. What this thread starts next is process 1 of a new namespace.
        assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWPID) }, 0, "{}", io::Error::last_os_error());
    }
    let mut command = Command::new(wrapper());
    command.args(["--plugin", "none", "--log-level", "error", "sleep", "60"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    // It returns when the program is executed.
    let mut child = command.spawn().unwrap();
    // Not by looking at a clock all the time: the kernel's end of the exec may need this CPU.
    thread::sleep(after);
    let send = |signal| {
        // SAFETY: no pointers; it is not waited for yet, so its id is its own.
        unsafe { libc::kill(child.id() as libc::pid_t, signal) };
    };
    send(libc::SIGTERM);
    match child.wait_timeout(Duration::from_secs(2)).unwrap() {
        Some(status) if status.code() == Some(128 + libc::SIGTERM) => false,
        Some(status) => {
            assert_eq!(status.signal(), Some(libc::SIGTERM));
            true
        }
        None => {
            child.kill().unwrap();
            child.wait().unwrap();
            true
        }
    }
}

#[test]
fn of_four_hundred_early_terms_hardly_any_is_lost() {
    for as_pid_1 in [false, true] {
        let lost = lost(as_pid_1);
        println!("{lost} of 400 are lost, as PID 1: {as_pid_1}");
        assert!(lost <= 15, "{lost} of 400 are lost, as PID 1: {as_pid_1}");
    }
}

/// A folder that is the test's own, with files in it: name, mode, contents.
fn folder(files: &[(&str, u32, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, mode, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
    }
    folder
}

fn in_folder(run: Run, folder: &Path) -> Run {
    run.with(|command| {
        command.current_dir(folder);
    })
}

#[test]
fn a_job_never_sees_the_wrapper_in_its_own_folder() {
    let folder = folder(&[]);
    // On a machine that has other things to do, too.
    let busy = thread::spawn(|| {
        let until = Instant::now() + Duration::from_secs(4);
        while Instant::now() < until {}
    });
    for _ in 0..200 {
        let job = ["sh", "-c", "readlink /proc/$PPID/cwd; pwd -P"];
        let outcome = in_folder(init(&[], false, &job), folder.path()).outcome();
        let real = fs::canonicalize(folder.path()).unwrap();
        assert_eq!(outcome.exits(0).stdout, format!("/\n{}\n", real.display()));
    }
    busy.join().unwrap();
}

#[test]
fn the_job_has_the_callers_folder_whatever_became_of_that() {
    // Removed.
    let gone = folder(&[]);
    let script = "rmdir \"$PWD\" && exec \"$@\"";
    let run = init(&[], false, &["sh", "-c", "readlink /proc/self/cwd"]).under(&["sh", "-c", script, "sh"]);
    let outcome = in_folder(run, gone.path()).outcome();
    let name = fs::canonicalize(gone.path().parent().unwrap()).unwrap().join(gone.path().file_name().unwrap());
    assert_eq!(outcome.exits(0).stdout, format!("{} (deleted)\n", name.display()));

    // Not to be entered again by this user: the wrapper stays there too.
    let closed = folder(&[]);
    fs::set_permissions(closed.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let job = ["sh", "-c", "readlink /proc/self/cwd"];
    let run = init(&[], false, &job).under(&["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]);
    let outcome = in_folder(run, closed.path()).outcome();
    if outcome.stderr.contains("setresuid") || outcome.stderr.contains("setgroups") || outcome.code == 126 {
        return skip("other users can be had, and can execute the wrapper");
    }
    assert_eq!(outcome.exits(0).stdout, format!("{}\n", fs::canonicalize(closed.path()).unwrap().display()));
}

/// A run of this command with this `PATH`.
fn found(path: &str, command: &[&str]) -> Outcome {
    init(&[], false, command).env("PATH", path).outcome()
}

#[test]
fn a_program_is_found_as_execvp_finds_it() {
    let script = "echo $0 $*";
    let folder = folder(&[
        ("one/tool", 0o644, script),
        ("two/tool", 0o755, script),
        ("three/folder/x", 0o644, ""),
        ("file", 0o755, script),
        ("four/shebang", 0o755, "#!/bin/sh\necho own"),
        ("four/broken", 0o755, "\u{7f}ELF"),
        ("four/no-interpreter", 0o755, "#!/nowhere/sh\n"),
    ]);
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (one, two, three, four) = (at("one"), at("two"), at("three"), at("four"));
    // A script without `#!` is the shell's, with the name of the file. What may not be executed is passed over.
    assert_eq!(found(&two, &["tool", "a", "b c"]).exits(0).stdout, format!("{two}/tool a b c\n"));
    assert_eq!(found(&format!("{one}:{two}"), &["tool", "a"]).exits(0).stdout, format!("{two}/tool a\n"));
    assert_eq!(found("/bin", &[&at("file"), "x"]).exits(0).stdout, format!("{} x\n", at("file")));
    assert_eq!(found(&four, &["shebang"]).exits(0).stdout, "own\n");
    // What is told of is what is there.
    found(&one, &["tool"]).exits(126).says("ermission denied");
    found(&format!("{one}:{four}"), &["tool"]).exits(126).says("ermission denied");
    found(&three, &["folder"]).exits(126).says("ermission denied");
    found(&four, &["no-interpreter"]).exits(127);
    found(&format!("{}:{two}", at("file")), &["tool"]).exits(0);
    for path in [&four[..], "", "/nowhere"] {
        found(path, &["tool"]).exits(127).says("o such file");
    }
    found(&two, &[""]).exits(127);
    found(&two, &["./tool"]).exits(127);
    found(&two, &[&"x".repeat(300)]).exits(126);
    // An empty part is the working directory, and without PATH there are two folders.
    for path in ["", ":/nowhere", "/nowhere:", "/nowhere::/nowhere"] {
        let run = in_folder(init(&[], false, &["tool", "a"]).env("PATH", path), Path::new(&two));
        assert_eq!({ run }.outcome().exits(0).stdout, "tool a\n", "{path:?}");
    }
    let without = run(["--plugin", "none", "sh", "-c", "echo ok"]).with(|command| {
        command.env_remove("PATH");
    });
    assert_eq!({ without }.outcome().exits(0).stdout, "ok\n");
    // The shell cannot make anything of it either, and says so.
    let broken = found(&four, &["broken"]);
    assert!([2, 126, 127].contains(&broken.code), "{broken:#?}");
}

/// A job that touches next to nothing, or none where there is no compiler for it.
fn bare(folder: &Path) -> Option<PathBuf> {
    if !cfg!(target_arch = "x86_64") {
        return None;
    }
    let program = folder.join("bare");
    let mut cc = Command::new("cc")
        .args(["-static", "-nostdlib", "-x", "assembler", "-", "-o"])
        .arg(&program)
        .stdin(Stdio::piped())
        .spawn()
        .ok()?;
    let code = ".globl _start\n_start: mov $60, %eax\n xor %edi, %edi\n syscall\n";
    cc.stdin.take()?.write_all(code.as_bytes()).ok()?;
    cc.wait().ok()?.success().then_some(program)
}

/// Page faults of a program and all that it has waited for.
#[expect(clippy::zombie_processes, reason = "it is waited for by its id")]
fn faults(mut command: Command) -> i64 {
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // SAFETY: plain data, and valid pointers to it; the child is not waited for by anybody else.
    unsafe {
        let (mut status, mut usage) = (0, std::mem::zeroed::<libc::rusage>());
        assert_eq!(libc::wait4(child.id() as libc::pid_t, &mut status, 0, &mut usage), child.id() as libc::pid_t);
        assert_eq!(status, 0);
        usage.ru_minflt
    }
}

#[test]
fn a_run_touches_few_pages() {
    own_network();
    let folder = folder(&[]);
    let Some(job) = bare(folder.path()) else { return skip("there is a C compiler for this CPU") };
    let _server = Server::start(15020, Answer::ok());
    // Written in one go, as an image's layer is: the kernel maps more of such a file at once than of what a linker wrote.
    let wrapper = folder.path().join("wrapper");
    fs::copy(dist("wrapper-slim"), &wrapper).unwrap();
    let least = |plugin: &str| {
        let one = || {
            let mut command = Command::new(&wrapper);
            command.args(["--plugin", plugin]).arg(&job).env_remove("RUST_BACKTRACE");
            faults(command)
        };
        (0..10).map(|_| one()).min().unwrap()
    };
    let (without, with) = (least("none"), least("istio-quit"));
    println!("{without} page faults without hooks, {with} with istio-quit");
    // How many pages of a file the kernel maps at once depends on how they lie in its cache, so there is room: by `perf stat`,
    // which leaves out those that were asked for, 38 and 121.
    assert!(without <= 60 && with <= 220, "{without} without hooks, {with} with istio-quit");
}

#[test]
fn a_program_that_does_not_exist_is_said_to_be_missing() {
    run_program(wrapper(), ["--plugin", "none", "/nowhere/program"]).outcome().exits(127).says("o such file");
}

/// As many arguments as a command line of this length, with the wrapper's own before them.
fn many(length: usize) -> Vec<&'static str> {
    ["x"].repeat(length)
}

#[test]
fn the_arguments_of_a_job_are_not_copied() {
    // What the wrapper has in memory while the job looks, beside its stack, where the kernel has put the arguments.
    let job = ["sh", "-c", "grep -E '^Vm(RSS|Stk)' /proc/$PPID/status; echo $#", "sh"];
    let beside_the_stack = |options: &[&str], count: usize| {
        let outcome = run(options.iter().chain(&job).chain(&many(count))).outcome();
        let lines: Vec<_> = outcome.exits(0).stdout.lines().map(str::to_owned).collect();
        let size = |name: &str| -> i64 {
            let line = lines.iter().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse().unwrap()
        };
        assert_eq!(lines.last().unwrap(), &count.to_string());
        size("VmRSS") - size("VmStk")
    };
    for options in [&["--plugin", "none"][..], &["--plugin", "none", "--"]] {
        let (few, most) = (beside_the_stack(options, 1), beside_the_stack(options, 150_000));
        println!("{few} KiB with one argument, {most} KiB with 150,000");
        assert!(most <= few + 200, "{most} KiB with 150,000 arguments, {few} KiB with one");
    }
}

#[test]
fn little_memory_for_data_is_enough_for_a_job_of_many_arguments() {
    let job: Vec<_> = ["sh", "-c", "exit 3"].into_iter().chain(many(150_000)).collect();
    for limit in ["--data=1500000", "--data=8000000"] {
        run(["--plugin", "none"].iter().chain(&job)).under(&["prlimit", limit]).outcome().exits(3);
        // Whatever becomes of the hook.
        run(["--plugin", "echo"].iter().chain(&job)).under(&["prlimit", limit]).outcome().exits(3);
    }
}

#[test]
fn too_little_memory_for_the_options_is_a_line_and_125() {
    let plugins = ["--plugin", "echo"].repeat(60_000);
    let run = |more: &[&str]| {
        let words: Vec<_> = more.iter().chain(&plugins).copied().chain(["true"]).collect();
        run_program(wrapper(), words).under(&["prlimit", "--data=4000000"]).outcome()
    };
    let outcome = run(&[]);
    assert!(outcome.exits(125).stderr.starts_with("wrapper: error: there is no memory for "), "{outcome:#?}");
    assert_eq!(outcome.stderr.lines().count(), 1, "{outcome:#?}");
}

#[test]
fn too_small_a_stack_is_a_line_and_125() {
    for size in [24, 32, 48, 64, 128] {
        let limit = format!("--stack={}", size << 10);
        let outcome = init(&[], false, &["sh", "-c", "exit 3"]).under(&["prlimit", &limit]).outcome();
        match outcome.code {
            3 => assert!(size > 48, "{outcome:#?}"),
            _ => {
                assert_eq!(outcome.exits(125).says("(RLIMIT_STACK), and the wrapper needs ").stderr.lines().count(), 1)
            }
        }
    }
}
