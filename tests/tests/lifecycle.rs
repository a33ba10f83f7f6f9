//! The whole life of a job: what is waited for before it starts, and which hooks run when it has ended.

use serde_json::Value;
use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    thread,
    time::{Duration, Instant},
};
use wrapper_tests::{Answer, HOSTILE, Server, children, dist, own_network, run};

/// How long before the deadline a wait gives up, and by how much it may be late.
const NEAR: Duration = Duration::from_millis(400);

#[test]
fn a_condition_says_after_which_jobs_a_hook_runs() {
    for (job, code, succeeds) in [
        (&["true"][..], 0, true),
        (&["sh", "-c", "exit 3"], 3, false),
        (&["sh", "-c", "kill -TERM $$"], 143, false),
        (&["/no/such/command"], 127, false),
        // What is reported as 0 is what Kubernetes takes for a success.
        (&["-e", "3", "sh", "-c", "exit 3"], 0, true),
        (&["-e", "0=4", "true"], 4, false),
        (&["--plugin", "istio-wait,timeout=200ms", "true"], 125, false),
    ] {
        own_network();
        for (on, runs) in [("always", true), ("success", succeeds), ("failure", !succeeds)] {
            let plugin = format!("echo,on={on}");
            let outcome = run(["--plugin", &plugin].iter().chain(job)).outcome();
            outcome.exits(code);
            if runs {
                outcome.says("echo: done in ").never_says("not run");
            } else {
                let ended = if succeeds { "succeeded" } else { "failed" };
                outcome.says(&format!("echo: not run: the job {ended}, and it has on={on}"));
                outcome.never_says("echo: done").never_says("echo: warning");
            }
        }
    }
}

#[test]
fn a_hook_that_is_left_out_holds_nothing_up_and_the_others_run() {
    own_network();
    let server = Server::start(15020, Answer::ok());
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report");
    let plugins = ["istio-quit,on=success", "echo,on=failure", "istio-quit,on=failure", "echo"];
    let arguments: Vec<_> = plugins.iter().flat_map(|plugin| ["--plugin", plugin]).collect();
    let arguments = [&arguments[..], &["--report", report.to_str().unwrap(), "sh", "-c", "exit 3"]].concat();
    let outcome = run(&arguments).outcome();
    outcome.exits(3).says("istio-quit: not run").says("answered 200").within(Duration::from_secs(1));
    assert_eq!(server.requests().len(), 1, "{outcome:#?}");
    let report: Value = serde_json::from_str(&fs::read_to_string(report).unwrap()).unwrap();
    let hooks = report["hooks"].as_array().unwrap();
    let results: Vec<_> = hooks.iter().map(|hook| hook["result"].as_str().unwrap()).collect();
    assert_eq!(results, ["skipped", "done", "done", "done"]);
    assert_eq!(hooks[0]["message"], "not run: the job failed, and it has on=success");
    assert_eq!(hooks[0]["duration-ms"], 0.0);
}

#[test]
fn a_hook_that_fails_or_hangs_never_stops_the_next() {
    own_network();
    let server = Server::start(15020, Answer::ok());
    for instruction in ["fail", "trap", "exit", "sleep", "spin"] {
        let plugins = ["--plugin", HOSTILE, "--plugin", "istio-quit", "--plugin", "echo", "--hook-timeout", "1s"];
        let outcome = run(plugins.iter().chain(&["sh", "-c", "exit 3"])).env("HOOK_AFTER", instruction).outcome();
        outcome.exits(3).says("hostile: warning: failed in ").says("istio-quit: done in ").says("echo: done in ");
        // A third of the second, and what compiling the plugin took beside so short a job.
        assert!(outcome.after_job < Duration::from_millis(900), "{outcome:#?}");
        assert_eq!(server.requests().len(), 1, "{instruction}");
    }
}

#[test]
fn a_wait_tells_of_itself_at_its_start_every_ten_seconds_and_at_its_end() {
    own_network();
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report");
    let options = ["--plugin", "istio-wait", "--plugin", "echo", "--report", report.to_str().unwrap()];
    let outcome = run(options.iter().chain(&["echo", "started"])).env("WRAPPER_START_TIMEOUT", "12s").outcome();
    assert_eq!(outcome.exits(125).stdout, "");
    let place = "localhost:15021";
    let lines: Vec<_> = outcome.stderr.lines().collect();
    assert_eq!(lines[0], format!("istio-wait: waiting for Istio on {place}, at most 12 s"));
    assert_eq!(lines[1], format!("istio-wait: {place} is not ready: nothing listens there"));
    assert_eq!(lines[2], "wrapper: still waiting for istio-wait after 10 s, at most 12 s");
    let why = format!("Istio on {place} is not ready: nothing listens there; --start-timeout or timeout= allows more");
    assert!(lines[3].starts_with("istio-wait: warning: failed in ") && lines[3].ends_with(&why), "{lines:#?}");
    let told = "wrapper: error: echo was not started: before-start hook istio-wait failed after ";
    assert!(lines[4].starts_with(told) && lines[4].ends_with(&why), "{lines:#?}");
    // The hook that comes after is told as well.
    assert!(lines[5].starts_with("echo: echo was not started: before-start hook istio-wait failed"), "{lines:#?}");
    assert!(
        outcome.took > Duration::from_millis(11_600) && outcome.took < Duration::from_millis(12_100),
        "{outcome:#?}"
    );
    let report: Value = serde_json::from_str(&fs::read_to_string(report).unwrap()).unwrap();
    assert_eq!(report["status"]["kind"], "not-started");
    assert_eq!(
        (&report["hooks"][0]["hook"], &report["hooks"][0]["result"]),
        (&"before-start".into(), &"failed".into())
    );
    assert!(report["hooks"][0]["duration-ms"].as_f64().unwrap() > 11_600., "{report}");
}

#[test]
fn a_short_time_is_used_and_a_sleeping_hook_takes_no_cpu() {
    own_network();
    let wait = |timeout: &str| run(["--start-timeout", timeout, "--plugin", "istio-wait", "true"]).outcome();
    for timeout in [20, 100, 1_000] {
        let outcome = wait(&format!("{timeout}ms"));
        outcome.exits(125).says("is not ready: nothing listens there; --start-timeout");
        let took = outcome.took.as_millis();
        assert!(took > timeout * 8 / 10 && took < timeout + 60, "{timeout} ms: {outcome:#?}");
    }
    let server = Server::start(15021, Answer::ok());
    wait("20ms").exits(0).says("Istio is ready");
    drop(server);

    // After 10 ms, and later a fiftieth of the time waited so far: some 110 attempts in two seconds, where nobody is in the way.
    own_network();
    let server = Server::start(15021, Answer::status("503 Service Unavailable", ""));
    wait("2s").exits(125).says("its Envoy is not ready yet");
    let attempts = server.requests().len();
    assert!((20..=130).contains(&attempts), "{attempts}");

    let mut sleeping = run(["--plugin", HOSTILE, "true"]).env("HOOK_BEFORE", "sleep").start();
    let mut stderr = BufReader::new(sleeping.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("before: ") {
        assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "{line}");
    }
    let pid = children(sleeping.id() as libc::pid_t)[0];
    let wakes = || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        count.unwrap().trim().parse::<u32>().unwrap()
    };
    // It may not sleep yet.
    thread::sleep(Duration::from_millis(200));
    let before = wakes();
    thread::sleep(Duration::from_secs(1));
    assert!(wakes() - before <= 2, "it was woken {} times in a second", wakes() - before);
    // SAFETY: no pointers; the child is not waited for yet, so its id is its own.
    assert_eq!(unsafe { libc::kill(sleeping.id() as libc::pid_t, libc::SIGTERM) }, 0);
    assert_eq!(sleeping.wait().unwrap().code(), Some(143));
}

#[test]
fn who_is_asked_to_end_while_it_waits_ends_at_once() {
    own_network();
    let server = Server::start(15020, Answer::ok());
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let folder = tempfile::tempdir().unwrap();
        let report = folder.path().join("report");
        let options = ["--plugin", "istio-wait", "--plugin", "istio-quit", "--report", report.to_str().unwrap()];
        // The same port would tell whether it is ready.
        let url = "http://localhost:15021/healthz/ready";
        let mut run = run(options.iter().chain(&["echo", "started"])).env("HOOK_ISTIO_WAIT_URL", url);
        let mut child = run.start();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut log = String::new();
        while !log.contains("is not ready") {
            assert_ne!(stderr.read_line(&mut log).unwrap(), 0, "{log}");
        }
        let asked = Instant::now();
        // SAFETY: no pointers; the child is not waited for yet, so its id is its own.
        assert_eq!(unsafe { libc::kill(child.id() as libc::pid_t, signal) }, 0);
        stderr.read_to_string(&mut log).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(128 + signal), "{log}");
        assert!(asked.elapsed() < Duration::from_millis(500), "{log}");
        let mut stdout = String::new();
        child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
        assert_eq!(stdout, "");
        assert!(log.contains("was not started: SIG") && log.contains("istio-quit: done in "), "{log}");
        let report: Value = serde_json::from_str(&fs::read_to_string(report).unwrap()).unwrap();
        let waited = &report["hooks"][0];
        assert_eq!((&waited["plugin"], &waited["result"]), (&"istio-wait".into(), &"failed".into()));
        assert!(waited["message"].as_str().unwrap().starts_with("stopped, as SIG"), "{report}");
        assert_eq!(server.requests().len(), 1);
    }
}

#[test]
fn the_job_starts_without_what_is_not_required() {
    own_network();
    let outcome = run(["--plugin", "istio-wait,required=false,timeout=500ms", "sh", "-c", "exit 3"]).outcome();
    outcome.exits(3).says("istio-wait: warning: failed in ").says("allows more");
    outcome.says("wrapper: the start goes on without istio-wait, which has required=false");
    outcome.within(Duration::from_millis(500) + NEAR);

    let hostile = format!("{HOSTILE},required=false");
    for instruction in ["fail not today", "trap", "exit"] {
        let outcome = run(["--plugin", &hostile, "sh", "-c", "exit 3"]).env("HOOK_BEFORE", instruction).outcome();
        outcome.exits(3).says("the start goes on without hostile");
    }
}

#[test]
fn what_is_required_has_all_of_the_time_and_what_is_not_its_share() {
    let start = |first: &'static str| {
        own_network();
        let late = |port, after| {
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(after));
                let server = Server::start(port, Answer::ok());
                thread::sleep(Duration::from_secs(3));
                drop(server);
            })
        };
        // Istio after more than half of the time, Envoy later still.
        late(15021, 1_300);
        late(9901, 1_600);
        run(["--plugin", first, "--plugin", "envoy-wait", "--start-timeout", "2s", "true"]).outcome()
    };
    start("istio-wait").exits(0).says("Istio is ready").says("Envoy is ready");
    start("istio-wait,required=false").exits(0).says("the start goes on without istio-wait").says("Envoy is ready");
}

#[test]
fn the_first_that_fails_ends_the_start() {
    own_network();
    let server = Server::start(9901, Answer::ok());
    let outcome = run(["--plugin", "istio-wait,timeout=300ms", "--plugin", "envoy-wait", "true"]).outcome();
    outcome.exits(125).says("before-start hook istio-wait failed after ").never_says("envoy-wait");
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn a_key_for_a_hook_that_a_plugin_does_not_have_is_refused() {
    let wait = dist("plugins/istio-wait.wasm").to_str().unwrap().to_owned() + ",on=success";
    let quit = dist("plugins/istio-quit.wasm").to_str().unwrap().to_owned() + ",required=false";
    for (plugin, why) in [
        (wait.as_str(), "istio-wait.wasm has no after-exit hook, for which on= is"),
        (&quit, "istio-quit.wasm has no before-start hook, for which required= is"),
        ("istio-wait,on=success", "on= is for plugins with a hook after-exit; 'istio-wait' has none"),
    ] {
        run(["--plugin", plugin, "true"]).outcome().exits(125).says(why).never_says("exited");
    }
}
