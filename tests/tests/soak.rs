//! Random signals at random times, for as long as `SOAK_SECONDS` says: `make soak`.

use std::{
    fs,
    io::Read as _,
    thread,
    time::{Duration, Instant},
};
use wait_timeout::ChildExt as _;
use wrapper_tests::{init, wait_until};

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
        let left = || marked(&format!("SOAK_RUN={runs}"));
        if mode.contains(&"--wait-all") {
            assert!(left().is_empty(), "run {runs} left {:?}", left());
        }
        // The shell's own child may take its moment; and where a stop meant for the group came just as the shell ended, it
        // stays stopped, as the kernel continues only those that have stopped by then (exit(3), orphaned process groups).
        wait_until("the end of all of it", || {
            left().iter().for_each(|pid| {
                // SAFETY: no pointers; it has the mark of this run, or has just ended, and ids are not given anew so soon.
                unsafe { libc::kill(pid.parse().unwrap(), libc::SIGCONT) };
            });
            left().is_empty()
        });
        let mut log = String::new();
        child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        // Who is asked to end before the start does not start, and says so.
        let obeyed =
            ENDS.iter().any(|signal| status.code() == Some(128 + signal)) && log.contains("came before its start");
        let right = status.code() == Some(code) && log.is_empty();
        assert!(right || obeyed, "run {runs}, {mode:?}, exit {code}: {status:?}, {log}");
        runs += 1;
    }
    println!("{runs} runs in {seconds} s");
    assert!(runs > 50, "{runs}");
}
