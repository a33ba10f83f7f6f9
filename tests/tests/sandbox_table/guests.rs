//! Guests that use up what they have, break, lie, or look where they should not.

use super::{Row, hostile, hostile_with, job};
use std::{fs, path::Path};
use wrapper_tests::{
    Run,
    guests::{MEMORY, hook},
};

/// What a guest of 64 MiB and its host take.
const ALL_MEMORY: u64 = 64 + 48;

const STOPPED: &str = "stopped at its deadline; --hook-timeout allows more";

/// A hook written by hand.
fn by_hand(folder: &Path, name: &str, core: &str) -> Run {
    let file = folder.join(name).with_extension("wasm");
    fs::write(&file, hook(core)).unwrap();
    job(file.to_str().unwrap())
}

/// Twenty functions that call each other, and then trap. Each name is a tuple of two tuples of two tuples, written once each (Rust's
/// names, "v0": `B` refers to what came before).
fn long_names() -> String {
    // A number in base 62, less one, as such names have it: `_` is 0, `0_` is 1.
    let number = |at: usize| {
        let digit = |at: usize| char::from(b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"[at]);
        match at {
            0 => "_".to_owned(),
            at if at <= 62 => format!("{}_", digit(at - 1)),
            at => format!("{}{}_", digit((at - 1) / 62), digit((at - 1) % 62)),
        }
    };
    let before = "INvC1a1f";
    let mut name = before.to_owned() + &"T".repeat(18) + "l";
    // The innermost begins after the last `T`, the next one byte before it, and so on.
    (0..18).for_each(|level| name += &format!("B{}E", number(before.len() + 18 - level)));
    let name = format!("_R{name}E");
    let function = |n: u32| {
        let next = if n == 19 { "unreachable".to_owned() } else { format!("(call $f{})", n + 1) };
        format!("(func $f{n} (@name \"{name}\") {next})")
    };
    format!("{MEMORY} {} (START (call $f0) (i32.const 0))", (0..20).map(function).collect::<String>())
}

pub fn rows(folder: &Path) -> Vec<Row> {
    let memories = format!("{MEMORY} {} (START (i32.const 0))", "(memory 16)".repeat(90));
    let tables = format!("{MEMORY} {} (START (i32.const 0))", "(table 10000 funcref)".repeat(90));
    let growing = format!("{MEMORY} (START (loop (drop (memory.grow (i32.const 16))) (br 0)) unreachable)");
    let growing_table = format!(
        "{MEMORY} (table $t 1 funcref) \
         (START (loop (br_if 0 (i32.ne (table.grow $t (ref.null func) (i32.const 1000)) (i32.const -1)))) unreachable)"
    );
    let start = format!("{MEMORY} (func $spin (loop (br 0))) (start $spin) (START (i32.const 0))");
    let copying = "(memory (export \"memory\") 1000) (START (loop \
                   (memory.fill (i32.const 0) (i32.const 1) (i32.const 65536000)) (br 0)) unreachable)";
    let lying = format!(
        "{MEMORY} (START (i32.store (i32.const 4) (i32.const -8)) \
                         (i32.store (i32.const 8) (i32.const 1000)) (i32.store (i32.const 0) (i32.const 1)) (i32.const 0))"
    );
    vec![
        Row::new("an infinite loop", hostile("spin"), STOPPED),
        Row::new("an infinite loop, in machine code", hostile_with(",native=true", "spin"), STOPPED),
        Row::new("an infinite loop in the start function", by_hand(folder, "start", &start), STOPPED),
        Row::new("a loop around one long instruction", by_hand(folder, "copying", copying), STOPPED).memory(ALL_MEMORY),
        Row::new("a sleep of a day", hostile("sleep"), STOPPED),
        Row::new("a sleep of 2^64 ns", hostile("sleep-longest"), STOPPED),
        Row::new(
            "memory without end",
            hostile("memory"),
            "it was refused more than 64 MiB of memory; memory= allows more",
        )
        .memory(ALL_MEMORY),
        Row::new(
            "memory without end, with `memory=4MiB`",
            hostile_with(",memory=4MiB", "memory"),
            "refused more than 4 MiB",
        ),
        Row::new("memory up to 4 GiB, untouched", by_hand(folder, "growing", &growing), STOPPED).memory(ALL_MEMORY),
        Row::new("90 memories of 1 MiB", by_hand(folder, "memories", &memories), "cannot be run: "),
        Row::new("90 tables of 10,000 elements", by_hand(folder, "tables", &tables), "exceeds table limits"),
        Row::new("a table without end", by_hand(folder, "growing-table", &growing_table), "wasm `unreachable`"),
        Row::new("recursion without end", hostile("recurse"), "trapped: wasm trap: call stack exhausted"),
        Row::new("`unreachable`", hostile("trap"), "trapped: wasm trap: wasm `unreachable` instruction executed"),
        Row::new("a panic", hostile("panic with words"), "panicked at "),
        Row::new("`exit`", hostile("exit"), "exited with code 1 instead of returning"),
        Row::new("an error of 10 MB", hostile("fail-long"), "words words").memory(ALL_MEMORY),
        Row::new("an error that lies outside its memory", by_hand(folder, "lying", &lying), "cannot be run: "),
        Row::new(
            "functions whose names stand for a megabyte each",
            by_hand(folder, "names", &long_names()),
            "trapped: wasm trap: wasm `unreachable`",
        ),
        Row::new(
            "one refusal of memory, and then a little",
            hostile("memory-again"),
            "100000 pages: false, and then by one: true",
        ),
        Row::new(
            "a gigabyte that is granted, and then a loop",
            hostile_with(",memory=1024MiB", "memory-all spin"),
            STOPPED,
        )
        .memory(1_024 + 48),
        Row::new(
            "quotes without end, which are longer in JSON",
            hostile("flood-quotes"),
            "log limit of 1024 KiB reached",
        ),
        Row::new("log lines without end", hostile("flood-log"), "log limit of 1024 KiB reached"),
        Row::new("a gigabyte to stdout", hostile("flood-stdout"), "log limit of 1024 KiB reached"),
        Row::new("empty lines without end", hostile("flood-empty"), "log limit of 1024 KiB reached"),
        Row::new("a gigabyte to stderr", hostile("flood-stderr"), "log limit of 1024 KiB reached"),
        Row::new(
            "a log line that pretends to be two, with colours",
            hostile("log innocentNEWLINEwrapper: sh exited 0ESCAPE"),
            "innocent\\nwrapper: sh exited 0\\u{1b}[31m",
        ),
        Row::new("bytes that are no text to stdout", hostile("print-bytes"), "bytes \u{fffd}\u{fffd}\\u{0} end"),
        Row::new("resources that are never given back", hostile("flood-handles"), "hostile: warning: failed in "),
        Row::new(
            "strings of 1 MiB that the host keeps",
            hostile("flood-methods"),
            "its process ran out of memory: it may have 320 MiB",
        )
        .memory(320),
        Row::new("header fields without end", hostile("flood-fields"), "total size of fields exceeds limit"),
        Row::new("randomness by the gigabyte", hostile("flood-random"), "cannot be run: "),
        Row::new("clocks, which it may have", hostile("clocks"), "clocks: monotonic true, wall true"),
        Row::new(
            "environment and arguments",
            hostile("environment").env("SECRET", "s3cret"),
            "arguments [], folder None",
        ),
        Row::new("stdin", hostile("stdin").input("secret"), "stdin: Err("),
        Row::new("files", hostile("files"), "0 folders"),
        Row::new("a TCP socket", hostile("connect"), "connect: Err("),
        Row::new("a UDP socket", hostile("udp"), "udp: Err("),
        Row::new("a name to look up", hostile("resolve"), "resolve: Err("),
    ]
}
