//! The SDK, for the second of its targets; the first is what all plugins here are built for.

use std::{env, path::Path, process::Command};
use wrapper_tests::run;

const TARGET: &str = "wasm32-wasip2";

#[test]
fn a_plugin_built_for_wasip2_is_a_component_that_runs() {
    let rustc = Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).output().unwrap();
    if !Path::new(String::from_utf8_lossy(&rustc.stdout).trim_end()).is_dir() {
        eprintln!("skipped: no standard library for {TARGET}; `rustup target add {TARGET}` gets it");
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = root.join("target/guests");
    let mut cargo = Command::new("cargo");
    cargo.current_dir(&root).args([
        "build",
        "--quiet",
        "--offline",
        "--locked",
        "--profile",
        "plugin",
        "--package",
        "echo",
    ]);
    cargo.args(["--target", TARGET, "--target-dir"]).arg(&folder);
    // What cargo set for this test is not meant for a guest.
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_") && name != "CARGO_HOME" {
            cargo.env_remove(name);
        }
    }
    assert!(cargo.status().unwrap().success());

    let plugin = folder.join(TARGET).join("plugin/echo.wasm");
    run(["--plugin", plugin.to_str().unwrap(), "sh", "-c", "exit 3"]).outcome().exits(3).says("echo: sh exited 3, ");
}
