//! Plugins built when a version of the contract was published: what ran then runs with every later build.
//!
//! They are the projects of `wrapper-plugin new` in C and Rust, built for that version. wit/README.md says what may change.

use std::{fs, path::PathBuf};
use wrapper_tests::{Answer, Server, own_network, run};

fn fixture(file: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/0.1.0").join(file);
    path.to_str().unwrap().to_owned()
}

#[test]
fn hooks_built_for_0_1_0_run() {
    for file in ["c-hook.wasm", "c-lifecycle.wasm", "rust-hook.wasm", "rust-lifecycle.wasm"] {
        own_network();
        let server = Server::start(8080, Answer::ok());
        let plugin = fixture(file);
        let name = file.strip_suffix(".wasm").unwrap();
        let outcome = run(["--plugin", &plugin, "sh", "-c", "exit 3"]).outcome();
        outcome.exits(3).says(&format!("{name}: sh exited 3 after ")).says("localhost:8080 answered 200\n");
        let requests = server.requests();
        let body = &requests.last().unwrap().body;
        assert!(body.starts_with(r#"{"job":"sh","outcome":"exited 3","duration_ms":"#), "{body}");
    }
}

#[test]
fn gates_built_for_0_1_0_run() {
    for file in ["c-gate.wasm", "c-lifecycle.wasm", "rust-lifecycle.wasm"] {
        own_network();
        run(["--plugin", &fixture(file), "true"]).outcome().exits(125).says("is not ready: nobody listens there");
        let _server = Server::start(8080, Answer::ok());
        run(["--plugin", &fixture(file), "true"]).outcome().exits(0);
    }
}

#[test]
fn each_fixture_is_run() {
    let source = fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/compatibility.rs")).unwrap();
    for entry in fs::read_dir(fixture("")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(source.contains(&format!("\"{name}\"")), "{name}");
    }
}
