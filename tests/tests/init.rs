//! The wrapper as an init: exit codes, and what the job is given. `docs/init.md` states each rule.

use std::{
    fs,
    io::Write as _,
    os::unix::{fs::PermissionsExt as _, process::ExitStatusExt as _},
    path::Path,
    process::{Command, Stdio},
};
use wrapper_tests::{MODES, Running, init, run, run_program, wait_until, wrapper};

const PROBE: &str = env!("CARGO_BIN_EXE_probe");

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
fn a_core_dump_is_noted() {
    let folder = tempfile::tempdir().unwrap();
    let script = "ulimit -c unlimited 2>/dev/null; kill -SEGV $$";
    // Where the system dumps none, or sends them elsewhere, is not the wrapper's to know.
    let direct = Command::new("sh").args(["-c", script]).current_dir(folder.path()).status().unwrap();
    let mut outcome = init(&[], false, &["sh", "-c", script]).with(|command| {
        command.current_dir(folder.path());
    });
    let outcome = outcome.outcome();
    outcome.exits(128 + libc::SIGSEGV).says("sh was killed by SIGSEGV");
    assert_eq!(outcome.stderr.contains("SIGSEGV (core dumped)"), direct.core_dumped(), "{outcome:#?}");
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
fn a_system_without_a_process_to_give_is_told_as_such_and_without_a_descriptor_is_no_matter() {
    let folder = tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o755)).tempdir_in("/tmp").unwrap();
    let copy = folder.path().join("wrapper");
    fs::copy(wrapper(), &copy).unwrap();
    let user = ["setpriv", "--reuid", "65533", "--regid", "65533", "--clear-groups", "prlimit"];
    let run =
        |limit, job| run_program(&copy, ["--plugin", "none", job]).under(&[&user[..], &[limit]].concat()).outcome();
    run("--nproc=1", "true")
        .exits(125)
        .says("true was not started: no process can be had for it (clone): Resource temporarily unavailable");
    // The start of a job takes no descriptor. This one, which is static, can do without too.
    let outcome = run("--nofile=3", copy.to_str().unwrap());
    outcome.exits(125).says("wrapper: started wrapper").says("see --help");
}
