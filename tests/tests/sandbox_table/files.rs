//! Files that are broken, too large, or made to keep a compiler busy. They are refused before the job starts.

use super::{DEADLINE, Row, job};
use std::{
    fs::{self, File},
    path::Path,
    time::Duration,
};
use wrapper_tests::{
    Run, dist,
    guests::{MEMORY, hook},
};

/// What a compiler may take of address space, in MiB.
const COMPILER: u64 = 1 << 10;

/// Time for compiling: what the job may be held up.
const START: Duration = Duration::from_secs(3);

/// More than what compiles in a second needs on a machine that has other things to do.
const AMPLE: &str = "30s";

/// A row about a file that is refused, or not ready in time.
fn refused(folder: &Path, tried: &'static str, name: &str, bytes: &[u8], says: &str) -> Row {
    let file = folder.join(name).with_extension("wasm");
    fs::write(&file, bytes).unwrap();
    Row::new(tried, within(&file), says).code(125).memory(COMPILER).deadline(START)
}

fn within(file: &Path) -> Run {
    job(file.to_str().unwrap()).env("WRAPPER_START_TIMEOUT", "3s")
}

fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

/// A component in a component in a component, and so on, which no text format would take.
/// <https://github.com/WebAssembly/component-model/blob/main/design/mvp/Binary.md>: section 4 is a component.
fn nested_components(depth: u32) -> Vec<u8> {
    let header = b"\0asm\x0d\0\x01\0";
    (0..depth).fold(header.to_vec(), |inner, _| {
        let mut size = Vec::new();
        let mut left = inner.len();
        while left >= 0x80 {
            size.push(left as u8 | 0x80);
            left >>= 7;
        }
        size.push(left as u8);
        [&header[..], &[4], &size, &inner].concat()
    })
}

pub fn rows(folder: &Path) -> Vec<Row> {
    let imports: String = (0..2_000).map(|n| format!(r#"(import "test:unknown/interface{n}" (func))"#)).collect();
    let functions = format!("{MEMORY} (START (i32.const 0)) {}", "(func)".repeat(990_000));
    let long_function = format!(
        "{MEMORY} (START {} (i32.const 0))",
        "(local.set 0 (i32.add (local.get 1) (local.get 2)))".repeat(400_000)
    );
    let many_blocks = format!(
        "{MEMORY} (START {} (i32.const 0))",
        "(if (local.get 0) (then (local.set 1 (i32.const 7))) (else (local.set 2 (local.get 1))))".repeat(300_000)
    );
    let nested_blocks =
        format!("{MEMORY} (START {}{} (i32.const 0))", "block ".repeat(100_000), "end ".repeat(100_000));
    let huge_memory = r#"(memory (export "memory") 65536) (START (i32.const 0))"#;
    let huge_table = format!("{MEMORY} (table 10000000 funcref) (START (i32.const 0))");
    let huge = folder.join("huge.wasm");
    File::create(&huge).unwrap().set_len(500 << 20).unwrap();
    let echo = fs::read(dist("plugins/echo.wasm")).unwrap();
    let flipped: Vec<_> =
        echo.iter().enumerate().map(|(at, byte)| if at % 997 == 996 { !byte } else { *byte }).collect();
    vec![
        refused(folder, "an empty file", "empty", b"", "is empty"),
        refused(folder, "text", "text", b"#!/bin/sh\n", "is not WebAssembly"),
        refused(folder, "half a plugin", "half", &echo[..echo.len() / 2], "is not a valid component"),
        refused(folder, "a plugin with bits flipped", "flipped", &flipped, "is not a valid component"),
        refused(folder, "a core module", "core", &wat("(module)"), "is a core WebAssembly module"),
        refused(
            folder,
            "a component with exceptions",
            "tag",
            &wat("(component (core module (tag)))"),
            "needs exceptions, ",
        ),
        refused(
            folder,
            "a component with threads",
            "shared",
            &wat("(component (core module (memory 1 1 shared)))"),
            "needs threads, ",
        ),
        refused(
            folder,
            "a component for WASI 0.3",
            "async",
            &wat(r#"(component (import "f" (func async)))"#),
            "is built for WASI 0.3",
        ),
        refused(folder, "a component that is no hook", "none", &wat("(component)"), "exports no hook"),
        refused(
            folder,
            "an unknown import",
            "import",
            &wat(r#"(component (import "test:unknown/interface" (func)))"#),
            "cannot be granted what it imports: ",
        ),
        refused(
            folder,
            "2,000 unknown imports",
            "imports",
            &wat(&format!("(component {imports})")),
            "cannot be granted what it imports: ",
        ),
        refused(
            folder,
            "4 GiB of memory from the start",
            "memory",
            &hook(huge_memory),
            "begins with 4096 MiB of memory, and has 64 MiB; memory= allows more",
        ),
        Row::new(
            "a table of 10,000,000 elements",
            {
                let file = folder.join("table.wasm");
                fs::write(&file, hook(&huge_table)).unwrap();
                within(&file)
            },
            "table minimum size of 10000000 elements exceeds table limits",
        ),
        refused(folder, "a file of 500 MB", "huge-copy", b"", "is empty").replace_file(&huge, "has more than 128 MiB"),
        refused(folder, "components 2,000 deep", "nested", &nested_components(2_000), "exports no hook"),
        refused(folder, "990,000 functions", "functions", &hook(&functions), "takes too long to read and compile"),
        refused(folder, "a function of 400,000 operations", "long", &hook(&long_function), "long: ").compiled(),
        refused(
            folder,
            "a function of 300,000 branches",
            "branches",
            &hook(&many_blocks),
            "branches: warning: failed ",
        )
        .compiled(),
        refused(folder, "blocks 100,000 deep", "blocks", &hook(&nested_blocks), "blocks: ").compiled(),
    ]
}

impl Row {
    /// A row about a file that is checked in time: it is compiled when the job is over, within the hook's deadline or not.
    fn compiled(mut self) -> Self {
        self.run = self.run.env("WRAPPER_START_TIMEOUT", AMPLE);
        self.code(3).deadline(DEADLINE)
    }

    /// The same row about another file, of which another thing is said.
    fn replace_file(mut self, file: &Path, says: &str) -> Self {
        self.run = within(file);
        self.says = Some(says.to_owned());
        self
    }
}
