//! Plugins compiled ahead of time, and the wrapper that takes nothing else.

use std::{env::consts::ARCH, fs, path::Path, process::Command};
use wrapper_tests::{Outcome, dist, run, run_program};

fn compile(arguments: &[&str]) -> Outcome {
    run_program(dist("wrapper-plugin"), ["compile"].iter().chain(arguments)).outcome()
}

/// `echo`, compiled for a target into a folder.
fn echo(folder: &Path, target: &str) -> String {
    let file = folder.join(target).with_extension("cwasm");
    let (input, file) = (dist("plugins/echo.wasm"), file.to_str().unwrap().to_owned());
    compile(&[input.to_str().unwrap(), "-o", &file, "--target", target]).exits(0);
    file
}

/// Both builds of the wrapper.
fn wrappers() -> [std::path::PathBuf; 2] {
    [dist("wrapper"), dist("wrapper-slim")]
}

#[test]
fn what_is_compiled_for_this_cpu_or_for_all_runs_in_both_builds() {
    let folder = tempfile::tempdir().unwrap();
    for target in ["pulley64", ARCH] {
        let plugin = echo(folder.path(), target);
        for wrapper in wrappers() {
            let outcome = run_program(wrapper, ["--plugin", &plugin, "sh", "-c", "exit 3"]).outcome();
            outcome.exits(3).says(&format!("{target}: sh exited 3"));
        }
    }
}

#[test]
fn what_is_compiled_for_another_cpu_or_by_another_version_is_refused_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let other = if ARCH == "x86_64" { "aarch64" } else { "x86_64" };
    let again = "compile it again: `wrapper-plugin compile PLUGIN.wasm -o PLUGIN.cwasm`";
    let refused = |plugin: &str, why: &str| {
        for wrapper in wrappers() {
            let outcome = run_program(wrapper, ["--plugin", plugin, "echo", "started"]).outcome();
            assert_eq!(outcome.exits(125).stdout, "");
            outcome.says("was not compiled for wrapper ").says(why).says(again);
        }
    };
    refused(&echo(folder.path(), other), &format!("Module was compiled for architecture '{other}'"));

    // Another version of the wrapper has marked it: as many bytes, or nothing in the file would be where it was.
    let plugin = echo(folder.path(), "pulley64");
    let mut bytes = fs::read(&plugin).unwrap();
    let mark = b"wrapper 0.";
    let at = bytes.windows(mark.len()).position(|window| window == mark).expect("its mark");
    bytes[at + mark.len() - 2] = b'9';
    fs::write(&plugin, bytes).unwrap();
    refused(&plugin, "Module was compiled with incompatible version 'wrapper 9.");
}

#[test]
fn where_nothing_may_be_executed_bytecode_runs_and_machine_code_is_refused_with_the_cause() {
    let folder = tempfile::tempdir().unwrap();
    for target in ["pulley64", ARCH] {
        let plugin = echo(folder.path(), target);
        for wrapper in wrappers() {
            let run = run_program(wrapper, ["--plugin", &plugin, "sh", "-c", "exit 3"]);
            let outcome = run.with_noexec(folder.path()).outcome();
            if target == ARCH {
                outcome.exits(125).says("is machine code in a place that is mounted noexec; put it elsewhere");
            } else {
                outcome.exits(3).says("pulley64: sh exited 3");
            }
        }
    }
}

#[test]
fn what_is_no_compiled_plugin_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plugin.cwasm");
    let component = fs::read(dist("plugins/echo.wasm")).unwrap();
    let compiled = fs::read(echo(folder.path(), "pulley64")).unwrap();
    for (bytes, why) in [
        (&b""[..], "is empty"),
        (b"text", "is not a compiled plugin"),
        (&component, "is not a compiled plugin"),
        (&compiled[..compiled.len() / 2], "is not a compiled plugin"),
    ] {
        fs::write(&file, bytes).unwrap();
        let outcome = run(["--plugin", file.to_str().unwrap(), "echo", "started"]).outcome();
        assert_eq!(outcome.exits(125).says(why).stdout, "");
    }
}

#[test]
fn the_slim_wrapper_has_the_built_ins_and_says_what_to_do_with_a_wasm() {
    let outcome = run_program(dist("wrapper-slim"), ["--plugin", "echo", "sh", "-c", "exit 3"]).outcome();
    outcome.exits(3).says("echo: sh exited 3");
    let plugin = dist("plugins/echo.wasm");
    let outcome = run_program(dist("wrapper-slim"), ["--plugin", plugin.to_str().unwrap(), "true"]).outcome();
    outcome
        .exits(125)
        .says("as this wrapper is the slim one")
        .says("`wrapper-plugin compile PLUGIN.wasm -o PLUGIN.cwasm`");
}

#[test]
fn the_compiler_refuses_what_the_wrapper_would_refuse() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in.wasm"), folder.path().join("out.cwasm"));
    let (input, output) = (input.to_str().unwrap(), output.to_str().unwrap());
    let refused = |bytes: &[u8]| {
        fs::write(input, bytes).unwrap();
        compile(&[input, "-o", output])
    };
    refused(b"text").exits(1).says("in.wasm is not WebAssembly");
    refused(&wat::parse_str("(module)").unwrap()).exits(1).says("is a core WebAssembly module");
    refused(&wat::parse_str("(component)").unwrap()).exits(1).says("exports no hook");
    assert!(!Path::new(output).exists());
    let good = fs::read(dist("plugins/echo.wasm")).unwrap();
    fs::write(input, good).unwrap();
    compile(&[input, "-o", folder.path().join("out.wasm").to_str().unwrap()])
        .exits(1)
        .says("does not end in .cwasm, by which the wrapper knows a compiled plugin");
    compile(&[input, "-o", "/no/such/folder/out.cwasm"]).exits(1).says("cannot write /no/such/folder/out.cwasm");
    compile(&[input, "-o", output, "--target", "z80"]).exits(2).says("invalid value 'z80'");
    compile(&[input, "-o", output]).exits(0);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

/// A component of 40 levels, each with two of the one below: two to the power of 40 in all.
fn doubling() -> Vec<u8> {
    let level =
        |below: String, _| format!("(component $c {below} (instance (instantiate $c)) (instance (instantiate $c)))");
    let innermost = "(component $c (core module $m) (core instance (instantiate $m)))".to_owned();
    wat::parse_str((0..40).fold(innermost, level)).unwrap()
}

#[test]
fn a_few_bytes_cannot_have_all_the_memory_that_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("doubling.wasm");
    std::fs::write(&file, doubling()).unwrap();
    let output = folder.path().join("doubling.cwasm");
    let outcome = compile(&[file.to_str().unwrap(), "-o", output.to_str().unwrap()]);
    assert!(outcome.code != 0 && outcome.code != 101 && outcome.stderr.contains("doubling.wasm"), "{outcome:#?}");
    assert!(!output.exists());
}

#[test]
fn the_slim_wrapper_is_static_and_small() {
    let ldd = Command::new("ldd").arg(dist("wrapper-slim")).output().unwrap();
    let said = String::from_utf8_lossy(&[ldd.stdout, ldd.stderr].concat()).into_owned();
    assert!(said.contains("not a dynamic executable"), "{said}");
    let size = |file| fs::metadata(dist(file)).unwrap().len();
    assert!(size("wrapper-slim") * 2 < size("wrapper"), "{} and {}", size("wrapper-slim"), size("wrapper"));
}
