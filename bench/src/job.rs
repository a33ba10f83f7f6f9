//! Jobs that tell a moment: this program, started by the one that is measured.

use crate::child;
use std::{
    io::{Write as _, stdout},
    mem, process, ptr, thread,
    time::Duration,
};

/// A job, and what it is called on the command line. It does not return.
pub fn find(name: &str) -> Option<fn(Vec<String>) -> !> {
    match name {
        "job-of" => Some(last),
        "job-end" => Some(end),
        "job-catch" => Some(catch),
        "job-peak" => Some(peak),
        _ => None,
    }
}

/// Nanoseconds of the monotonic clock, which is one for all processes.
pub fn now() -> u64 {
    // SAFETY: timespec is plain data, and the pointer to it is valid for the duration of the call.
    unsafe {
        let mut time: libc::timespec = mem::zeroed();
        libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time);
        time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
    }
}

fn say(number: u64) {
    // Whoever measures reads it, or is gone.
    drop(stdout().write_all(format!("{number}\n").as_bytes()));
}

/// Lasts so many milliseconds, says the time and is gone.
fn last(arguments: Vec<String>) -> ! {
    thread::sleep(Duration::from_millis(arguments.first().and_then(|text| text.parse().ok()).unwrap_or(0)));
    say(now());
    // SAFETY: nothing of this process is to be flushed.
    unsafe { libc::_exit(0) }
}

/// Lasts so many milliseconds, says the time and ends: with an exit code, or where that is over 128 by a signal, as a shell
/// would tell it.
fn end(arguments: Vec<String>) -> ! {
    let number = |at: usize| arguments.get(at).and_then(|text| text.parse().ok()).unwrap_or(0);
    let code = number(1) as i32;
    thread::sleep(Duration::from_millis(number(0)));
    say(now());
    // SAFETY: no pointers, and nothing of this process is to be flushed.
    unsafe {
        if code > 128 {
            libc::kill(libc::getpid(), code - 128);
        }
        libc::_exit(code)
    }
}

/// Says when each SIGTERM comes, after a first line.
fn catch(_: Vec<String>) -> ! {
    // SAFETY: the pointers are to valid values for the duration of each call.
    unsafe {
        let mut terms: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&mut terms);
        libc::sigaddset(&mut terms, libc::SIGTERM);
        libc::pthread_sigmask(libc::SIG_BLOCK, &terms, ptr::null_mut());
        say(0);
        loop {
            let mut signal = 0;
            libc::sigwait(&terms, &mut signal);
            say(now());
        }
    }
}

/// Runs a command and says how many KiB one of its processes had at most. Only a child of a small process can be asked:
/// what its parent had counts as its own until it is executed (getrusage(2)).
fn peak(command: Vec<String>) -> ! {
    let mut command = {
        let mut built = process::Command::new(&command[0]);
        built.args(&command[1..]).stdout(process::Stdio::null());
        built
    };
    let ended = child::wait(command.spawn().expect("the command is there")).expect("it is waited for");
    say(ended.peak);
    process::exit(i32::from(!ended.status.success()))
}
