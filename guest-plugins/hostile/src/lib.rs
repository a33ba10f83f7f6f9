//! Guests that misbehave, for the tests; one component that does what `HOOK_BEFORE` and `HOOK_AFTER` tell it.
//!
//! An instruction is a word, and what it needs after a blank: `spin`, or `get 8080 /path`. The results are logged, for a
//! test to read.

mod flood;
mod wasi;

use std::{hint::black_box, time::Duration};
use wrapper_hook::{
    ExitStatus, env, job,
    localhost::{Request, Response},
    log,
};

wrapper_hook::before_start!(before);
wrapper_hook::after_exit!(after);

fn before() -> Result<(), String> {
    log::info!("before: pid {:?}, elapsed {:?}, status {:?}", job::pid(), job::elapsed(), job::status());
    follow("HOOK_BEFORE")
}

fn after(status: ExitStatus) -> Result<(), String> {
    log::info!("after: {} {status}, started {}", job::name(), job::started_at().is_some());
    follow("HOOK_AFTER")
}

fn follow(variable: &str) -> Result<(), String> {
    let instruction = env::var(variable).unwrap_or_default();
    let (verb, rest) = instruction.split_once(' ').unwrap_or((&instruction, ""));
    match verb {
        "" => {}
        "fail" => return Err(rest.to_owned()),
        "fail-long" => return Err("words ".repeat((10 << 20) / 6)),
        "panic" => panic!("{rest}"),
        "trap" => trap(),
        "exit" => wasi::exit(),
        "spin" => loop {
            black_box(());
        },
        "sleep" => wrapper_hook::sleep(Duration::from_secs(86_400)),
        "sleep-longest" => wasi::sleep_longest(),
        "nap" => wrapper_hook::sleep(Duration::from_millis(rest.parse().expect("milliseconds"))),
        "recurse" => drop(recurse(1)),
        "memory" => take_memory(),
        "memory-all" => {
            let taken = take_all_memory();
            log::info!("took {taken} MiB");
            if rest == "spin" {
                loop {
                    black_box(());
                }
            }
        }
        "memory-again" => {
            let [refused, given] = [100_000, 1].map(grow);
            log::info!("grown by 100000 pages: {refused}, and then by one: {given}");
        }
        "lines" => (0..rest.parse().expect("a number")).for_each(|line: u32| log::info!("line {line} of {rest}")),
        "flood-log" => flood::log(),
        "flood-quotes" => flood::quotes(),
        "flood-stdout" => flood::stdout(),
        "flood-empty" => flood::empty_lines(),
        "flood-stderr" => flood::stderr(),
        "flood-handles" => flood::handles(),
        "flood-methods" => flood::methods(),
        "flood-fields" => flood::fields(),
        "flood-requests" => flood::requests(rest),
        "flood-at-once" => flood::at_once(rest),
        "flood-random" => flood::random(),
        "long-header" => show(Request::get(1, "/").header("x-long", &"x".repeat(1 << 20)).send()),
        "many-headers" => {
            let request =
                (0..10_000).fold(Request::get(1, "/"), |request, n| request.header(&format!("x-{n}"), "value"));
            show(request.send());
        }
        "log" => log::warn!("{}", rest.replace("NEWLINE", "\n").replace("ESCAPE", "\u{1b}[31m")),
        "print" => wasi::print(rest),
        "print-bytes" => wasi::print_bytes(),
        "clocks" => wasi::clocks(),
        "stdin" => wasi::stdin(),
        "environment" => wasi::environment(),
        "files" => wasi::files(),
        "connect" => wasi::connect(),
        "udp" => wasi::udp(),
        "resolve" => wasi::resolve(),
        "get" => show(request("GET", rest).send()),
        "post" => show(request("POST", rest).header("x-hook", "yes").body("the body").send()),
        "method" => {
            let (method, rest) = rest.split_once(' ').unwrap_or((rest, "1 /"));
            show(request(&method.replace("CRLF", "\r\n"), rest).send());
        }
        "header" => {
            let (name, value) = rest.split_once('=').unwrap_or((rest, ""));
            show(Request::get(1, "/").header(name, &value.replace("CRLF", "\r\n")).send());
        }
        "timeout" => show(request("GET", rest).timeout(Duration::from_millis(200)).send()),
        "fetch" => wasi::fetch(&rest.replace("CRLF", "\r\n")),
        "fetch-with-body" => wasi::fetch_with_body(rest),
        "fetch-with-two-lengths" => wasi::fetch_with_two_lengths(rest),
        "field" => wasi::field(rest),
        _ => return Err(format!("no such instruction: {instruction}")),
    }
    Ok(())
}

/// `PORT PATH` as a request.
fn request(method: &str, rest: &str) -> Request {
    let (port, path) = rest.split_once(' ').unwrap_or((rest, "/"));
    Request::new(method, port.parse().expect("a port"), &path.replace("CRLF", "\r\n"))
}

fn show(result: Result<Response, wrapper_hook::localhost::Error>) {
    match result {
        Ok(response) => log::info!(
            "answer {}, {} bytes, location {:?}, begins {:?}",
            response.status,
            response.body.len(),
            response.header("location"),
            response.text().chars().take(40).collect::<String>()
        ),
        Err(error) => log::info!("error {error:?}"),
    }
}

#[inline(never)]
fn trap() {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
}

#[inline(never)]
fn recurse(depth: u64) -> u64 {
    if black_box(depth) == 0 { 0 } else { recurse(black_box(depth + 1)) + 1 }
}

/// Whether its memory could be grown by so many pages.
fn grow(pages: usize) -> bool {
    #[cfg(target_arch = "wasm32")]
    return core::arch::wasm32::memory_grow(0, pages) != usize::MAX;
    #[cfg(not(target_arch = "wasm32"))]
    return pages == 0;
}

/// How many MiB there are.
fn take_all_memory() -> u32 {
    let take = || {
        let mut piece = Vec::<u8>::new();
        piece.try_reserve_exact(1 << 20).ok()?;
        piece.resize(1 << 20, 1);
        std::mem::forget(black_box(piece));
        Some(())
    };
    (0..).take_while(|_| take().is_some()).count() as u32
}

fn take_memory() {
    loop {
        std::mem::forget(black_box(vec![1_u8; 1 << 20]));
    }
}
