//! Too much of everything.

use crate::wasi::{self, cli, http, random};
use std::mem;
use wrapper_hook::log;

/// A gigabyte, in pieces that a stream takes at once.
const PIECES: u32 = (1 << 30) / 4_096;

pub fn log() {
    loop {
        log::info!("{}", "flood ".repeat(100));
    }
}

pub fn stdout() {
    let (stream, line) = (cli::stdout::get_stdout(), line());
    for _ in 0..PIECES {
        stream.blocking_write_and_flush(&line).expect("stdout takes bytes");
    }
}

pub fn stderr() {
    let (stream, line) = (cli::stderr::get_stderr(), line());
    for _ in 0..PIECES {
        stream.blocking_write_and_flush(&line).expect("stderr takes bytes");
    }
}

/// Lines with nothing in them.
pub fn empty_lines() {
    let stream = cli::stdout::get_stdout();
    loop {
        stream.blocking_write_and_flush(&[b'\n'; 4_096]).expect("stdout takes bytes");
    }
}

fn line() -> Vec<u8> {
    let mut line = vec![b'x'; 4_096];
    line[4_095] = b'\n';
    line
}

/// Log lines of what takes more room in a log than here.
pub fn quotes() {
    for text in ["\"", "\\", "\u{1b}", "\u{202e}"].iter().cycle().take(4_000) {
        log::info!("{}", text.repeat(2_048));
    }
}

/// Resources that are made and never given back.
pub fn handles() {
    for count in 0_u64.. {
        if count % 100 == 0 {
            log::info!("{count} handles");
        }
        mem::forget(http::Fields::new());
    }
}

/// Long strings that the host keeps.
pub fn methods() {
    let long = http::Method::Other("A".repeat(1 << 20));
    loop {
        let request = http::OutgoingRequest::new(http::Fields::new());
        request.set_method(&long).expect("a method");
        mem::forget(request);
    }
}

/// Header fields in one list.
pub fn fields() {
    let fields = http::Fields::new();
    for count in 0_u64.. {
        if let Err(error) = fields.append("x-field", &[b'x'; 1_024]) {
            log::info!("{count} fields of a kilobyte, then {error:?}");
            return;
        }
    }
}

/// `PORT`: a hundred thousand requests, one after the other.
pub fn requests(port: &str) {
    for count in 0..100_000 {
        let answer = wasi::get(port).map(|answer| {
            answer.subscribe().block();
            answer.get().expect("it is ready").expect("it is taken once").map(drop)
        });
        if let Err(error) | Ok(Err(error)) = answer {
            log::info!("{count} requests, then {error:?}");
            return;
        }
    }
}

/// `PORT COUNT`: so many requests at the same time.
pub fn at_once(rest: &str) {
    let (port, count) = rest.split_once(' ').expect("PORT COUNT");
    let count: usize = count.parse().expect("a number");
    let answers: Vec<_> = (0..count).map(|_| wasi::get(port).expect("what is refused is refused later")).collect();
    let refused = answers.iter().filter(|answer| {
        answer.subscribe().block();
        answer.get().expect("it is ready").expect("it is taken once").is_err()
    });
    log::info!("{} of {count} at once refused", refused.count());
}

/// A gigabyte at once, and then on and on.
pub fn random() {
    loop {
        drop(random::get_random_bytes(1 << 30));
    }
}
