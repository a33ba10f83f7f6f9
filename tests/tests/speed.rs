//! It costs nothing you can feel: the same work as the shell line that people paste, in one run, interleaved.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use wrapper_tests::{Answer, Server, dist, own_network};

#[test]
fn a_run_with_its_hook_is_faster_than_a_shell_with_curl() {
    own_network();
    let server = Server::start(15020, Answer::ok());
    let time = |command: &mut Command| {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let started = Instant::now();
        assert!(command.status().unwrap().success());
        let took = started.elapsed();
        assert_eq!(server.requests().len(), 1, "{command:?} did not do the work");
        took
    };
    let mut wrapper = Vec::new();
    let mut shell = Vec::new();
    for _ in 0..31 {
        wrapper.push(time(Command::new(dist("wrapper")).arg("true")));
        shell.push(time(Command::new("sh").args(["-c", "true; curl -s -X POST http://localhost:15020/quitquitquit"])));
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 2]
    };
    let (wrapper, shell) = (median(&mut wrapper), median(&mut shell));
    println!("medians of 31: wrapper {wrapper:?}, sh with curl {shell:?}");
    assert!(wrapper < shell, "wrapper {wrapper:?}, sh with curl {shell:?}");
}
