//! Plugins in other languages: begun, built and run as the tool says, and all the same to a sidecar.
//!
//! What the projects fetch comes from the caches that `scripts/setup languages` fills: there is no network here. Where a
//! language's tools are missing its tests are skipped, but not under `CI=true`.

use std::{
    env,
    ffi::OsString,
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
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

/// The plugin of a project in Go whose only hook, after the job, has this body. Nothing if Go is missing.
fn in_go(folder: &Path, imports: &str, body: &str) -> Option<String> {
    if !GO.is_here() {
        return None;
    }
    own_network();
    typed(folder, "wrapper-plugin new tell-me --lang go").outcome().exits(0);
    let project = folder.join("tell-me");
    let source = format!(
        r#"package main
import (
{imports}
	"example.com/tell-me/hook"
	"example.com/tell-me/hook/afterexit"
)
func init() {{ afterexit.Run(func(hook.ExitStatus) error {{
{body}
	return nil
}}) }}
"#
    );
    fs::write(project.join(GO.source), source).unwrap();
    typed(&project, "make").bound(300).outcome().exits(0);
    Some(compiled(&project, "tell-me", true))
}

/// What net/http needs in a hook.
const NET_HTTP: &str = r#"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	_ "example.com/tell-me/hook/hookhttp"
	_ "example.com/tell-me/hook/hooklog"
"#;

#[test]
fn in_go_the_standard_log_and_http_client_work() {
    let folder = tempfile::tempdir().unwrap();
    let body = r#"
	response, err := http.Post(os.Getenv("HOOK_URL"), "text/plain", strings.NewReader("hello"))
	if err != nil { return err }
	answer, err := io.ReadAll(response.Body)
	if err != nil { return err }
	log.Printf("%s answered %s: %s", response.Request.URL, response.Status, answer)
"#;
    let Some(plugin) = in_go(folder.path(), NET_HTTP, body) else { return };
    let get = |url: &str| run(["--plugin", &plugin, "true"]).env("HOOK_URL", url).outcome();
    let servers = [Ipv4Addr::LOCALHOST.into(), Ipv4Addr::new(127, 0, 0, 2).into(), Ipv6Addr::LOCALHOST.into()]
        .map(|ip: IpAddr| Server::start_at(ip, 8080, Answer::status("200 OK", &format!("I am {ip}"))));

    // An address means that address, and `localhost` the first of two.
    for (host, server) in [
        ("localhost", 0),
        ("LocalHost", 0),
        ("127.0.0.1", 0),
        ("127.0.0.2", 1),
        ("[::ffff:127.0.0.2]", 1),
        ("[::1]", 2),
    ] {
        let url = format!("http://{host}:8080/x");
        let server = &servers[server];
        get(&url).exits(0).says(&format!("tell-me: {url} answered 200 OK: I am {}\n", server.address.ip()));
        let [request] = server.requests().try_into().unwrap();
        assert_eq!((&*request.path, &*request.body), ("/x", "hello"));
        assert_eq!(request.header("host")[0].to_lowercase(), format!("{host}:8080").to_lowercase());
    }
    // No server of another address answers instead.
    get("http://127.0.0.3:8080/").says("127.0.0.3:8080: nothing listens on that port\n");
    get("http://[::1]:8081/").says("[::1]:8081: nothing listens on that port\n");

    let host = "a hook reaches only this host: localhost, an address of 127.0.0.0/8, or [::1]";
    let scheme = "a hook speaks plain HTTP; write the URL as http://localhost:PORT/PATH";
    for (url, says) in [
        ("http://example.com:8080/", format!("example.com:8080: not allowed: {host}\n")),
        ("http://10.0.0.1:8080/", format!("10.0.0.1:8080: not allowed: {host}\n")),
        ("http://[::2]:8080/", format!("[::2]:8080: not allowed: {host}\n")),
        ("http://[::1%25lo]:8080/", format!("[::1%lo]:8080: not allowed: {host}\n")),
        ("http://127.1:8080/", format!("127.1:8080: not allowed: {host}\n")),
        ("https://localhost:8080/", format!("https: not allowed: {scheme}\n")),
        ("localhost:8080/", format!("localhost: not allowed: {scheme}\n")),
        (
            "http://localhost.:8080/",
            "localhost.:8080: not allowed: there is a dot after localhost; leave it out\n".to_owned(),
        ),
        (
            "http://localhost:65536/",
            "localhost:65536: not allowed: the port must be a number from 1 to 65535\n".to_owned(),
        ),
    ] {
        get(url).exits(0).says(&says);
    }
    assert!(servers.iter().all(|server| server.requests().is_empty()));
}

#[test]
fn in_go_a_hook_knows_of_its_sidecar_and_asks_an_address_for_its_status() {
    let folder = tempfile::tempdir().unwrap();
    let body = r#"
	presence, why := hook.Sidecar()
	name := map[hook.Presence]string{hook.Unknown: "unknown", hook.Absent: "absent", hook.Present: "present"}[presence]
	start, end := hook.Lateness()
	hook.Info(fmt.Sprintf("%s (%s), at most %s and %s late; asked to end: %t", name, why, start, end, hook.AskedToEnd()))
	for _, request := range []hook.Request{
		{Port: 8080},
		{Port: 8080, HeadOnly: true},
		{Port: 8080, StatusOnly: true},
		{Port: 8080, StatusOnly: true, Address: "127.0.0.2"},
		{Port: 8080, Address: "::1"},
		{Port: 8080, HeadOnly: true, Address: "127.0.0.2"},
		{Port: 8080, HeadOnly: true, Address: "localhost"},
		{Port: 8080, Address: "10.0.0.1"},
	} {
		asked := fmt.Sprintf("%q %t %t", request.Address, request.HeadOnly, request.StatusOnly)
		if response, err := hook.Do(request); err != nil {
			hook.Info(fmt.Sprintf("%s: %s; denied: %t", asked, err, errors.Is(err, hook.ErrDenied)))
		} else {
			size := len(response.Body)
			hook.Info(fmt.Sprintf("%s: %d %d %q", asked, response.StatusCode, size, response.Body[:min(9, size)]))
		}
	}
"#;
    let Some(made) = in_go(folder.path(), "\t\"errors\"\n\t\"fmt\"", body) else { return };
    // A sidecar that a plugin quits may start later than that of any other plugin.
    let plugin = made.replace("tell-me.cwasm", "tell-me-quit.cwasm");
    fs::rename(made, &plugin).unwrap();
    // A body that is cut short, and one larger than a status needs.
    let _servers = [
        (Ipv4Addr::LOCALHOST.into(), Answer::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut".into())),
        (Ipv4Addr::new(127, 0, 0, 2).into(), Answer::status("202 Accepted", &"accepted ".repeat(1000))),
        (Ipv6Addr::LOCALHOST.into(), Answer::status("404 Not Found", "not found")),
    ]
    .map(|(ip, answer): (IpAddr, Answer)| Server::start_at(ip, 8080, answer));
    let outcome = run(["--plugin", &plugin, "true"]).env("HOOK_TELL_ME_SIDECAR", "").outcome();
    outcome.exits(0).says("absent (HOOK_TELL_ME_SIDECAR is empty), at most 1m0s and 5s late; asked to end: false\n");
    for line in [
        "\"\" false false: localhost:8080: the answer broke off: ",
        "\"\" true false: 200 0 \"\"\n",
        "\"\" false true: 200 3 \"cut\"\n",
        "\"127.0.0.2\" false true: 202 4096 \"accepted \"\n",
        "\"::1\" false false: 404 9 \"not found\"\n",
        "\"127.0.0.2\" true false: 127.0.0.2:8080: a request with an Address cannot be HeadOnly; it can be ",
        "\"localhost\" true false: 200 0 \"\"\n",
        "\"10.0.0.1\" false false: 10.0.0.1:8080: a hook reaches only this host, ",
        "; denied: true\n",
    ] {
        outcome.says(line);
    }
    let present = run(["--plugin", &plugin, "true"]).env("HOOK_TELL_ME_SIDECAR", "true").outcome();
    present.exits(0).says("present (HOOK_TELL_ME_SIDECAR says that there is one), at most ");
    let asked = run(["--plugin", &plugin, "sh", "-c", "kill $PPID; sleep 9"]).outcome();
    asked.exits(143).says("unknown (), at most 1m0s and 5s late; asked to end: true\n");
}

#[test]
fn a_plugin_in_go_imports_only_what_it_calls() {
    if !GO.is_here() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let make = "wrapper-plugin new tell-me --lang go && cd tell-me && make";
    typed(folder.path(), make).bound(300).outcome().exits(0);
    let component = fs::read(folder.path().join("tell-me/tell-me.wasm")).unwrap();
    let imports = |name: &str| component.windows(name.len()).any(|bytes| bytes == name.as_bytes());
    assert!(imports("wrapper:hook/localhost@0.1.0") && imports("send"));
    for newer in ["send-to", "send-for-status", "wrapper:hook/sidecar", "asked-to-end"] {
        assert!(!imports(newer), "{newer}");
    }
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
