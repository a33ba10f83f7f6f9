//! `wrapper-plugin`, as an author meets it: what it makes, what it tells of a file, and what it says where something is wrong.
//! The projects it begins are built in `languages`, and `compile` is in `ahead_of_time`.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};
use tempfile::TempDir;
use wrapper_tests::{HOSTILE, Outcome, dist, own_network, run_program};

fn tool(arguments: &[&str]) -> Outcome {
    run_program(dist("wrapper-plugin"), arguments).outcome()
}

fn tool_in(folder: &Path, arguments: &[&str]) -> Outcome {
    run_program(dist("wrapper-plugin"), arguments)
        .with(|command| {
            command.current_dir(folder);
        })
        .outcome()
}

/// A file made of WebAssembly as text.
fn file(folder: &TempDir, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    fs::write(&path, wat::parse_str(text).unwrap()).unwrap();
    path.to_str().unwrap().to_owned()
}

fn fixture(name: &str) -> String {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/0.1.0").join(name).to_str().unwrap().to_owned()
}

#[test]
fn new_overwrites_nothing_and_leaves_nothing_half_made() {
    let folder = tempfile::tempdir().unwrap();
    let new = |name: &str, language: &str| tool_in(folder.path(), &["new", name, "--lang", language]);
    new("tell-me", "c").exits(0);
    let made = fs::read_dir(folder.path().join("tell-me")).unwrap().count();
    new("tell-me", "rust").exits(1).says("tell-me is there already, and nothing is overwritten");
    assert_eq!(fs::read_dir(folder.path().join("tell-me")).unwrap().count(), made);
    let quoted = new("it's here/tell-me", "c");
    assert!(quoted.exits(0).stdout.contains("\n  cd 'it'\\''s here/tell-me'\n"), "{quoted:?}");
    fs::remove_dir_all(folder.path().join("it's here")).unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    new("file", "c").exits(1).says("file is there already");
    new("file/below", "c").exits(1).says("cannot make the folder file/below: ");
    for (name, language, says) in [
        ("Tell", "c", "'Tell' is not a plugin's name"),
        ("1st", "c", "'1st' is not a plugin's name"),
        ("a b", "c", "'a b' is not a plugin's name"),
        ("..", "c", "'..' is not a plugin's name"),
        ("json", "python", "a plugin in Python cannot be called json"),
        ("serde", "rust", "a plugin in Rust cannot be called serde"),
        ("vendor", "go", "a plugin in Go cannot be called vendor"),
        ("main", "go", "a plugin in Go cannot be called main"),
    ] {
        new(name, language).exits(1).says(says);
    }
    new("x", "cobol").exits(2).says("[possible values: rust, c, go, js, python]");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn a_project_has_its_own_name_everywhere_and_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    for language in ["rust", "c", "go", "js", "python"] {
        for world in ["hook", "gate", "lifecycle"] {
            let name = format!("{language}-{world}");
            let made = tool_in(folder.path(), &["new", &name, "--lang", language, "--world", world]);
            made.exits(0);
            assert!(made.stdout.contains(&format!("  cd {name}\n  make\n")), "{made:?}");
            let project = folder.path().join(&name);
            let wit = fs::read_to_string(project.join("wit/hook.wit")).unwrap();
            assert!(wit.contains("package wrapper:hook@"));
            let makefile = fs::read_to_string(project.join("Makefile")).unwrap();
            assert!(makefile.contains(&format!("NAME := {name}\n")), "{makefile}");
            assert!(!makefile.contains("WORLD := ") || makefile.contains(&format!("WORLD := {world}\n")), "{makefile}");
            for entry in fs::read_dir(&project).unwrap().chain(fs::read_dir(project.join("wit")).unwrap()) {
                let path = entry.unwrap().path();
                let Ok(text) = fs::read_to_string(&path) else { continue };
                assert!(!text.contains("notify"), "{} names the example", path.display());
            }
        }
    }
}

#[test]
fn check_tells_what_a_plugin_is() {
    let outcome = tool(&["check", &fixture("c-hook.wasm")]);
    outcome.exits(0);
    for line in [
        "c-hook.wasm: runs after-exit; built for wrapper:hook@0.1.0\n",
        "  granted           wrapper:hook/localhost@0.1.0\n",
        "  size              7598 bytes\n",
        "  compiling         ",
        "  its memory        begins with 128 KiB\n",
    ] {
        assert!(outcome.stdout.contains(line), "{line:?}: {outcome:?}");
    }
    let outcome = tool(&["check", "--json", &fixture("rust-lifecycle.wasm")]);
    let facts: serde_json::Value = serde_json::from_str(&outcome.exits(0).stdout).unwrap();
    assert_eq!(facts["hooks"], serde_json::json!(["before-start", "after-exit"]));
    assert_eq!(facts["contract"], "wrapper:hook@0.1.0");
    assert!(facts["compile-ms"].as_f64().unwrap() > 1. && facts["compile-memory-bytes"].as_u64().unwrap() > 1 << 20);
}

#[test]
fn check_says_how_to_mend_what_is_no_plugin() {
    let folder = tempfile::tempdir().unwrap();
    let component = |export: &str| {
        format!(
            r#"(component (core module $m (func (export "f"))) (core instance $i (instantiate $m))
                (func $f (canon lift (core func $i "f"))) (instance $e (export "run" (func $f)))
                (export "{export}" (instance $e)))"#
        )
    };
    let import = |name: &str| format!(r#"(component (import "{name}" (instance (export "f" (func)))))"#);
    let hook =
        r#"(module (func (export "wrapper:hook/after-exit@0.1.0#run") (param i32 i32 i32) (result i32) unreachable))"#;
    let async_hook = r#"(component (type $run (func async)) (import "f" (func $f (type $run)))
        (instance $e (export "run" (func $f))) (export "wrapper:hook/before-start@0.1.0" (instance $e)))"#;
    for (name, text, says) in [
        ("core.wasm", hook.to_owned(), "its hook is there: wrapper-plugin component "),
        (
            "main.wasm",
            r#"(module (func (export "_start")))"#.to_owned(),
            "it is a program with a main function; a hook is a library",
        ),
        ("empty.wasm", "(module)".to_owned(), "it exports no hook; `wrapper-plugin new NAME --lang …` begins"),
        ("run.wasm", component("wasi:cli/run@0.2.0"), "it is a program (wasi:cli/run); build it for the world hook"),
        ("http.wasm", component("wasi:http/incoming-handler@0.2.0"), "it is an HTTP server"),
        ("other.wasm", component("a:b/c@1.0.0"), "it was built for another world"),
        ("newer.wasm", component("wrapper:hook/after-exit@0.2.0"), "build it against the hook.wit of this version"),
        ("store.wasm", import("wasi:keyvalue/store@0.2.0"), "the sandbox has no wasi:keyvalue/store@0.2.0"),
        ("async.wasm", async_hook.to_owned(), "a hook is not async in the contract"),
    ] {
        let path = file(&folder, name, &text);
        let outcome = tool(&["check", &path]);
        outcome.exits(1);
        assert!(outcome.stdout.starts_with(&format!("{path}: refused: it ")), "{outcome:?}");
        assert!(outcome.stdout.contains(&format!("\n  to mend it: {says}")), "{says}: {outcome:?}");
    }
    let text = folder.path().join("text.wasm");
    fs::write(&text, "(component)").unwrap();
    assert!(tool(&["check", text.to_str().unwrap()]).exits(1).stdout.contains("this is WebAssembly as text"));
    tool(&["check", "/nonexistent.wasm"]).exits(1).says("cannot read /nonexistent.wasm: No such file");
    for command in [&["check", "/dev/zero"][..], &["component", "/dev/zero", "-o", "none.wasm"]] {
        tool(command).exits(1).says("cannot read /dev/zero: it is not a regular file\n");
    }
    tool(&["check", "a,b.wasm"]).exits(1).says("cannot read a,b.wasm: ");
    let comma = file(&folder, "a,b.wasm", "(component)");
    tool(&["check", &comma]).exits(1).says("a,b.wasm has a comma in its path, which no plugin can have; rename it");
}

#[test]
fn component_makes_a_plugin_of_a_module_and_says_why_it_cannot() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.wasm");
    let component = |input: &str| tool(&["component", input, "-o", out.to_str().unwrap()]);
    let start = r#"func (export "wrapper:hook/before-start@0.1.0#run") (result i32)"#;
    let module = format!(
        r#"(module (memory (export "memory") 1) (data (i32.const 8) "a") (data (i32.const 0) "\00") ({start} i32.const 0)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 64))"#
    );
    component(&file(&folder, "gate.wasm", &module)).exits(0);
    assert!(tool(&["check", out.to_str().unwrap()]).exits(0).stdout.contains("out.wasm: runs before-start"));
    fs::remove_file(&out).unwrap();
    component(&fixture("c-hook.wasm")).exits(1).says("it is a component already");
    component(&file(&folder, "main.wasm", r#"(module (func (export "_start")))"#)).exits(1).says("-buildmode=c-shared");
    component(&file(&folder, "nothing.wasm", "(module)")).exits(1).says("it exports no hook");
    component(env!("CARGO_MANIFEST_DIR")).exits(1).says("cannot read ");
    fs::write(folder.path().join("x"), "no").unwrap();
    component(folder.path().join("x").to_str().unwrap()).exits(1).says("it is not WebAssembly");
    assert!(!out.exists());
}

#[test]
fn run_shows_what_is_asked_and_what_came_of_it() {
    own_network();
    let hook = fixture("c-hook.wasm");
    let outcome = tool(&[
        "run",
        &hook,
        "--serve",
        "8080=200:pong",
        "--serve",
        "9090=204",
        "--status",
        "signaled:KILL",
        "--job",
        "a\"b",
    ]);
    outcome.exits(0).says("c-hook: a\"b was killed by signal 9 after 1000 ms\n");
    for line in [
        "> POST http://localhost:8080/jobs\n",
        "> content-type: application/json\n",
        "> {\"job\":\"a\\\"b\",\"outcome\":\"was killed by signal 9\",\"duration_ms\":1000}\n",
        "< 200\n< \n< pong\n",
        "localhost:9090: nothing was asked\n",
        "after-exit of c-hook: done in ",
        ", with 128 KiB of memory\n",
    ] {
        assert!(outcome.stdout.contains(line), "{line:?}: {outcome:?}");
    }
    let outcome =
        tool(&["run", &hook, "--serve", "8080=500", "--status", "not-started:no such file", "--log-level", "error"]);
    outcome.exits(1).never_says("did not start");
    assert!(outcome.stdout.contains("\"did not start: no such file\",\"duration_ms\":null}\n< 500\n"), "{outcome:?}");
    assert!(outcome.stdout.contains("after-exit of c-hook: failed in "), "{outcome:?}");
    // Both hooks, in their order; where the first fails the second is told.
    let outcome = tool(&["run", &fixture("c-lifecycle.wasm")]);
    outcome.exits(1).says("c-lifecycle: job did not start: before-start hook c-lifecycle failed after ");
    let order = ["before-start of c-lifecycle: failed in ", "after-exit of c-lifecycle: done in "];
    assert!(order.map(|line| outcome.stdout.find(line).unwrap()).is_sorted(), "{outcome:?}");
}

#[test]
fn run_has_the_sandbox_and_the_limits_of_the_wrapper() {
    own_network();
    let hostile = |what: &str, arguments: &[&str]| {
        run_program(dist("wrapper-plugin"), ["run"].iter().chain(arguments)).env("HOOK_AFTER", what).outcome()
    };
    let outcome = hostile("spin", &[HOSTILE, "--hook-timeout", "300ms"]);
    outcome.exits(1).says("stopped at its deadline; --hook-timeout allows more").within(Duration::from_secs(5));
    hostile("sleep", &[&format!("{HOSTILE},timeout=300ms")])
        .exits(1)
        .says("stopped at its deadline; timeout= allows more");
    let outcome = tool(&["run", &format!("{},port=9", fixture("c-hook.wasm")), "--serve", "8080=200"]);
    outcome.exits(1).says("the plugin may reach only port 9; add port=8080");
}

#[test]
fn run_says_what_is_wrong_with_what_it_is_given() {
    own_network();
    let hook = fixture("c-hook.wasm");
    let taken = TcpListener::bind("127.0.0.1:8080").unwrap();
    tool(&["run", &hook, "--serve", "8080=200"])
        .exits(1)
        .says("another program listens on localhost:8080; end it, or choose");
    drop(taken);
    for (arguments, says) in [
        (&["--serve", "8080"][..], "'8080' is not PORT=STATUS[:BODY], such as 8080=204"),
        (&["--serve", "0=200"], "a port is a number from 1 to 65535"),
        (&["--serve", "8080=100"], "a status is a number from 200 to 999"),
        (&["--status", "3"], "'3' is not an end of a job; write exited:3, signaled:9 or not-started:why"),
        (&["--status", "exited:300"], "'300' is not an exit code"),
        (&["--hook-timeout", "20"], "'20' is not a duration; write it as 20s or 1m30s"),
    ] {
        tool(&[&["run", &hook], arguments].concat()).exits(2).says(says);
    }
    tool(&["run", "no-such"]).exits(2).says("'no-such' is neither a built-in plugin");
    tool(&["run", "./no-such.wasm"])
        .exits(1)
        .says("error: plugin ./no-such.wasm cannot be read: No such file or directory");
    tool(&["run", "istio-quit", "--serve", "15020=200"]).exits(0).says("localhost:15020 answered 200");
}

#[test]
fn an_interrupt_ends_it_and_what_it_started() {
    own_network();
    let mut run = run_program(dist("wrapper-plugin"), ["run", HOSTILE]).env("HOOK_AFTER", "spin");
    let mut child = run.start();
    let mut stderr = child.stderr.take().unwrap();
    thread::sleep(Duration::from_millis(500));
    // SAFETY: no pointers; the child is not waited for yet.
    unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGINT) };
    child.wait().unwrap();
    // The end of all who could write to it.
    std::io::copy(&mut stderr, &mut std::io::sink()).unwrap();
}

#[test]
fn completions_and_the_manual_page_have_every_command() {
    let commands = ["new", "check", "run", "compile", "component", "bindings", "doctor", "completions"];
    let manual = tool(&["man"]);
    let help = tool(&["--help"]);
    for command in commands {
        assert!(
            manual.exits(0).stdout.contains(&format!("WRAPPER\\-PLUGIN {}", command.to_uppercase()))
                || manual.stdout.contains(&format!("WRAPPER-PLUGIN {}", command.to_uppercase())),
            "{command}"
        );
        assert!(help.exits(0).stdout.contains(&format!("\n  {command}")), "{command}");
        for shell in ["bash", "zsh", "fish"] {
            assert!(tool(&["completions", shell]).exits(0).stdout.contains(command), "{command} in {shell}");
        }
    }
    for hidden in ["hooks", "inspect"] {
        assert!(
            !help.stdout.contains(&format!("\n  {hidden}"))
                && !manual.stdout.contains(&format!("PLUGIN {}", hidden.to_uppercase()))
        );
    }
}

#[test]
fn what_bindings_write_is_what_the_project_needs() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = tool_in(folder.path(), &["bindings", "go", "-o", "hook"]);
    outcome.exits(1).says("is in no Go module: there is no go.mod above it; run `go mod init NAME` first");
    fs::write(folder.path().join("go.mod"), "module example.com/x\n").unwrap();
    tool_in(folder.path(), &["bindings", "go", "-o", "inner/hook"]).exits(0);
    let text = fs::read_to_string(folder.path().join("inner/hook/hookhttp/hookhttp.go")).unwrap();
    assert!(text.contains("\"example.com/x/inner/hook\"") && !text.contains("notify"), "{text}");
    let nowhere = tool_in(folder.path(), &["compile", &fixture("c-hook.wasm"), "-o", "no/x.cwasm"]);
    nowhere.exits(1).says("error: cannot write no/x.cwasm: No such file or directory\n");
    tool_in(folder.path(), &["bindings", "c", "--world", "gate", "-o", "c"]).exits(0);
    let header = fs::read_to_string(folder.path().join("c/hook.h")).unwrap();
    assert!(header.contains("exports_before_start_run") && !header.contains("exports_after_exit_run"));
    tool_in(folder.path(), &["bindings", "rust", "-o", "/proc/no"]).exits(1).says("cannot make the folder /proc/no");
}

#[test]
fn a_full_disk_is_said_in_a_sentence() {
    let full = || fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    own_network();
    let plugin = fixture("c-hook.wasm");
    for arguments in [&["check", &plugin][..], &["run", &plugin], &["man"], &["completions", "bash"]] {
        let mut run = run_program(dist("wrapper-plugin"), arguments).with(|command| {
            command.stdout(full());
        });
        run.outcome().exits(1).says("wrapper-plugin: error: cannot write to stdout: No space left on device\n");
    }
}
