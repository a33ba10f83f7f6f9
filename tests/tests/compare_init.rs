//! The same cases under the wrapper and under the inits that Debian has: tini, dumb-init and catatonit.
//!
//! `make compare-init` writes what it finds into `docs/init-comparison.md`. No cell may be there in which another init is
//! right and the wrapper is not; a peer that is not installed is left out.

use rexpect::{error::Error, session::spawn_bash};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use wait_timeout::ChildExt as _;
use wrapper_tests::{Run, Running, is_alive, on_a_terminal, run_program, wait_until, wrapper};

const PROBE: &str = env!("CARGO_BIN_EXE_probe");

/// How long a thing may take that an init does at once, before the answer is that it does not do it.
const PATIENCE: Duration = Duration::from_millis(500);

/// An init, and how it is asked for what it does not do by itself.
struct Init {
    name: &'static str,
    program: PathBuf,
    always: &'static [&'static str],
    group: Option<&'static str>,
    subreaper: Option<&'static str>,
    map_143: Option<&'static [&'static str]>,
    kill_with_init: Option<&'static [&'static str]>,
}

fn inits() -> Vec<Init> {
    let peer = |name| Init {
        name,
        program: Path::new("/usr/bin").join(name),
        always: &[],
        group: None,
        subreaper: None,
        map_143: None,
        kill_with_init: None,
    };
    let inits = [
        Init {
            program: wrapper(),
            always: &["--plugin", "none", "--log-level", "error"],
            group: Some("-g"),
            subreaper: Some("-s"),
            map_143: Some(&["-e", "143"]),
            kill_with_init: Some(&["-p", "KILL"]),
            ..peer("wrapper")
        },
        Init {
            group: Some("-g"),
            subreaper: Some("-s"),
            map_143: Some(&["-e", "143"]),
            kill_with_init: Some(&["-p", "SIGKILL"]),
            ..peer("tini")
        },
        // It signals the group unless told otherwise, and does so by `setsid`.
        Init { group: Some("--"), ..peer("dumb-init") },
        Init { group: Some("-g"), ..peer("catatonit") },
    ];
    inits.into_iter().filter(|init| init.program.exists()).collect()
}

impl Init {
    fn run(&self, options: &[&str], job: &[&str]) -> Run {
        let separator = ["--"].iter().filter(|_| !options.contains(&"--"));
        run_program(&self.program, self.always.iter().chain(options).chain(separator).chain(job))
    }

    /// Its command line for a shell, without a job.
    fn words(&self) -> String {
        format!("{} {} --", self.program.display(), self.always.join(" "))
    }
}

/// What came of a case: what to show, and whether it is as it should be.
struct Cell {
    text: String,
    right: bool,
}

fn cell(right: bool, text: impl Into<String>) -> Cell {
    Cell { text: text.into(), right }
}

fn yes_or(wrong: impl Into<String>, right: bool) -> Cell {
    if right { cell(true, "yes") } else { cell(false, wrong) }
}

/// Numbers as people write them: `1–3, 7`.
fn ranges(numbers: &[i32]) -> String {
    let mut runs: Vec<(i32, i32)> = Vec::new();
    for &number in numbers {
        match runs.last_mut() {
            Some((_, end)) if *end + 1 == number => *end = number,
            _ => runs.push((number, number)),
        }
    }
    let text = |(from, to)| if from == to { format!("{from}") } else { format!("{from}–{to}") };
    runs.into_iter().map(text).collect::<Vec<_>>().join(", ")
}

fn all_but(wrong: &[i32]) -> Cell {
    if wrong.is_empty() { cell(true, "all") } else { cell(false, format!("not {}", ranges(wrong))) }
}

type Measure = fn(&Init) -> Cell;

/// What an init should do, each measured in the same way for all.
const CASES: [(&str, Measure); 26] = [
    ("exit codes 0–255 kept", |init| {
        let kept =
            |code: &i32| init.run(&[], &["sh", "-c", &format!("exit {code}")]).as_pid_1().outcome().code == *code;
        all_but(&(0..=255).filter(|code| !kept(code)).collect::<Vec<_>>())
    }),
    ("killed by signal N: 128+N", |init| {
        let died = |signal: &i32| init.run(&[], &[PROBE, "die", &signal.to_string()]).as_pid_1().outcome().code;
        let ends = (1..=64).filter(|signal| !matches!(signal, 17..=23 | 28 | 32 | 33));
        all_but(&ends.filter(|signal| died(signal) != 128 + signal).collect::<Vec<_>>())
    }),
    ("command not found: 127", |init| code_is(127, init.run(&[], &["/no/such/program"]))),
    ("found, not executable: 126", |init| code_is(126, init.run(&[], &["/etc/passwd"]))),
    ("a script without a first line is run, as `execvp` does", |init| {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("script");
        fs::write(&script, "exit 7\n").unwrap();
        fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        code_is(7, init.run(&[], &[script.to_str().unwrap()]))
    }),
    ("signals passed on, of 1–64 without KILL, STOP, CHLD", |init| all_but(&not_passed_on(init, true))),
    ("the same where it is not PID 1", |init| all_but(&not_passed_on(init, false))),
    ("a real-time signal's value is passed on", |init| {
        let (running, _) = Running::start(init.run(&[], &[PROBE, "catch"]).as_pid_1());
        let value = libc::sigval { sival_ptr: 4711 as *mut libc::c_void };
        // SAFETY: the pointer is a number that is carried along.
        unsafe { libc::sigqueue(running.init, 40, value) };
        yes_or("no", running.line_within(PATIENCE).is_some_and(|line| line == "got 40 4711"))
    }),
    ("100 real-time signals at once: all passed on", |init| {
        let (running, _) = Running::start(init.run(&[], &[PROBE, "catch"]).as_pid_1());
        (0..100).for_each(|_| running.send(40));
        let count = (0..100).take_while(|_| running.line_within(PATIENCE).is_some()).count();
        yes_or(format!("{count}"), count == 100)
    }),
    ("SIGTERM once a job is there: lost of 200", |init| {
        // The job is there as soon as it is forked: whether it has been executed yet is not waited for.
        let lost = (0..200).filter(|_| term_is_lost(init, |pid| !children(pid).is_empty())).count();
        cell(lost == 0, lost.to_string())
    }),
    ("10,000 orphans at once reaped, as PID 1", |init| orphans(init.run(&[], &[PROBE, "orphans", "10000"]).as_pid_1())),
    ("orphans reaped where it is not PID 1, if asked for", |init| match init.subreaper {
        Some(option) => orphans(init.run(&[option], &[PROBE, "orphans", "100"]).as_pid_1_of_a_shell()),
        None => cell(false, "no such option"),
    }),
    ("it ends with the job, whatever the job left", |init| {
        let outcome = init.run(&[], &["sh", "-c", "setsid sleep 61 >/dev/null 2>&1 & exit 3"]).as_pid_1().outcome();
        yes_or("no", outcome.code == 3 && outcome.took < Duration::from_secs(5))
    }),
    ("SIGTERM for the whole group, if asked for", |init| match init.group {
        Some(option) => {
            // The leader outlasts the member, whose last word would otherwise be cut off with the namespace.
            let script =
                "trap : TERM; sh -c 'trap \"echo member; exit\" TERM; echo ready; sleep 9 & wait' & wait; wait";
            let (running, _) = Running::start(init.run(&[option], &["sh", "-c", script]).as_pid_1());
            running.send(libc::SIGTERM);
            yes_or("no", running.line_within(PATIENCE).is_some())
        }
        None => cell(false, "no such option"),
    }),
    ("143 reported as 0, if asked for", |init| match init.map_143 {
        Some(options) => code_is(0, init.run(options, &["sh", "-c", "kill $$"])),
        None => cell(false, "no such option"),
    }),
    ("the job dies with an init that is killed, if asked for", |init| match init.kill_with_init {
        Some(options) => {
            let (running, pid) = Running::start(init.run(options, &["sh", "-c", "echo $$; exec sleep 61"]));
            let pid = pid.parse().unwrap();
            running.send(libc::SIGKILL);
            thread::sleep(Duration::from_millis(100));
            let dies = !is_alive(pid);
            // SAFETY: no pointers; the sleep is this test's, or its id has just been freed.
            unsafe { libc::kill(pid, libc::SIGKILL) };
            yes_or("no", dies)
        }
        None => cell(false, "no such option"),
    }),
    ("the caller's signal mask and ignored signals are the job's", |init| {
        let said = |run: Run| {
            run.with_signals(&[libc::SIGPIPE, libc::SIGUSR1, libc::SIGINT], &[libc::SIGUSR2, libc::SIGTTOU, 41])
                .outcome()
                .stdout
        };
        yes_or("no", said(init.run(&[], &[PROBE, "signals"])) == said(run_program(PROBE, ["signals"])))
    }),
    ("a caller that ignores SIGCHLD costs no exit code", |init| {
        let mut run = init.run(&[], &["sh", "-c", "exit 3"]).with_signals(&[libc::SIGCHLD], &[]);
        let mut child = run.start();
        let status = child.wait_timeout(PATIENCE).unwrap();
        drop(child.kill());
        drop(child.wait());
        match status.and_then(|status| status.code()) {
            Some(code) => yes_or(code.to_string(), code == 3),
            None => cell(false, "hangs"),
        }
    }),
    ("closed descriptors stay closed, others stay open", |init| {
        let shell = ["sh", "-c", "exec \"$0\" \"$@\" <&- 7</dev/null"];
        let list = |run: Run| run.under(&shell).outcome().stdout;
        let direct = list(run_program("ls", ["/proc/self/fd"]));
        yes_or("no", list(init.run(&[], &["ls", "/proc/self/fd"])) == direct)
    }),
    ("it pins no working directory, and the job keeps it", |init| {
        let folder = tempfile::tempdir().unwrap();
        let run = init.run(&[], &["sh", "-c", "pwd; exec sleep 61"]).with(|command| {
            command.current_dir(folder.path());
        });
        let (running, said) = Running::start(run);
        thread::sleep(Duration::from_millis(50));
        let own = fs::read_link(format!("/proc/{}/cwd", running.init)).unwrap();
        let right = Path::new(&said) == folder.path().canonicalize().unwrap() && own == Path::new("/");
        running.send(libc::SIGTERM);
        yes_or("no", right)
    }),
    ("from a shell the job is in the foreground, and afterwards the shell", |init| {
        at_a_shell(init, |shell| {
            shell.send_line("$I $P groups; echo code $?")?;
            shell.exp_string("leads true, foreground true")?;
            shell.exp_string("code 0")?;
            shell.send_line("echo still $((40 + 2))")?;
            shell.exp_string("still 42")?;
            Ok(())
        })
    }),
    ("Ctrl-C reaches the job once", |init| {
        at_a_shell(init, |shell| {
            shell.send_line(
                r#"$I sh -c 'n=0; trap "n=\$((n+1))" INT; echo re""ady; while [ $n = 0 ]; do sleep 0.05; done; sleep 0.2; echo counted $n'"#,
            )?;
            shell.exp_string("ready")?;
            shell.send_control('c')?;
            shell.exp_string("counted 1")?;
            Ok(())
        })
    }),
    ("Ctrl-Z gives the shell its prompt, `fg` goes on", |init| {
        at_a_shell(init, |shell| {
            shell.send_line("$I sh -c 'echo re\"\"ady; read a; echo \"<$a>\"'; echo code $?")?;
            shell.exp_string("ready")?;
            shell.send_control('z')?;
            shell.exp_string("Stopped")?;
            shell.send_line("fg")?;
            thread::sleep(Duration::from_millis(100));
            shell.send_line("one")?;
            shell.exp_string("<one>")?;
            Ok(())
        })
    }),
    ("at a terminal as PID 1 the job is in the foreground", |init| {
        let (running, said) = Running::start(at_a_terminal_as_pid_1(init, &[PROBE, "groups"]));
        drop(running);
        yes_or("no", said == "leads true, foreground true")
    }),
    ("Ctrl-Z there does not stop the job for ever", |init| {
        // The key's signal comes from the terminal; the job stops itself in the same way, and nobody would continue it.
        let run = at_a_terminal_as_pid_1(init, &["sh", "-c", "echo ready; kill -TSTP $$; echo goes on"]);
        let (running, _) = Running::start(run);
        yes_or("no", running.line_within(PATIENCE).is_some_and(|line| line == "goes on"))
    }),
    ("a hang-up of the terminal reaches the job", |init| {
        let folder = tempfile::tempdir().unwrap();
        let (ready, heard) = (folder.path().join("ready"), folder.path().join("heard"));
        let script = "trap ': >\"$1\"; exit 8' HUP; : >\"$0\"; while :; do sleep 0.05; done";
        let mut command = Command::new(&init.program);
        command.args(init.always).args(["--", "sh", "-c", script]).args([&ready, &heard]);
        let (person, mut child) = on_a_terminal(command);
        wait_until("the job", || ready.exists());
        drop(person);
        drop(child.wait_timeout(PATIENCE));
        let right = heard.exists();
        drop(child.kill());
        drop(child.wait());
        yes_or("no", right)
    }),
];

fn code_is(expected: i32, run: Run) -> Cell {
    let code = run.as_pid_1().outcome().code;
    cell(code == expected, code.to_string())
}

fn orphans(mut run: Run) -> Cell {
    let outcome = run.outcome();
    yes_or("no", outcome.stdout.starts_with("zombies 0,"))
}

/// Sends each signal to the init, and each time another one by which it is seen that the first has not come.
fn not_passed_on(init: &Init, as_pid_1: bool) -> Vec<i32> {
    let start = || {
        let run = init.run(&[], &[PROBE, "catch"]);
        Running::start(if as_pid_1 { run.as_pid_1() } else { run }).0
    };
    let mut running = start();
    let mut missing = Vec::new();
    // The probe ends by SIGALRM, which so comes last.
    for signal in (1..=64).filter(|signal| !matches!(signal, 9 | 14 | 17 | 19 | 32 | 33)).chain([libc::SIGALRM]) {
        running.send(signal);
        if running.line_within(PATIENCE).is_none_or(|line| line != format!("got {signal} 0")) {
            missing.push(signal);
            // It may be stopped or dead.
            running = start();
        }
    }
    missing
}

fn children(pid: libc::pid_t) -> String {
    fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default()
}

/// Whether a SIGTERM has no effect that is sent to process 1 as soon as something is so.
fn term_is_lost(init: &Init, moment: impl Fn(libc::pid_t) -> bool) -> bool {
    let mut run = init.run(&[], &["sleep", "61"]).as_pid_1().with(|command| {
        command.stderr(Stdio::null());
    });
    let mut child = run.start();
    let until = Instant::now() + Duration::from_secs(10);
    let pid = loop {
        match children(child.id() as libc::pid_t).trim().parse() {
            Ok(pid) if moment(pid) => break pid,
            _ => assert!(Instant::now() < until, "{} does not start", init.name),
        }
    };
    // SAFETY: no pointers; the parent of that process lives, and has not waited for it unless it ended by itself.
    unsafe { libc::kill(pid, libc::SIGTERM) };
    let lost = child.wait_timeout(PATIENCE).unwrap().is_none();
    drop(child.kill());
    drop(child.wait());
    lost
}

/// A dialogue with a bash in which `I` is the init and `P` the probe: whether all of it comes about.
fn at_a_shell(init: &Init, dialogue: impl FnOnce(&mut rexpect::session::PtyReplSession) -> Result<(), Error>) -> Cell {
    let mut shell = spawn_bash(Some(2_000)).unwrap();
    shell.quit_command = None;
    shell.send_line(&format!("I='{}'; P='{PROBE}'; set -o monitor", init.words())).unwrap();
    shell.wait_for_prompt().unwrap();
    let result = dialogue(&mut shell);
    // Whatever is left of the job, stopped or not, hangs up with its shell.
    shell.process.set_kill_timeout(Some(0));
    if let Err(error) = &result {
        println!("{}: {error}", init.name);
    }
    yes_or("no", result.is_ok())
}

/// A run as process 1 and leader of a session that has a terminal, and whose stdout is the test's all the same.
fn at_a_terminal_as_pid_1(init: &Init, job: &[&str]) -> Run {
    init.run(&[], job).under(&[PROBE, "terminal"]).as_pid_1()
}

fn table() -> (String, Vec<String>) {
    let inits = inits();
    let names: Vec<_> = inits.iter().map(|init| init.name).collect();
    let mut table = format!("| | {} |\n|---|{}\n", names.join(" | "), "---|".repeat(names.len()));
    let mut wrong = Vec::new();
    for (what, measure) in CASES {
        let cells: Vec<_> = inits.iter().map(measure).collect();
        if !cells[0].right {
            wrong.push(format!("{what}: {}", cells[0].text));
        }
        let shown = cells.iter().map(|cell| if cell.right { cell.text.clone() } else { format!("**{}**", cell.text) });
        table += &format!("| {what} | {} |\n", shown.collect::<Vec<_>>().join(" | "));
    }
    (table, wrong)
}

const HEAD: &str = "# Inits compared

Each row is a rule for an init; each cell is what came of it, in bold where the rule is broken. `make compare-init` runs all
of it and writes this file; the wrapper runs no hooks here. `init.md` says why the rules are what they are.

";

#[test]
fn no_other_init_is_right_where_the_wrapper_is_not() {
    let (table, wrong) = table();
    println!("{table}");
    assert_eq!(wrong, [""; 0]);
    if let Some(file) = std::env::var_os("COMPARE_INIT") {
        let versions = ["tini", "dumb-init", "catatonit"].map(|name| {
            let output = Command::new(name).arg("--version").output().unwrap();
            let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            let version =
                text.split_whitespace().find(|word| word.contains('.')).unwrap_or("?").trim_start_matches('v');
            let version = version.split('_').next().unwrap();
            format!("{name} {version}")
        });
        fs::write(file, format!("{HEAD}{table}\nCompared with Debian's {}.\n", versions.join(", "))).unwrap();
    }
}

#[test]
fn the_page_has_the_cases_that_are_measured() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/init-comparison.md")).unwrap();
    let rows: Vec<_> =
        page.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | ")).map(|row| row.0).collect();
    let cases: Vec<_> = CASES.iter().map(|(what, _)| *what).collect();
    assert_eq!(rows[1..], cases, "run `make compare-init`");
}
