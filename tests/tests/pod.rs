//! The mission: a pod in which a wrapped job and a real Envoy share a network, as they do in a cluster. When the job has ended
//! the pod is done, and without the hook it never is.

use serde_json::{Value, json};
use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};
use wrapper_tests::{Podman, run_program, tool, wait_until};

const MY_JOB: &str = "registry.example.com/my-job:1";

/// The sidecar's container.
fn envoy() -> Value {
    json!({ "name": "istio-proxy", "image": "localhost/envoy" })
}

/// A job's container: the wrapper with these plugins, and the job with these arguments.
fn job(plugins: &str, arguments: &[&str]) -> Value {
    json!({
        "name": "my-job", "image": MY_JOB, "args": arguments,
        "env": [{ "name": "WRAPPER_PLUGIN_PATH", "value": plugins }],
    })
}

/// A container whose hook waits for Envoy as long as that takes to come up on a busy machine.
fn patient(mut container: Value) -> Value {
    let variables = &mut container["env"];
    if variables.is_null() {
        *variables = json!([]);
    }
    variables.as_array_mut().unwrap().push(json!({ "name": "HOOK_QUIT_RETRY", "value": "20s" }));
    container
}

/// A pod of podman's, of which each container's name begins with the pod's.
struct Pod<'a> {
    podman: &'a Podman,
    name: &'a str,
}

impl<'a> Pod<'a> {
    /// Makes it, from a pod's specification, and starts it.
    fn play(podman: &'a Podman, name: &'a str, spec: Value) -> Self {
        Self::make(podman, name, spec, true)
    }

    fn make(podman: &'a Podman, name: &'a str, mut spec: Value, start: bool) -> Self {
        spec["restartPolicy"] = "Never".into();
        for kind in ["initContainers", "containers"] {
            for container in spec[kind].as_array_mut().into_iter().flatten() {
                container["imagePullPolicy"] = "Never".into();
            }
        }
        let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name }, "spec": spec });
        let file = podman.folder().join(name).with_extension("json");
        fs::write(&file, pod.to_string()).unwrap();
        let start = format!("--start={start}");
        podman.output(&["play", "kube", "--network", "none", &start, file.to_str().unwrap()]);
        Self { podman, name }
    }

    fn container(&self, name: &str) -> String {
        format!("{}-{name}", self.name)
    }

    fn start(&self, name: &str) {
        self.podman.output(&["start", &self.container(name)]);
    }

    /// A container's exit code, when it has ended, which it must in a minute.
    fn exit_code(&self, name: &str) -> i32 {
        let outcome = self.podman.command(&["wait", &self.container(name)]).bound(60).outcome();
        outcome.exits(0).stdout.trim().parse().unwrap()
    }

    fn is_running(&self, name: &str) -> bool {
        self.podman.output(&["inspect", "--format", "{{.State.Running}}", &self.container(name)]) == "true"
    }

    /// What a container wrote, with the time of each line before it.
    fn log(&self, name: &str) -> String {
        let outcome = self.podman.command(&["logs", "--timestamps", &self.container(name)]).outcome();
        format!("{}{}", outcome.exits(0).stdout, outcome.stderr)
    }

    /// From the line that tells of the job's end to that of a container.
    fn ended_after_job(&self, name: &str) -> Duration {
        let log = self.log("my-job");
        let line = log.lines().find(|line| line.contains(" exited ")).unwrap_or_else(|| panic!("{log}"));
        let finished =
            self.podman.output(&["inspect", "--format", "{{json .State.FinishedAt}}", &self.container(name)]);
        // The time of day will do, around midnight too. podman notes a line a moment after it was written, which may be later
        // than the end.
        let (day, half) = (86_400.0, 43_200.0);
        let after = (seconds_of_day(&finished) - seconds_of_day(line) + half).rem_euclid(day) - half;
        Duration::from_secs_f64(after.max(0.0))
    }
}

impl Drop for Pod<'_> {
    fn drop(&mut self) {
        self.podman.put_away(&["pod", "rm", "--force", "--time", "0", self.name]);
    }
}

/// Of the first time in a text, such as 2026-03-01T12:00:00.000000000Z.
fn seconds_of_day(text: &str) -> f64 {
    let time = text.split_once('T').unwrap().1;
    let time: String = time.chars().take_while(|char| char.is_ascii_digit() || ":.".contains(*char)).collect();
    time.split(':').fold(0.0, |sum, part| sum * 60.0 + part.parse::<f64>().unwrap())
}

#[test]
fn a_pod_is_done_within_a_second_of_its_job_and_keeps_the_jobs_exit_code() {
    let Some(podman) = Podman::find() else { return };
    for (name, code, plugins) in
        [("zero", 0, "istio-quit"), ("three", 3, "istio-quit"), ("waited", 3, "istio-wait:istio-quit")]
    {
        let mut took = Vec::new();
        // A machine that has other things to do may hold up a pod, though not each of some.
        let is_done_in_time = (1..=3).any(|attempt| {
            let job = patient(job(plugins, &["exit", &code.to_string()]));
            let spec = json!({ "containers": [envoy(), job] });
            let name = format!("{name}{attempt}");
            let pod = Pod::play(&podman, &name, spec);
            assert_eq!(pod.exit_code("my-job"), code, "{}", pod.log("my-job"));
            assert_eq!(pod.exit_code("istio-proxy"), 0, "{}", pod.log("istio-proxy"));
            assert!(pod.log("my-job").contains(": the sidecar quits"), "{}", pod.log("my-job"));
            took.push(["my-job", "istio-proxy"].map(|container| pod.ended_after_job(container)));
            took[attempt - 1].iter().all(|took| *took < Duration::from_secs(1))
        });
        assert!(is_done_in_time, "{name}: job and sidecar ended so long after the job: {took:?}");
    }
}

#[test]
fn without_the_hook_envoy_stays_and_the_pod_with_it() {
    let Some(podman) = Podman::find() else { return };
    let pod = Pod::play(&podman, "control", json!({ "containers": [envoy(), job("istio-wait", &["exit", "0"])] }));
    assert_eq!(pod.exit_code("my-job"), 0);
    let bound = Instant::now() + Duration::from_secs(3);
    while Instant::now() < bound {
        assert!(pod.is_running("istio-proxy"), "{}", pod.log("istio-proxy"));
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn stopping_the_pod_tells_the_job_and_keeps_its_exit_code() {
    let Some(podman) = Podman::find() else { return };
    let spec = json!({ "containers": [envoy(), job("istio-wait:istio-quit", &["until-term", "42"])] });
    let pod = Pod::play(&podman, "stopped", spec);
    wait_until("the job waits", || pod.log("my-job").contains("my-job waits"));
    let outcome = podman.command(&["pod", "stop", "--time", "20", "stopped"]).outcome();
    outcome.exits(0).within(Duration::from_secs(10));
    assert_eq!((pod.exit_code("my-job"), pod.exit_code("istio-proxy")), (42, 0));
    let log = pod.log("my-job");
    assert!(log.contains("my-job got SIGTERM") && log.contains("istio-quit: done"), "{log}");
}

#[test]
fn the_job_is_held_until_a_late_envoy_is_ready() {
    let Some(podman) = Podman::find() else { return };
    let spec = json!({ "containers": [envoy(), job("istio-wait:istio-quit", &["exit", "0"])] });
    let pod = Pod::make(&podman, "late", spec, false);
    pod.start("my-job");
    wait_until("the hook waits", || pod.log("my-job").contains("istio-wait: waiting for Istio on localhost:15021"));
    assert!(!pod.log("my-job").contains("started my-job"));
    pod.start("istio-proxy");
    assert_eq!((pod.exit_code("my-job"), pod.exit_code("istio-proxy")), (0, 0), "{}", pod.log("my-job"));
    let log = pod.log("my-job");
    let ready = log.find("istio-wait: localhost:15021 answered 200: Istio is ready").unwrap();
    assert!(ready < log.find("wrapper: started my-job").unwrap(), "{log}");
}

/// The pod of an example, with the sidecar that a mesh would add to it.
fn of_an_example(podman: &Podman, file: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/kubernetes").join(file);
    let read = "import json, sys, yaml; print(json.dumps([*yaml.safe_load_all(open(sys.argv[1]))]))";
    let python = run_program(tool("schemas/bin/python"), ["-c".as_ref(), read.as_ref(), path.as_os_str()]).outcome();
    let mut objects: Vec<Value> = serde_json::from_str(&python.exits(0).stdout).unwrap();
    let job = objects.iter_mut().find(|object| object["kind"] == "Job").unwrap();
    let mut spec = job["spec"]["template"]["spec"].take();
    let container = &mut spec["containers"][0];
    *container = patient(container.take());
    spec["containers"].as_array_mut().unwrap().push(envoy());
    // podman of Debian 12 has no emptyDir yet.
    for volume in spec["volumes"].as_array_mut().into_iter().flatten() {
        let folder = podman.folder().join(volume["name"].as_str().unwrap());
        fs::create_dir_all(&folder).unwrap();
        // As that of an emptyDir.
        fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        *volume = json!({ "name": volume["name"], "hostPath": { "path": folder, "type": "Directory" } });
    }
    spec
}

#[test]
fn an_example_that_is_copied_as_it_is_ends_with_its_job() {
    let Some(podman) = Podman::find() else { return };
    for (name, file, says) in [
        ("job", "job.yaml", "hello from my-job"),
        ("any-image", "any-image.yaml", "hello from busybox"),
        ("report", "report.yaml", "hello from my-job"),
        ("restricted", "restricted.yaml", "hello from my-job"),
    ] {
        let pod = Pod::play(&podman, name, of_an_example(&podman, file));
        assert_eq!((pod.exit_code("my-job"), pod.exit_code("istio-proxy")), (0, 0), "{file}: {}", pod.log("my-job"));
        let log = pod.log("my-job");
        assert!(log.contains(says) && log.contains(": the sidecar quits"), "{file}: {log}");
    }
}
