//! What is said while something takes long.

use std::{
    path::Path,
    sync::mpsc::{RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use wrapper::report::printable;

/// How often.
const NOTE: Duration = Duration::from_secs(3);

/// Does work that compiles a plugin, and says on stderr every few seconds that it goes on: one that brings an interpreter takes
/// the better part of a minute.
pub fn telling<T>(input: &Path, work: impl FnOnce() -> T) -> T {
    let size = input.metadata().map_or(0, |data| data.len()) as f64 / 1e6;
    let (done, told) = channel::<()>();
    let name = printable(&input.display().to_string());
    let teller = thread::spawn(move || {
        let started = Instant::now();
        while told.recv_timeout(NOTE) == Err(RecvTimeoutError::Timeout) {
            let seconds = started.elapsed().as_secs();
            eprintln!(
                "wrapper-plugin: compiling {name} ({size:.1} MB), {seconds} s so far; a MB takes one to four seconds"
            );
        }
    });
    let result = work();
    drop(done);
    teller.join().expect("it does nothing that could fail");
    result
}
