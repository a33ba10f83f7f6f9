//! Plugin files that are not what they ought to be: one clear line, exit 125, and the job is not started.

use std::{fs, path::Path};
use wrapper_tests::{HOSTILE, dist, own_network, run};

/// A component that exports the function `run` of one interface, with this type.
fn component(interface: &str, parameters: &str, core_parameters: &str) -> Vec<u8> {
    wat::parse_str(format!(
        r#"(component
            (core module $m (func (export "f") {core_parameters}))
            (core instance $i (instantiate $m))
            (func $run {parameters} (canon lift (core func $i "f")))
            (instance $hook (export "run" (func $run)))
            (export "{interface}" (instance $hook)))"#
    ))
    .unwrap()
}

#[track_caller]
fn refused(path: &Path, reason: &str) {
    let path = path.to_str().unwrap();
    let outcome = run(["--plugin", "echo", "--plugin", path, "sh", "-c", "echo started"]).outcome();
    assert_eq!(outcome.exits(125).stdout, "", "the job was started");
    let line = format!("wrapper: error: sh was not started: plugin {path} {reason}");
    assert_eq!(outcome.stderr.matches(&line).count(), 1, "{line:?}: {outcome:#?}");
    outcome.says(&format!("echo: sh was not started: plugin {path}"));
}

#[test]
fn each_kind_of_broken_file_has_its_own_reason() {
    let folder = tempfile::tempdir().unwrap();
    let good = fs::read(dist("plugins/echo.wasm")).unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    refused(&folder.path().join("missing.wasm"), "cannot be read: No such file or directory\n");
    refused(folder.path(), "is not a regular file");
    refused(Path::new("/dev/zero"), "is not a regular file");
    refused(&file("empty.wasm", b""), "is empty");
    refused(&file("text.wasm", b"#!/bin/sh\n"), "is not WebAssembly");
    refused(&file("short.wasm", b"\0asm"), "is not WebAssembly");
    refused(&file("truncated.wasm", &good[..good.len() / 2]), "is not a valid component: ");
    refused(
        &file("core.wasm", &wat::parse_str("(module)").unwrap()),
        "is a core WebAssembly module, not a component; ",
    );
    refused(&file("nothing.wasm", &wat::parse_str("(component)").unwrap()), "exports no hook: ");
    refused(
        &file("world.wasm", &component("wasi:cli/run@0.2.0", "", "")),
        "exports no hook: a plugin exports wrapper:hook/after-exit or wrapper:hook/before-start, this exports \
         wasi:cli/run@0.2.0",
    );
    refused(
        &file("version.wasm", &component("wrapper:hook/after-exit@0.2.0", "", "")),
        "is built for wrapper:hook/after-exit@0.2.0; this wrapper runs wrapper:hook@0.1.x",
    );
    refused(
        &file("type.wasm", &component("wrapper:hook/after-exit@0.1.0", r#"(param "status" u32)"#, "(param i32)")),
        "exports wrapper:hook/after-exit@0.1.0, but not as wrapper:hook defines it",
    );
    let import = r#"(component (import "acme:secrets/vault@1.0.0" (instance (export "open" (func)))))"#;
    let import = wat::parse_str(import).unwrap();
    refused(&file("import.wasm", &import), "cannot be granted what it imports: ");
    let pipe = folder.path().join("pipe.wasm");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    refused(&pipe, "is not a regular file");
    let huge = file("huge.wasm", b"");
    fs::File::options().write(true).open(&huge).unwrap().set_len(129 << 20).unwrap();
    refused(&huge, "has more than 128 MiB");
}

/// A component around a module, and with these imports.
fn with(imports: &str, core: &str) -> Vec<u8> {
    wat::parse_str(format!("(component {imports} (core module $m {core}))")).unwrap()
}

#[test]
fn what_is_valid_and_not_run_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let wasi =
        "is built for WASI 0.3, and this wrapper runs WASI 0.2; build it for wasm32-wasip2 or wasm32-unknown-unknown";
    for (name, component, reason) in [
        ("exceptions", with("", "(tag $e) (func (throw $e))"), "needs exceptions, which this wrapper does not run; "),
        (
            "gc",
            with("", "(type (struct (field i32))) (func (drop (struct.new 0 (i32.const 1))))"),
            "needs garbage collection, ",
        ),
        (
            "threads",
            with("", "(memory 1 1 shared)"),
            "needs threads, which this wrapper does not run; compile it without",
        ),
        ("async", with(r#"(import "f" (func async))"#, ""), wasi),
        ("wasi", with(r#"(import "wasi:cli/environment@0.3.0" (instance))"#, ""), wasi),
        (
            "newer",
            with(r#"(import "wrapper:hook/usage@0.1.7" (instance (export "memory" (func (result u64)))))"#, ""),
            "is built for wrapper:hook/usage@0.1.7, of which this wrapper has only wrapper:hook@0.1.0; take a newer wrapper",
        ),
        (
            "newer-hook",
            crate::component("wrapper:hook/before-stop@0.1.1", "", ""),
            "is built for wrapper:hook/before-stop@0.1.1, of which this wrapper has only wrapper:hook@0.1.0; ",
        ),
    ] {
        let file = folder.path().join(name).with_extension("wasm");
        fs::write(&file, component).unwrap();
        refused(&file, reason);
    }
}

#[test]
fn an_import_of_another_type_is_not_called_granted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("other.wasm");
    let imports = r#"(import "wrapper:hook/log@0.1.0" (instance (export "log" (func (result u32)))))
                     (import "wrapper:hook/types@0.1.0" (instance))"#;
    fs::write(&file, with(imports, "")).unwrap();
    let outcome = run(["--check", "--plugin", file.to_str().unwrap()]).outcome();
    assert!(outcome.exits(125).stdout.contains("  of another type   wrapper:hook/log@0.1.0\n"), "{outcome:#?}");
    assert!(outcome.stdout.contains("  granted           wrapper:hook/types@0.1.0\n"), "{outcome:#?}");
}

#[test]
fn a_lack_of_descriptors_is_not_blamed_on_the_plugin() {
    let plugin = dist("plugins/echo.wasm");
    for limit in 4..14 {
        let limit = format!("--nofile={limit}");
        let outcome =
            run(["--plugin", plugin.to_str().unwrap(), "sh", "-c", "exit 3"]).under(&["prlimit", &limit]).outcome();
        assert!([3, 125].contains(&outcome.code), "{limit}: {outcome:#?}");
        let lack = ["No file descriptors available", "Too many open files", "echo: done in "];
        assert!(lack.iter().any(|words| outcome.stderr.contains(words)), "{limit}: {outcome:#?}");
        assert!(!outcome.stderr.contains("compiled plugin"), "{limit}: {outcome:#?}");
    }
}

#[test]
fn every_broken_plugin_is_named() {
    run(["--plugin", "/no/such/a.wasm", "--plugin", "/no/such/b.wasm", "true"])
        .outcome()
        .exits(125)
        .says("true was not started: plugin /no/such/a.wasm cannot be read")
        .says("error: plugin /no/such/b.wasm cannot be read");
}

#[test]
fn a_plugin_whose_memory_does_not_fit_is_refused_before_the_job_starts() {
    let spec = format!("{},memory=1KiB", dist("plugins/echo.wasm").display());
    let outcome = run(["--plugin", &spec, "echo", "started"]).outcome();
    assert_eq!(outcome.exits(125).stdout, "");
    outcome.says("KiB of memory, and has 1 KiB; memory= allows more");
}

#[test]
fn the_digest_is_that_of_the_file() {
    let plugin = dist("plugins/echo.wasm");
    let plugin = plugin.to_str().unwrap();
    let sum = std::process::Command::new("sha256sum").arg(plugin).output().unwrap();
    let digest = String::from_utf8(sum.stdout).unwrap()[..64].to_owned();
    run(["--plugin", &format!("{plugin},sha256={digest}"), "true"]).outcome().exits(0).says("echo: true exited 0");
    let other = "0".repeat(64);
    run(["--plugin", &format!("{plugin},sha256={other}"), "true"])
        .outcome()
        .exits(125)
        .says(&format!("has the SHA-256 digest {digest}, not {other} as its sha256= says"));
}

#[test]
fn several_plugins_run_in_their_order_and_one_that_fails_stops_none() {
    own_network();
    let outcome = run(["--plugin", HOSTILE, "--plugin", "echo", "true"]).env("HOOK_AFTER", "fail on purpose").outcome();
    outcome.exits(0).says("hostile: warning: failed in ").says("on purpose").says("echo: true exited 0");
    assert!(outcome.stderr.find("hostile: ") < outcome.stderr.find("echo: "), "{outcome:#?}");
}

#[test]
fn the_path_variable_names_several() {
    let path = format!("echo:{HOSTILE},port=1:");
    run(["true"]).env("WRAPPER_PLUGIN_PATH", path).outcome().exits(0).says("echo: done").says("hostile: done");
}

#[test]
fn a_typo_in_a_variable_is_pointed_out() {
    run(["--plugin", "none", "true"])
        .env("WRAPPER_HOOK_TIMOUT", "1s")
        .env("WRAPPER_SERVICE_HOST", "10.0.0.1")
        .outcome()
        .exits(0)
        .says("warning: WRAPPER_HOOK_TIMOUT is not a variable of the wrapper; is WRAPPER_HOOK_TIMEOUT meant?")
        .never_says("WRAPPER_SERVICE_HOST");
}
