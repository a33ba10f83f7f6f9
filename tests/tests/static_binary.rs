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
    let root = root.to_owned();
    run(arguments).with(move |command| {
        let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        let variables: Vec<_> = command.get_envs().map(|(name, _)| name.to_owned()).collect();
        let mut chroot = Command::new("chroot");
        chroot.arg(&root).arg("/wrapper").args(arguments);
        for name in variables {
            chroot.env_remove(name);
        }
        *command = chroot;
        command.stdin(std::process::Stdio::null());
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    })
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
    fs::copy(env!("CARGO_BIN_EXE_probe"), root.path().join("probe")).unwrap();
    for redirection in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
        let command = format!("exec chroot \"$0\" /wrapper --plugin none /probe die 2 {redirection}");
        let status = Command::new("sh").args(["-c", &command]).arg(root.path()).status().unwrap();
        assert_eq!(status.code(), Some(130), "{redirection}");
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
