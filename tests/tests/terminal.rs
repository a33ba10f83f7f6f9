//! The wrapper at a terminal: keys reach the job, an interactive shell can suspend it, and the shell gets its terminal back.

use rexpect::session::{PtyReplSession, PtySession, spawn, spawn_bash};
use std::{
    os::fd::AsRawFd as _,
    process::Command,
    time::{Duration, Instant},
};
use wait_timeout::ChildExt as _;
use wrapper_tests::{on_a_terminal, wrapper};

const PROBE: &str = env!("CARGO_BIN_EXE_probe");

/// Longer than anything here takes, in milliseconds.
const PATIENCE: u64 = 10_000;

/// An interactive bash with job control, in which `W` is the wrapper without hooks and `P` the probe.
fn shell() -> PtyReplSession {
    let mut shell = spawn_bash(Some(PATIENCE)).unwrap();
    // Not `quit`, which is no command of bash's: it would be waited for and killed in the end.
    shell.quit_command = Some("exit".to_owned());
    for line in [
        format!("W='{} --plugin none --log-level error'", wrapper().display()),
        format!("P='{PROBE}'"),
        "set -o monitor".to_owned(),
    ] {
        shell.send_line(&line).unwrap();
        shell.wait_for_prompt().unwrap();
    }
    shell
}

/// Sends a line, and waits for these texts in their order and then for the prompt.
fn says(shell: &mut PtyReplSession, line: &str, texts: &[&str]) {
    shell.send_line(line).unwrap();
    for text in texts {
        shell.exp_string(text).unwrap_or_else(|error| panic!("{line}: {text}: {error}"));
    }
    shell.wait_for_prompt().unwrap_or_else(|error| panic!("{line}: {error}"));
}

#[test]
fn the_job_leads_its_group_in_the_foreground_and_the_shell_gets_the_terminal_back() {
    let mut shell = shell();
    for options in ["", "-g", "-s"] {
        says(&mut shell, &format!("$W {options} $P groups; echo code $?"), &["leads true, foreground true", "code 0"]);
    }
    says(&mut shell, "$W /no/such/program; echo code $?", &["code 127"]);
    // The shell could not read these lines if it did not have the terminal.
    says(&mut shell, "echo still $((40 + 2))", &["still 42"]);
}

#[test]
fn in_the_background_the_terminal_is_left_alone() {
    let mut shell = shell();
    says(&mut shell, "$W $P groups & wait $!; echo code $?", &["leads true, foreground false", "code 0"]);
}

#[test]
fn control_c_reaches_the_job_once() {
    let mut shell = shell();
    let job = r#"$W sh -c 'n=0; trap "n=\$((n+1))" INT; echo re""ady; while [ $n = 0 ]; do sleep 0.05; done; sleep 0.3; echo counted $n'; echo code $?"#;
    shell.send_line(job).unwrap();
    shell.exp_string("ready").unwrap();
    shell.send_control('c').unwrap();
    shell.exp_string("counted 1").unwrap();
    shell.exp_string("code 0").unwrap();
    shell.wait_for_prompt().unwrap();
}

#[test]
fn a_job_that_does_not_catch_control_c_ends_as_it_would_alone() {
    let mut shell = shell();
    shell.send_line("$W sh -c 'echo re\"\"ady; exec sleep 61'; echo code $?").unwrap();
    shell.exp_string("ready").unwrap();
    shell.send_control('c').unwrap();
    shell.exp_string("code 130").unwrap();
    shell.wait_for_prompt().unwrap();
}

#[test]
fn a_line_typed_is_echoed_and_read_by_the_job() {
    let mut shell = shell();
    // The terminals of these tests have no echo until somebody turns it on, which only the foreground may.
    shell
        .send_line("$W sh -c 'stty echo; echo re\"\"ady; read line; stty -echo; echo \"<$line>\"'; echo code $?")
        .unwrap();
    shell.exp_string("ready").unwrap();
    shell.send_line("typed").unwrap();
    shell.exp_string("typed\r\n").unwrap();
    shell.exp_string("<typed>").unwrap();
    shell.exp_string("code 0").unwrap();
    shell.wait_for_prompt().unwrap();
}

#[test]
fn suspend_and_foreground_and_background_work() {
    let mut shell = shell();
    let job = "$W sh -c 'echo re\"\"ady; read a; echo \"<$a>\"; read b; echo \"[$b]\"; exit 7'";
    shell.send_line(job).unwrap();
    shell.exp_string("ready").unwrap();
    shell.send_control('z').unwrap();
    shell.exp_string("Stopped").unwrap();
    shell.wait_for_prompt().unwrap();

    // In the foreground again the job reads the terminal.
    shell.send_line("fg").unwrap();
    shell.send_line("one").unwrap();
    shell.exp_string("<one>").unwrap();
    shell.send_control('z').unwrap();
    shell.exp_string("Stopped").unwrap();
    shell.wait_for_prompt().unwrap();

    // In the background it may not: the system stops it, and the shell sees that.
    shell.send_line("bg; sleep 0.5; jobs").unwrap();
    shell.exp_string("Stopped").unwrap();
    shell.wait_for_prompt().unwrap();

    shell.send_line("fg; echo code $?").unwrap();
    shell.send_line("two").unwrap();
    shell.exp_string("[two]").unwrap();
    shell.exp_string("code 7").unwrap();
    shell.wait_for_prompt().unwrap();
}

#[test]
fn a_job_in_the_background_goes_on_and_is_told_of_its_end() {
    let mut shell = shell();
    shell.send_line("$W sh -c 'echo re\"\"ady; sleep 1; echo fini\"\"shed; exit 3'").unwrap();
    shell.exp_string("ready").unwrap();
    shell.send_control('z').unwrap();
    shell.exp_string("Stopped").unwrap();
    shell.wait_for_prompt().unwrap();
    shell.send_line("bg >/dev/null; wait %1; echo code $?").unwrap();
    shell.exp_string("finished").unwrap();
    shell.exp_string("code 3").unwrap();
    shell.wait_for_prompt().unwrap();
}

fn set_window_size(session: &PtySession, rows: u16, columns: u16) {
    let terminal = session.process.get_file_handle().unwrap();
    let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the pointer is to a valid winsize for the duration of the call.
    assert_eq!(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSWINSZ, &size) }, 0);
}

#[test]
fn the_job_sees_the_terminals_size_and_its_changes() {
    let mut session: PtySession =
        spawn(&format!("{} --plugin none --log-level error {PROBE} size", wrapper().display()), Some(PATIENCE))
            .unwrap();
    session.exp_string("columns").unwrap();
    for (rows, columns) in [(40, 100), (10, 20)] {
        set_window_size(&session, rows, columns);
        session.send_line("").unwrap();
        session.exp_string(&format!("{rows} rows {columns} columns")).unwrap();
    }
}

/// A session whose leader is the wrapper as process 1, as in a container with a terminal.
fn container(job: &str) -> PtySession {
    let command = format!(
        "unshare --fork --pid --mount-proc --kill-child setsid --ctty {} --plugin none {job}",
        wrapper().display()
    );
    spawn(&command, Some(PATIENCE)).unwrap()
}

#[test]
fn in_a_container_with_a_terminal_the_keys_reach_the_job() {
    let mut session = container(&format!("{PROBE} groups"));
    session.exp_string("leads true, foreground true").unwrap();
    session.exp_eof().unwrap();

    let mut session = container("sh -c 'echo re\"\"ady; exec sleep 61'");
    session.exp_string("ready").unwrap();
    session.send_control('c').unwrap();
    session.exp_string("sh was killed by SIGINT").unwrap();
    session.exp_eof().unwrap();
}

#[test]
fn as_process_1_no_stop_lasts_whatever_the_session() {
    for prefix in ["", "setsid "] {
        let command = format!(
            "unshare --fork --pid --mount-proc --kill-child {prefix}{} --plugin none sh -c 'kill -TSTP $$; echo goes on'",
            wrapper().display()
        );
        let mut session = spawn(&command, Some(PATIENCE)).unwrap();
        session.exp_string("SIGTSTP undone").unwrap();
        session.exp_string("goes on").unwrap();
        session.exp_eof().unwrap();
    }
}

#[test]
fn in_a_container_a_stop_that_nobody_could_end_is_undone() {
    let mut session = container("sh -c 'echo re\"\"ady; read line; echo \"<$line>\"'");
    session.exp_string("ready").unwrap();
    session.send_control('z').unwrap();
    session.exp_string("SIGTSTP undone: nobody is there to continue the job").unwrap();
    session.send_line("typed").unwrap();
    session.exp_string("<typed>").unwrap();
    session.exp_eof().unwrap();
}

#[test]
fn a_pipeline_is_suspended_as_one() {
    let mut shell = shell();
    shell.send_line("$W sh -c 'echo re\"\"ady; read line; echo \"<$line>\"' | cat; echo code $?").unwrap();
    shell.exp_string("ready").unwrap();
    shell.send_control('z').unwrap();
    shell.exp_string("Stopped").unwrap();
    shell.wait_for_prompt().unwrap();
    shell.send_line("fg").unwrap();
    shell.send_line("typed").unwrap();
    shell.exp_string("<typed>").unwrap();
    shell.wait_for_prompt().unwrap();
}

#[test]
fn a_job_that_opens_the_terminal_itself_has_it_whatever_its_streams_are() {
    let mut shell = shell();
    let job = "sh -c 'echo re\"\"ady >/dev/tty; read line </dev/tty; echo \"<$line>\" >/dev/tty'";
    for options in ["", "-g", "-s"] {
        shell.send_line(&format!("$W {options} {job} </dev/null >/dev/null 2>/dev/null; echo code $?")).unwrap();
        shell.exp_string("ready").unwrap();
        shell.send_line("typed").unwrap();
        shell.exp_string("<typed>").unwrap();
        shell.exp_string("code 0").unwrap();
        shell.wait_for_prompt().unwrap();
    }
    says(&mut shell, "echo still $((40 + 2))", &["still 42"]);
}

#[test]
fn a_hangup_reaches_the_job() {
    let folder = tempfile::tempdir().unwrap();
    let ready = folder.path().join("ready");
    let script = "trap 'exit 8' HUP; : >\"$0\"; while :; do sleep 0.05; done";
    let mut command = Command::new(wrapper());
    command.args(["--plugin", "none", "sh", "-c", script]).arg(&ready);
    let (person, mut child) = on_a_terminal(command);
    let bound = Instant::now() + Duration::from_millis(PATIENCE);
    while !ready.exists() {
        assert!(Instant::now() < bound);
    }
    // The kernel tells the session's leader, which is the wrapper, and nobody else.
    drop(person);
    let status = child.wait_timeout(Duration::from_millis(PATIENCE)).unwrap().expect("it ends");
    assert_eq!(status.code(), Some(8));
}
