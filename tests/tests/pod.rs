//! The mission: a pod in which a wrapped job and a real Envoy share a network, as they do in a cluster. When the job has ended
//! the pod is done, and without the hook it never is.

use serde_json::{Value, json};
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};
use wrapper_tests::{Podman, run_program, tool, wait_until};

const WRAPPER: &str = concat!("registry.example.com/wrapper:", env!("CARGO_PKG_VERSION"));
const MY_JOB: &str = "registry.example.com/my-job:1";

/// What Istio's injector writes into a pod. The rest of it, such as the volumes, is left out: podman takes 63 characters.
const STATUS: &str = r#"{"initContainers":["istio-init"],"containers":["istio-proxy"]}"#;

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
        let metadata = json!({ "name": name, "annotations": { "sidecar.istio.io/status": STATUS } });
        let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec });
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
        let container = self.container(name);
        let outcome = self.podman.command(&["wait", &container]).under(&["timeout", "60"]).bound(70).outcome();
        assert!(outcome.code == 0, "{container} has not ended: {}", self.log("my-job"));
        outcome.stdout.trim().parse().unwrap()
    }

    /// A field of a container's state.
    fn state(&self, name: &str, field: &str) -> String {
        self.podman.output(&["inspect", "--format", &format!("{{{{json .State.{field}}}}}"), &self.container(name)])
    }

    fn is_running(&self, name: &str) -> bool {
        self.state(name, "Running") == "true"
    }

    /// A container runs, and does so for another three seconds.
    #[track_caller]
    fn stays(&self, name: &str) {
        let bound = Instant::now() + Duration::from_secs(3);
        while Instant::now() < bound {
            assert!(self.is_running(name), "{}", self.log(name));
            thread::sleep(Duration::from_millis(200));
        }
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
        // podman notes a line a moment after it was written, which may be later than the end.
        between(line, &self.state(name, "FinishedAt")).unwrap_or_default()
    }
}

impl Drop for Pod<'_> {
    fn drop(&mut self) {
        self.podman.put_away(&["pod", "rm", "--force", "--time", "0", self.name]);
    }
}

/// From the first time in one text to that in another, if the other is later. The time of day will do, around midnight too.
fn between(from: &str, to: &str) -> Option<Duration> {
    let (day, half) = (86_400.0, 43_200.0);
    let after = (seconds_of_day(to) - seconds_of_day(from) + half).rem_euclid(day) - half;
    Duration::try_from_secs_f64(after).ok()
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
            let job = job(plugins, &["exit", &code.to_string()]);
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
    pod.stays("istio-proxy");
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

/// A folder for containers, in which each user can write, as that of an emptyDir.
fn folder(podman: &Podman, name: &str) -> PathBuf {
    let folder = podman.folder().join(name);
    fs::create_dir_all(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    folder
}

/// The pod of an example, with the sidecar that a mesh would add to it.
fn of_an_example(podman: &Podman, file: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/kubernetes").join(file);
    let read = "import json, sys, yaml; print(json.dumps([*yaml.safe_load_all(open(sys.argv[1]))]))";
    let python = run_program(tool("schemas/bin/python"), ["-c".as_ref(), read.as_ref(), path.as_os_str()]).outcome();
    let mut objects: Vec<Value> = serde_json::from_str(&python.exits(0).stdout).unwrap();
    let job = objects.iter_mut().find(|object| object["kind"] == "Job").unwrap();
    let mut spec = job["spec"]["template"]["spec"].take();
    spec["containers"].as_array_mut().unwrap().push(envoy());
    // podman of Debian 12 has no emptyDir yet.
    for volume in spec["volumes"].as_array_mut().into_iter().flatten() {
        let folder = folder(podman, volume["name"].as_str().unwrap());
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

/// A pod in which Envoy starts after the job, as when a kubelet pulls its image first.
#[derive(Debug, Clone, Copy)]
struct Late {
    /// How many seconds after the job.
    envoy: u64,
    /// How many seconds the job takes.
    job: &'static str,
    /// None for the plugin by default.
    plugins: Option<&'static str>,
    /// Whether the job's container gets what the injector wrote.
    is_told: bool,
}

impl Late {
    /// All of them, beginning with those that take longest.
    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for envoy in [40, 8, 2, 0] {
            for job in ["5", "0.1"] {
                for plugins in [None, Some("istio-quit"), Some("istio-wait:istio-quit")] {
                    all.extend([true, false].map(|is_told| Self { envoy, job, plugins, is_told }));
                }
            }
        }
        all
    }

    /// The documented limit: the plugin by default holds a pod up for 15 s if nobody tells whether there is a sidecar.
    fn is_the_limit(self) -> bool {
        self.plugins.is_none() && !self.is_told && self.envoy > 15
    }

    /// With the wrapper in a folder of this machine.
    fn spec(self, wrapper: &Path) -> Value {
        // As the kubelet sets it in every container, and podman does not: by this the wrapper sees that it is in a cluster.
        let mut variables = vec![json!({ "name": "KUBERNETES_SERVICE_HOST", "value": "10.96.0.1" })];
        if let Some(plugins) = self.plugins {
            variables.push(json!({ "name": "WRAPPER_PLUGIN_PATH", "value": plugins }));
        }
        if self.is_told {
            let status = json!({ "fieldRef": { "fieldPath": "metadata.annotations['sidecar.istio.io/status']" } });
            variables.push(json!({ "name": "HOOK_ISTIO_SIDECAR", "valueFrom": status }));
        }
        let job = json!({
            "name": "my-job", "image": "busybox:1.37", "env": variables,
            "command": ["/wrapper-bin/wrapper", "sh", "-c", format!("sleep {}; exit 3", self.job)],
            "volumeMounts": [{ "name": "wrapper-bin", "mountPath": "/wrapper-bin" }],
        });
        let volume = json!({ "name": "wrapper-bin", "hostPath": { "path": wrapper, "type": "Directory" } });
        json!({ "containers": [job, envoy()], "volumes": [volume] })
    }

    /// Runs it, and looks at how its containers ended.
    fn ends_as_documented(self, podman: &Podman, name: &str, wrapper: &Path) {
        println!("{name} is {self:?}");
        let pod = Pod::make(podman, name, self.spec(wrapper), false);
        pod.start("my-job");
        thread::sleep(Duration::from_secs(self.envoy));
        pod.start("istio-proxy");
        let code = pod.exit_code("my-job");
        let log = pod.log("my-job");
        assert_eq!(code, 3, "{self:?}: {log}");
        if self.is_the_limit() {
            let warning = "istio-quit: warning: nothing listens on localhost:15020: no sidecar to quit, or one that starts \
                           later and keeps the pod running; set HOOK_ISTIO_SIDECAR to tell which";
            assert!(log.contains(warning), "{self:?}: {log}");
            // podman notes a start a moment late, too.
            let ran = between(&pod.state("my-job", "StartedAt"), &pod.state("my-job", "FinishedAt"));
            assert!(ran.is_some_and(|ran| (14..20).contains(&ran.as_secs())), "{self:?}, {ran:?}: {log}");
            pod.stays("istio-proxy");
        } else {
            assert_eq!(pod.exit_code("istio-proxy"), 0, "{self:?}: {log}");
            assert!(log.contains(": the sidecar quits"), "{self:?}: {log}");
        }
    }
}

#[test]
fn a_pod_whose_envoy_starts_after_the_job_ends_up_to_the_documented_limit() {
    let Some(podman) = Podman::find() else { return };
    let wrapper = folder(&podman, "wrapper-bin");
    let volume = format!("{}:/wrapper-bin", wrapper.display());
    podman.confined(&["--volume", &volume], WRAPPER, &["--install", "/wrapper-bin/wrapper"]).outcome().exits(0);
    thread::scope(|scope| {
        for (case, number) in Late::all().into_iter().zip(1..) {
            let (podman, wrapper) = (&podman, &wrapper);
            scope.spawn(move || case.ends_as_documented(podman, &format!("late{number}"), wrapper));
            // A pod mostly waits, so the slowest has time for all; but two CPUs do not start all at once.
            thread::sleep(Duration::from_millis(750));
        }
    });
}
