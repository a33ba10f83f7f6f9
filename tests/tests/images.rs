//! The images of the Dockerfile, as `scripts/images` builds them, run as a cautious cluster would.

use std::{collections::BTreeSet, fs};
use wrapper_tests::{Podman, dist, run_program};

const VERSION: &str = env!("CARGO_PKG_VERSION");
const WRAPPER: &str = concat!("registry.example.com/wrapper:", env!("CARGO_PKG_VERSION"));
const SLIM: &str = concat!("registry.example.com/wrapper-slim:", env!("CARGO_PKG_VERSION"));
const TOOL: &str = concat!("registry.example.com/wrapper-plugin:", env!("CARGO_PKG_VERSION"));
const PLUGINS: &str = concat!("registry.example.com/wrapper-plugins:", env!("CARGO_PKG_VERSION"));
const MY_JOB: &str = "registry.example.com/my-job:1";

/// Where one is inspected.
fn about(podman: &Podman, image: &str) -> serde_json::Value {
    serde_json::from_str::<serde_json::Value>(&podman.output(&["image", "inspect", image])).unwrap()[0].take()
}

#[test]
fn each_image_holds_its_file_and_nothing_else() {
    let Some(podman) = Podman::find() else { return };
    for (image, file, in_dist) in [
        (WRAPPER, "/wrapper", "wrapper"),
        (SLIM, "/wrapper", "wrapper-slim"),
        (TOOL, "/wrapper-plugin", "wrapper-plugin"),
    ] {
        let files = podman.files(image);
        assert_eq!(files.names(), [file], "{image}");
        assert!(files.read(file) == fs::read(dist(in_dist)).unwrap(), "{image} has what `make build` leaves");
    }
    let plugins = podman.files(PLUGINS);
    let names: BTreeSet<_> = plugins.names().into_iter().collect();
    let expected =
        fs::read_dir(dist("plugins")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(names, expected.map(|name| format!("/{name}")).collect());
    assert!(plugins.read("/istio-quit.wasm") == fs::read(dist("plugins/istio-quit.wasm")).unwrap());
}

#[test]
fn each_image_says_what_it_is_and_is_not_for_root() {
    let Some(podman) = Podman::find() else { return };
    for (image, title) in
        [(WRAPPER, "wrapper"), (SLIM, "wrapper-slim"), (TOOL, "wrapper-plugin"), (PLUGINS, "wrapper-plugins")]
    {
        let about = about(&podman, image);
        let label =
            |name: &str| about["Labels"][format!("org.opencontainers.image.{name}")].as_str().unwrap_or_default();
        assert_eq!((label("title"), label("version"), label("licenses")), (title, VERSION, "Apache-2.0"), "{image}");
        assert!(!label("description").is_empty());
        if image != PLUGINS {
            assert_eq!(about["User"], "65532:65532", "{image}");
            assert_eq!(label("base.name"), "scratch");
        }
    }
}

#[test]
fn as_process_1_with_nothing_at_all_the_wrapper_keeps_the_jobs_code_and_runs_its_hook() {
    let Some(podman) = Podman::find() else { return };
    let outcome = podman.confined(&[], MY_JOB, &["about"]).outcome();
    let expected = "process 1: wrapper\nPPid: 1\nUid: 65532 65532 65532 65532\nCapEff: 0000000000000000\n\
                    CapBnd: 0000000000000000\nNoNewPrivs: 1\nwritable root: false\n/tmp: false\n";
    let mut lines: Vec<_> = outcome.exits(0).stdout.lines().collect();
    lines.sort_unstable();
    let mut expected: Vec<_> = expected.lines().collect();
    expected.sort_unstable();
    assert_eq!(lines, expected);
    outcome.says(": nothing listens on localhost:15020: no sidecar to quit");

    let quick = ["--env", "HOOK_QUIT_RETRY=0s"];
    podman.confined(&quick, MY_JOB, &["exit", "3"]).outcome().exits(3).says("istio-quit: done");
    let named =
        |command: &[&str]| podman.confined(&[&quick[..], &["--entrypoint", "/wrapper"]].concat(), MY_JOB, command);
    named(&["/absent"]).outcome().exits(127).says("absent was not started").says("istio-quit: done");
    named(&["--plugin", "absent", "/my-job"]).outcome().exits(125);
    named(&["/wrapper", "--version"]).outcome().exits(0).says("istio-quit: done");
}

#[test]
fn a_plugin_file_is_compiled_or_loaded_there_too() {
    let Some(podman) = Podman::find() else { return };
    let wasm = dist("plugins/echo.wasm").canonicalize().unwrap();
    let cwasm = podman.folder().join("echo.cwasm");
    let compile = ["compile".as_ref(), wasm.as_os_str(), "-o".as_ref(), cwasm.as_os_str()];
    run_program(dist("wrapper-plugin"), compile).outcome().exits(0);
    for (file, plugin) in [(wasm, "/plugin.wasm"), (cwasm, "/plugin.cwasm")] {
        let volume = format!("{}:{plugin}:ro", file.display());
        let options = ["--volume", &volume, "--entrypoint", "/wrapper"];
        let outcome = podman.confined(&options, MY_JOB, &["--plugin", plugin, "/my-job", "exit", "4"]).outcome();
        outcome.exits(4).says("plugin: my-job exited 4");
    }
}

#[test]
fn a_signal_reaches_the_job_and_its_code_is_kept() {
    let Some(podman) = Podman::find() else { return };
    let mut run = podman.confined(&["--name", "signalled"], MY_JOB, &["until-term", "42"]);
    let child = run.start();
    let waits = || podman.command(&["logs", "signalled"]).outcome().stdout.contains("my-job waits");
    wrapper_tests::wait_until("the job waits", waits);
    podman.output(&["kill", "--signal", "TERM", "signalled"]);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(42), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("my-job got SIGTERM"));
}

#[test]
fn a_job_that_removes_the_wrappers_file_changes_nothing() {
    let Some(podman) = Podman::find() else { return };
    let root = ["run", "--rm", "--network", "none", "--user", "0", "--env", "HOOK_QUIT_RETRY=0s"];
    for plugin in ["istio-quit", "/istio-quit.wasm"] {
        let variable = format!("WRAPPER_PLUGIN_PATH={plugin}");
        let volume =
            format!("{}:/istio-quit.wasm:ro", dist("plugins/istio-quit.wasm").canonicalize().unwrap().display());
        let options = ["--env", &variable, "--volume", &volume, MY_JOB, "remove", "/wrapper", "5"];
        podman.command(&[&root[..], &options].concat()).outcome().exits(5).says(": done in ");
    }
}

#[test]
fn an_init_container_installs_it_into_a_volume_and_it_runs_from_there() {
    let Some(podman) = Podman::find() else { return };
    let bin = podman.folder().join("bin");
    fs::create_dir(&bin).unwrap();
    std::os::unix::fs::chown(&bin, Some(65532), Some(65532)).unwrap();
    let volume = |options: &str| format!("{}:/wrapper-bin{options}", bin.display());
    for image in [WRAPPER, SLIM] {
        podman.confined(&["--volume", &volume("")], image, &["--install", "/wrapper-bin/wrapper"]).outcome().exits(0);
        let options =
            ["--volume", &volume(":ro"), "--env", "HOOK_QUIT_RETRY=0s", "--entrypoint", "/wrapper-bin/wrapper"];
        let job = ["sh", "-c", "echo hello; exit 6"];
        let outcome = podman.confined(&options, "busybox:1.37", &job).outcome();
        assert_eq!(outcome.exits(6).says("istio-quit: done").stdout, "hello\n");
    }
}

#[test]
fn the_dockerfile_of_those_who_come_from_the_go_wrapper_works_with_the_new_names() {
    let Some(podman) = Podman::find() else { return };
    let outcome = podman.confined(&["--env", "HOOK_QUIT_RETRY=0s"], "localhost/plugin-file", &[]).outcome();
    outcome.exits(0).says("wrapper: started ls").says("istio-quit: done");
    assert!(outcome.stdout.contains("istio-quit.wasm"), "{outcome:?}");
}

#[test]
fn a_plugin_compiled_in_the_image_build_runs_under_the_slim_wrapper() {
    let Some(podman) = Podman::find() else { return };
    let outcome = podman.confined(&[], "localhost/compiled", &["exit", "7"]).outcome();
    outcome.exits(7).says("my-plugin: my-job exited 7");
    podman.confined(&["--entrypoint", "/wrapper"], "localhost/compiled", &["--help"]).outcome().exits(0);
}

#[test]
fn the_image_for_another_cpu_has_what_was_tested_under_the_emulator() {
    let Some(podman) = Podman::find() else { return };
    let image = format!("{WRAPPER}-arm64");
    assert_eq!(about(&podman, &image)["Architecture"], "arm64");
    let files = podman.files(&image);
    assert_eq!(files.names(), ["/wrapper"]);
    assert!(files.read("/wrapper") == fs::read(dist("arm64/wrapper")).unwrap());
}
