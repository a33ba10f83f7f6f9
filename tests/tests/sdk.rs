//! The SDK, for the second of its targets; the first is what all plugins here are built for.

use std::{env, fs, path::Path, process::Command};
use wrapper_tests::{run, skip};

const TARGET: &str = "wasm32-wasip2";

/// The block of that language in the README, below a heading.
fn block<'a>(readme: &'a str, language: &str) -> &'a str {
    let below = readme.split_once("## Write a plugin").unwrap().1;
    below.split_once(&format!("```{language}\n")).unwrap().1.split_once("```").unwrap().0
}

#[test]
fn the_plugin_in_the_readme_builds_as_it_says_and_runs() {
    let rustc = Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).output().unwrap();
    if !Path::new(String::from_utf8_lossy(&rustc.stdout).trim_end()).is_dir() {
        skip(&format!("no standard library for {TARGET}; `rustup target add {TARGET}` gets it"));
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("src")).unwrap();
    fs::write(folder.path().join("src/lib.rs"), block(&readme, "rust")).unwrap();
    let manifest = block(&readme, "toml");
    assert!(manifest.contains("../wrapper"));
    fs::write(folder.path().join("Cargo.toml"), manifest.replace("../wrapper", root.to_str().unwrap())).unwrap();
    // The versions that are here: there is no network.
    fs::copy(root.join("Cargo.lock"), folder.path().join("Cargo.lock")).unwrap();

    let commands = block(&readme, "sh");
    assert!(commands.contains(&format!("cargo build --release --target {TARGET}\n")));
    let mut cargo = Command::new("cargo");
    cargo.current_dir(folder.path()).args(["build", "--release", "--target", TARGET, "--quiet", "--offline"]);
    // What cargo set for this test is not meant for a guest.
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_") && name != "CARGO_HOME" {
            cargo.env_remove(name);
        }
    }
    assert!(cargo.status().unwrap().success());

    let plugin = format!("target/{TARGET}/release/my_plugin.wasm");
    assert!(commands.contains(&format!("wrapper --plugin {plugin} true\n")));
    let plugin = folder.path().join(plugin);
    run(["--plugin", plugin.to_str().unwrap(), "sh", "-c", "exit 3"])
        .outcome()
        .exits(3)
        .says("my_plugin: sh exited 3, ");
}
