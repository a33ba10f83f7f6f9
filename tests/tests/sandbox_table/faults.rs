//! The world fails while a hook is to be run: no descriptors, no threads, no memory, no reader of the log.

use super::{Row, hostile, job};
use std::{
    fs,
    io::Write as _,
    os::{fd::AsRawFd as _, unix::fs::PermissionsExt as _},
    path::Path,
    process::Stdio,
};
use wrapper_tests::{Run, run, run_program, wrapper};

/// What the built-in plugin logs that is asked to tell how the job ended.
const ECHO: &str = "echo: sh exited 3";

/// A job that exits 3 and that plugin, with one of these limits (prlimit(1)).
fn limited(limit: &str) -> Run {
    job("echo").under(&["prlimit", limit])
}

/// The same as a user who may have so many processes and threads, and who has no others.
fn with_threads(copy: &Path, user: u32, count: u32) -> Run {
    let (user, limit) = (user.to_string(), format!("--nproc={count}"));
    let arguments = ["--plugin", "echo", "--hook-timeout", "1s", "sh", "-c", "exit 3"];
    let prefix = ["setpriv", "--reuid", &user, "--regid", &user, "--clear-groups", "prlimit", &limit];
    run_program(copy, arguments).under(&prefix)
}

/// A job that first does this to its parent, the wrapper, and a hook that takes 400 ms.
fn done_to_the_wrapper(script: &str) -> Run {
    let script = format!("({script}) & exit 3");
    let plugin = wrapper_tests::HOSTILE;
    run(["--plugin", plugin, "--hook-timeout", "1s", "sh", "-c", &script]).env("HOOK_AFTER", "nap 400")
}

/// A pipe that is full and that nobody reads.
fn full_pipe() -> Stdio {
    let (reader, mut writer) = std::io::pipe().unwrap();
    // SAFETY: no pointers; a page is the least that a pipe can be (fcntl(2)).
    assert_eq!(unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETPIPE_SZ, 4096) }, 4096);
    writer.write_all(&[b'x'; 4096]).unwrap();
    std::mem::forget(reader);
    writer.into()
}

fn closed_pipe() -> Stdio {
    std::io::pipe().unwrap().1.into()
}

pub fn rows(folder: &Path) -> Vec<Row> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    let copy = folder.join("wrapper");
    fs::copy(wrapper(), &copy).unwrap();
    let no_proc = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs none /proc && exec \"$0\" \"$@\""];
    let mut rows = vec![
        Row::new("five descriptors", limited("--nofile=5"), "echo: "),
        Row::new("six descriptors", limited("--nofile=6"), "echo: "),
        Row::new("eight descriptors", limited("--nofile=8"), "echo: "),
        Row::new(
            "no process to be had",
            with_threads(&copy, 61_001, 1),
            "no process can be had for it (clone): Resource",
        )
        .code(125),
        Row::new("no thread to be had", with_threads(&copy, 61_002, 2), ECHO),
        Row::new("no file may grow", limited("--fsize=0"), "echo: "),
        Row::new("a stack of 256 KiB", limited("--stack=262144"), ECHO),
        Row::new("no /proc", job("echo").under(&no_proc), ECHO),
        Row::new(
            "the wrapper is stopped for 300 ms while the job runs",
            {
                let script = "(sleep 0.3; kill -CONT $PPID) & kill -STOP $PPID; exit 3";
                run(["--plugin", "echo", "--hook-timeout", "1s", "sh", "-c", script])
            },
            ECHO,
        ),
        Row::new(
            "the wrapper is stopped for 300 ms while a hook runs",
            done_to_the_wrapper("sleep 0.2; kill -STOP $PPID; sleep 0.3; kill -CONT $PPID"),
            "hostile: done in ",
        ),
        Row::new(
            "the disk is full that --report is to be written to",
            {
                let disk =
                    "mount -t tmpfs -o size=8k none /mnt && ! head -c 9000 /dev/zero >/mnt/full && exec \"$0\" \"$@\"";
                let run = run(["--plugin", "echo", "--report", "/mnt/report", "sh", "-c", "exit 3"]);
                run.under(&["unshare", "--mount", "sh", "-c", disk])
            },
            "the report cannot be written to /mnt/report: No space left on device",
        ),
        Row::silent("the log's reader is gone", hostile("flood-log"), closed_pipe()),
        Row::silent("the log's reader has stopped reading", hostile("flood-log"), full_pipe()),
    ];
    if cfg!(target_arch = "x86_64") {
        rows.extend(clock_rows());
    }
    for (tried, mebibytes) in ADDRESS_SPACE {
        rows.push(Row::new(tried, limited(&format!("--as={}", mebibytes << 20)), "sh exited 3"));
    }
    rows
}

/// The clock is set an hour to and fro, whenever it is read.
fn clock_rows() -> impl Iterator<Item = Row> {
    [
        ("the clock jumps, and the hook is told of the job", job("echo"), ECHO),
        ("the clock jumps, and the guest loops", hostile("spin"), "stopped at its deadline"),
        ("the clock jumps, and the guest waits for ever", hostile("sleep"), "stopped at its deadline"),
    ]
    .map(|(tried, run, says)| Row::new(tried, run.under(&[env!("CARGO_BIN_EXE_probe"), "jump"]), says))
    .into_iter()
}

/// From where the wrapper can be executed at all to where it has all that it wants.
const ADDRESS_SPACE: [(&str, u64); 6] = [
    ("address space of 14 MiB", 14),
    ("address space of 16 MiB", 16),
    ("address space of 18 MiB", 18),
    ("address space of 20 MiB", 20),
    ("address space of 32 MiB", 32),
    ("address space of 64 MiB", 64),
];
