//! Plugins in other languages: begun, built and run as the tool says, and all the same to a sidecar.
//!
//! What the projects fetch comes from the caches that `scripts/setup languages` fills: there is no network here. Where a
//! language's tools are missing its tests are skipped, but not under `CI=true`.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use wrapper_tests::{Answer, Outcome, Run, Server, dist, own_network, run, run_program, skip_unless_ci};

/// A language that projects are begun in.
#[derive(Clone, Copy)]
struct Language {
    /// As `new` is told.
    name: &'static str,
    /// What must be there, and how to get it.
    needs: (&'static [&'static str], &'static str),
    /// The file with the hook, of a project called tell-me.
    source: &'static str,
    /// A line of it, and the same with a loop without end.
    line: &'static str,
    endless: &'static str,
    /// Whether the compiler takes so long that it is compiled beforehand.
    is_large: bool,
}

const RUST: Language = Language {
    name: "rust",
    needs: (&["cargo"], "https://rustup.rs"),
    source: "src/lib.rs",
    line: "fn tell(status: ExitStatus) -> Result<(), String> {",
    endless: "loop { std::hint::spin_loop() }",
    is_large: false,
};
const C: Language = Language {
    name: "c",
    needs: (&["clang-19", "wasm-ld-19"], "apt-get install clang-19 lld-19"),
    source: "tell-me.c",
    line: "bool exports_after_exit_run(hook_exit_status_t *status, hook_string_t *err) {",
    endless: "for (volatile int i = 0;; i++) {}",
    is_large: false,
};
const GO: Language = Language {
    name: "go",
    needs: (&["go"], "https://go.dev/dl, or `scripts/setup languages`"),
    source: "tell-me.go",
    line: "func tell(status hook.ExitStatus) error {",
    endless: "for {}",
    is_large: true,
};
const JAVASCRIPT: Language = Language {
    name: "js",
    needs: (&["node", "npm"], "apt-get install nodejs npm"),
    source: "tell-me.js",
    line: "  run(status) {",
    endless: "while (true);",
    is_large: true,
};
const PYTHON: Language = Language {
    name: "python",
    needs: (&["python3"], "apt-get install python3 python3-venv"),
    source: "tell_me.py",
    line: "    def run(self, status: ExitStatus) -> None:",
    endless: "        while True: pass",
    is_large: true,
};

/// The folder of caches that the set-up filled.
fn caches() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/languages").canonicalize().expect("run `make test`")
}

/// A command as an author types it, with the tools that this tree has.
fn typed(folder: &Path, command: &str) -> Run {
    let tools = dist("wrapper-plugin").parent().unwrap().to_owned();
    let path: Vec<_> = [tools.clone(), tools.join("../tools/go/bin")]
        .into_iter()
        .chain(env::split_paths(&env::var_os("PATH").unwrap_or_default()))
        .collect();
    let mut run = run_program("sh", ["-ec", command])
        .env("PATH", env::join_paths(path).unwrap())
        .env("npm_config_cache", caches().join("npm"))
        .env("npm_config_offline", "true")
        .env("PIP_NO_INDEX", "1")
        .env("PIP_FIND_LINKS", caches().join("wheels"))
        .env("CARGO_NET_OFFLINE", "true")
        .env("GOPROXY", "off")
        // Of its own, and what is compiled once is there for the next command.
        .env("WRAPPER_CACHE", folder.join("cache"))
        // A plugin that brings an interpreter takes long to compile where other tests run beside it.
        .env("WRAPPER_HOOK_TIMEOUT", "50s")
        .with(|command| {
            command.current_dir(folder);
        });
    for (name, value) in rust_for_wasm() {
        run = run.env(name, value);
    }
    // What cargo set for this test is not meant for a project.
    run.with(|command| {
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy().into_owned();
            let set_for_test = text.starts_with("CARGO_") && !["CARGO_HOME", "CARGO_NET_OFFLINE"].contains(&&*text);
            if (set_for_test || text == "MAKEFLAGS" || text == "MAKELEVEL")
                && !rust_for_wasm().iter().any(|(own, _)| *own == text)
            {
                command.env_remove(&name);
            }
        }
    })
}

/// Where rustup has no standard library for WebAssembly: Debian's compiler, which builds it from its source.
fn rust_for_wasm() -> Vec<(&'static str, OsString)> {
    let arguments = ["--print", "target-libdir", "--target", "wasm32-unknown-unknown"];
    let output = Command::new("rustc").args(arguments).output().expect("there is a Rust compiler");
    if Path::new(String::from_utf8_lossy(&output.stdout).trim_end()).is_dir() {
        return Vec::new();
    }
    [
        ("CARGO", "/usr/bin/cargo"),
        ("RUSTC", "/usr/bin/rustc"),
        ("RUSTC_BOOTSTRAP", "1"),
        ("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", "wasm-ld-19"),
        ("CARGO_UNSTABLE_BUILD_STD", "std,panic_abort"),
        ("CARGO_UNSTABLE_BUILD_STD_FEATURES", "optimize_for_size"),
    ]
    .map(|(name, value)| (name, value.into()))
    .into()
}

impl Language {
    /// Whether there is what it takes. Under `CI=true` there must be.
    fn is_here(self) -> bool {
        let (programs, how) = self.needs;
        let missing = programs.iter().find(|program| {
            let found = typed(Path::new("/"), &format!("command -v {program}")).outcome();
            found.code != 0
        });
        let Some(missing) = missing else { return true };
        skip_unless_ci(&format!("the plugins in {} need {missing}: {how}", self.name));
        false
    }

    /// Begins a project, and runs what `new` says comes next, word by word. Returns its folder.
    fn project(self, folder: &Path, world: &str) -> (PathBuf, Outcome) {
        let new = format!("wrapper-plugin new tell-me --lang {} --world {world}", self.name);
        let begun = typed(folder, &new).outcome();
        let next: Vec<_> = begun.exits(0).stdout.lines().filter_map(|line| line.strip_prefix("  ")).collect();
        assert_eq!(next[..2], ["cd tell-me", "make"], "{begun:?}");
        assert_eq!(next.len(), 4, "{begun:?}");
        let outcome = typed(folder, &next.join("\n")).bound(600).outcome();
        (folder.join("tell-me"), outcome)
    }
}

/// A component as it is to be run again and again.
fn compiled(folder: &Path, name: &str, is_large: bool) -> String {
    let component = folder.join(name).with_extension("wasm");
    if !is_large {
        return component.to_str().unwrap().to_owned();
    }
    let compile = format!("wrapper-plugin compile {name}.wasm -o {name}.cwasm");
    let outcome = typed(folder, &compile).bound(300).outcome();
    outcome.exits(0);
    // The part of a run that takes long says that it goes on.
    if outcome.took > Duration::from_secs(4) {
        outcome.says(&format!("wrapper-plugin: compiling {name}.wasm ("));
    }
    component.with_extension("cwasm").to_str().unwrap().to_owned()
}

/// The example does the same in each language.
fn tells_how_the_job_ended(plugin: &str) {
    let name = Path::new(plugin).file_stem().unwrap().to_str().unwrap().to_owned();
    let says = |outcome: &Outcome, text: &str| {
        outcome.says(&format!("{name}: {text}"));
    };
    for (job, code, ended) in [
        (&["true"][..], 0, "exited 0"),
        (&["sh", "-c", "exit 3"], 3, "exited 3"),
        (&["sh", "-c", "kill -9 $$"], 137, "was killed by signal 9"),
        (&["/nonexistent"], 127, "did not start: "),
    ] {
        own_network();
        let server = Server::start(8080, Answer::Bytes(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()));
        let outcome = run(["--plugin", plugin].iter().chain(job)).outcome();
        outcome.exits(code);
        let name = Path::new(job[0]).file_name().unwrap().to_str().unwrap();
        says(&outcome, &format!("{name} {ended}"));
        says(&outcome, "localhost:8080 answered 204\n");
        let [request] = server.requests().try_into().unwrap();
        assert_eq!((&*request.method, &*request.path), ("POST", "/jobs"));
        assert_eq!(request.header("content-type"), ["application/json"]);
        let start = format!("{{\"job\":\"{name}\",\"outcome\":\"{ended}");
        assert!(request.body.starts_with(&start), "{}", request.body);
        let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
        assert_eq!(body["duration_ms"].is_null(), code == 127, "{body}");
        assert_eq!(body.as_object().unwrap().len(), 3);
        let after = body["duration_ms"].as_u64().map_or_else(String::new, |ms| format!(" after {ms} ms"));
        says(&outcome, &format!("{name} {}{after}\n", body["outcome"].as_str().unwrap()));
    }
    own_network();
    let outcome = run(["--plugin", plugin, "--on-hook-failure", "fail", "true"]).outcome();
    outcome.exits(0);
    says(&outcome, "nobody listens on localhost:8080\n");
    let _server = Server::start(8080, Answer::status("500 Internal Server Error", "no"));
    let outcome = run(["--plugin", plugin, "--on-hook-failure", "fail", "true"]).outcome();
    outcome.exits(125).says(": localhost:8080 answered 500\n");
}

fn decides_whether_the_job_starts(plugin: &str) {
    for (answer, code, says) in [
        (Some(Answer::ok()), 0, "started true"),
        (Some(Answer::status("503 Service Unavailable", "")), 125, "localhost:8080 is not ready: it answered 503"),
        (None, 125, "localhost:8080 is not ready: nobody listens there"),
    ] {
        own_network();
        let server = answer.map(|answer| Server::start(8080, answer));
        run(["--plugin", plugin, "true"]).outcome().exits(code).says(says);
        if let Some(server) = server {
            let requests = server.requests();
            assert_eq!((&*requests[0].method, &*requests[0].path), ("GET", "/ready"));
        }
    }
}

/// All that is promised of a language.
fn keeps_its_promises(language: Language) {
    if !language.is_here() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let within = |world: &str| {
        let folder = folder.path().join(world);
        fs::create_dir(&folder).unwrap();
        own_network();
        language.project(&folder, world)
    };
    let (hook, as_typed) = within("hook");
    as_typed.exits(0).says("tell-me: job exited 0 after 1000 ms").says("tell-me: true exited 0 after ");
    assert!(as_typed.stdout.contains("> POST http://localhost:8080/jobs\n"), "{as_typed:?}");
    assert!(as_typed.stdout.contains("after-exit of tell-me: done in "), "{as_typed:?}");
    typed(&hook, "make test >/dev/null; make -q").bound(300).outcome().exits(0);
    let plugin = compiled(&hook, "tell-me", language.is_large);
    tells_how_the_job_ended(&plugin);

    // A gate that nobody answers keeps the last of the four commands from starting its job.
    let (gate, as_typed) = within("gate");
    as_typed.exits(125).says("tell-me failed after ").says("localhost:8080 is not ready: nobody listens there");
    decides_whether_the_job_starts(&compiled(&gate, "tell-me", language.is_large));

    let (lifecycle, as_typed) = within("lifecycle");
    as_typed.exits(125).says("tell-me: true did not start: ");
    let plugin = compiled(&lifecycle, "tell-me", language.is_large);
    decides_whether_the_job_starts(&plugin);
    own_network();
    let server = Server::start(8080, Answer::ok());
    run(["--plugin", &plugin, "true"]).outcome().exits(0).says("tell-me: true exited 0 after ");
    assert_eq!(server.requests().len(), 2);

    is_stopped_at_its_deadline(&hook, language);
}

/// What loops is stopped, whatever it brings.
fn is_stopped_at_its_deadline(folder: &Path, Language { source, line, endless, is_large, .. }: Language) {
    let file = folder.join(source);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(line), "{line} is not in {text}");
    fs::write(&file, text.replace(line, &format!("{line}\n{endless}\n"))).unwrap();
    typed(folder, "make").bound(300).outcome().exits(0);
    let plugin = compiled(folder, file_stem(folder), is_large);
    let outcome = run(["--plugin", &plugin, "--hook-timeout", "1s", "sh", "-c", "exit 3"]).outcome();
    outcome.exits(3).says("stopped at its deadline");
}

/// The component's name: the only one there.
fn file_stem(folder: &Path) -> &'static str {
    if folder.join("notify.wasm").exists() { "notify" } else { "tell-me" }
}

#[test]
fn rust_is_begun_built_and_run_as_the_tool_says() {
    keeps_its_promises(RUST);
}

#[test]
fn c_is_begun_built_and_run_as_the_tool_says() {
    keeps_its_promises(C);
}

#[test]
fn go_is_begun_built_and_run_as_the_tool_says() {
    keeps_its_promises(GO);
}

#[test]
fn in_go_the_standard_log_and_http_client_work() {
    if !GO.is_here() {
        return;
    }
    own_network();
    let folder = tempfile::tempdir().unwrap();
    typed(folder.path(), "wrapper-plugin new tell-me --lang go").outcome().exits(0);
    let project = folder.path().join("tell-me");
    let source = r#"package main
import (
	"log"
	"net/http"
	"strings"
	"example.com/tell-me/hook"
	"example.com/tell-me/hook/afterexit"
	_ "example.com/tell-me/hook/hookhttp"
	_ "example.com/tell-me/hook/hooklog"
)
func init() { afterexit.Run(func(hook.ExitStatus) error {
	response, err := http.Post("http://localhost:8080/x", "text/plain", strings.NewReader("hello"))
	if err != nil { return err }
	log.Printf("it answered %s", response.Status)
	return nil
}) }
"#;
    fs::write(project.join(GO.source), source).unwrap();
    typed(&project, "make").bound(300).outcome().exits(0);
    let server = Server::start(8080, Answer::ok());
    let plugin = compiled(&project, "tell-me", true);
    run(["--plugin", &plugin, "true"]).outcome().exits(0).says("tell-me: it answered 200").says("tell-me: done in ");
    assert_eq!(server.requests()[0].body, "hello");
}

#[test]
fn javascript_is_begun_built_and_run_as_the_tool_says() {
    keeps_its_promises(JAVASCRIPT);
}

#[test]
fn python_is_begun_built_and_run_as_the_tool_says() {
    keeps_its_promises(PYTHON);
}

#[test]
fn javascript_with_fetch_does_the_same() {
    if !JAVASCRIPT.is_here() {
        return;
    }
    own_network();
    let folder = tempfile::tempdir().unwrap();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/plugins/javascript-fetch");
    typed(folder.path(), &format!("cp -rL {}/. . && rm -rf node_modules *.wasm && make", example.display()))
        .bound(300)
        .outcome()
        .exits(0);
    tells_how_the_job_ended(&compiled(folder.path(), "notify", true));
    let line = "async function tell(status) {";
    let language = Language { source: "notify.js", line, ..JAVASCRIPT };
    is_stopped_at_its_deadline(folder.path(), language);
}
