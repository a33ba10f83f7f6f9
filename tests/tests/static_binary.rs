//! One file, and nothing else: the binary runs where there is no libc, no loader, no shell and no folder.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};
use tempfile::TempDir;
use wrapper_tests::{Answer, Run, Server, dist, own_network, run, wrapper};

/// An empty root file system that holds the wrapper and nothing else.
fn empty_root() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("wrapper");
    fs::copy(wrapper(), &file).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    root
}

/// A run of the wrapper in there.
fn run_in(root: &Path, arguments: &[&str]) -> Run {
    // `under` puts the binary's own path after these; in there it is another.
    let root = root.to_str().expect("a temporary folder");
    run(arguments).under(&["sh", "-c", "root=$0; shift; exec chroot \"$root\" /wrapper \"$@\"", root])
}

#[test]
fn it_is_statically_linked() {
    let output = |program: &str| {
        let output = Command::new(program).arg(dist("wrapper")).output().unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    let file = output("file");
    assert!(file.contains("statically linked"), "{file}");
    assert!(file.contains(", stripped"), "{file}");
    let ldd = output("ldd");
    assert!(ldd.contains("not a dynamic executable"), "{ldd}");
}

#[test]
fn it_runs_in_a_root_file_system_that_holds_nothing_else() {
    own_network();
    let root = empty_root();
    let server = Server::start(15020, Answer::ok());
    let outcome = run_in(root.path(), &["/wrapper", "--version"]).outcome();
    assert!(outcome.exits(0).stdout.starts_with("wrapper 0."), "{outcome:#?}");
    outcome.says("istio-quit: localhost:15020 answered 200: the sidecar quits");
    assert_eq!(server.requests().len(), 1);
    run_in(root.path(), &["/bin/sh"]).outcome().exits(127).says("/bin/sh: No such file or directory");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn closed_standard_descriptors_do_no_harm_there() {
    let root = empty_root();
    for redirection in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
        // The job is a wrapper too, which finds them closed as well and does not find its own job.
        let command =
            format!("exec chroot \"$0\" /wrapper --plugin none -e 127=42 /wrapper --plugin none /absent {redirection}");
        let status = Command::new("sh").args(["-c", &command]).arg(root.path()).status().unwrap();
        assert_eq!(status.code(), Some(42), "{redirection}");
    }
}

#[test]
fn a_plugin_file_is_compiled_there_too() {
    let root = empty_root();
    fs::copy(dist("plugins/echo.wasm"), root.path().join("echo.wasm")).unwrap();
    run_in(root.path(), &["--plugin", "/echo.wasm", "/wrapper", "--version"])
        .outcome()
        .exits(0)
        .says("echo: wrapper exited 0, ");
}
