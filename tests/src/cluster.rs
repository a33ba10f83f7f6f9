//! A real cluster of one node, which `make cluster-test` starts and ends.

use crate::{run_program, skip};
use serde_json::{Value, json};
use std::{
    env, fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// What `scripts/cluster up` has started.
#[derive(Clone, Debug)]
pub struct Cluster {
    root: PathBuf,
}

impl Cluster {
    /// None if this is no run of `make cluster-test`, which is said.
    pub fn find() -> Option<Self> {
        if env::var_os("CLUSTER").is_none() {
            skip("it needs a cluster, which `make cluster-test` starts as root");
            return None;
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
        assert!(root.join("target/cluster/ready").exists(), "no cluster runs");
        Some(Self { root })
    }

    /// What kubectl prints, or its error.
    pub fn try_kubectl(&self, arguments: &[&str], input: &str) -> Result<String, String> {
        let words = ["kubectl"].iter().chain(arguments);
        let outcome = run_program(self.root.join("scripts/cluster"), words).input(input).bound(300).outcome();
        if outcome.code == 0 { Ok(outcome.stdout) } else { Err(outcome.stderr) }
    }

    /// What kubectl prints.
    #[track_caller]
    pub fn kubectl(&self, arguments: &[&str], input: &str) -> String {
        self.try_kubectl(arguments, input).unwrap_or_else(|error| panic!("kubectl {arguments:?}: {error}\n{input}"))
    }

    /// A namespace of a test's own.
    pub fn space(&self, name: &str) -> Space {
        self.kubectl(&["create", "namespace", name], "");
        Space { cluster: self.clone(), name: name.to_owned() }
    }

    /// When each container started and ended, in seconds since the epoch, as containerd tells it.
    fn events(&self) -> Vec<Event> {
        let log = fs::read_to_string(self.root.join("target/cluster/logs/events.log")).unwrap();
        log.lines().filter_map(Event::read).collect()
    }
}

/// A namespace, which is deleted in the end.
#[derive(Debug)]
pub struct Space {
    /// The cluster that it is in.
    pub cluster: Cluster,
    /// Its name.
    pub name: String,
}

impl Space {
    /// What kubectl prints, in this namespace.
    #[track_caller]
    pub fn kubectl(&self, arguments: &[&str], input: &str) -> String {
        self.cluster.kubectl(&[&["--namespace", &self.name], arguments].concat(), input)
    }

    /// Makes what a manifest says.
    #[track_caller]
    pub fn apply(&self, manifest: &str) {
        self.kubectl(&["apply", "--filename=-"], manifest);
    }

    /// An object as JSON.
    #[track_caller]
    pub fn get(&self, kind: &str, name: &str) -> Value {
        serde_json::from_str(&self.kubectl(&["get", kind, name, "--output=json"], "")).unwrap()
    }

    /// The pods of a Job, the oldest first.
    #[track_caller]
    pub fn pods(&self, job: &str) -> Vec<Value> {
        let label = format!("--selector=batch.kubernetes.io/job-name={job}");
        let sort = "--sort-by=.metadata.creationTimestamp";
        let list: Value =
            serde_json::from_str(&self.kubectl(&["get", "pods", &label, sort, "--output=json"], "")).unwrap();
        list["items"].as_array().unwrap().clone()
    }

    /// How a Job ended, which it must within so many seconds.
    #[track_caller]
    pub fn ended(&self, job: &str, seconds: u64) -> Ended {
        let mut found = None;
        let has_ended = within(seconds, || {
            found = Ended::of(&self.get("job", job));
            found.is_some()
        });
        assert!(has_ended, "job {job} has not ended after {seconds} s: {}", self.account(job));
        found.expect("it has ended")
    }

    /// Everything that helps to see why a Job is as it is.
    pub fn account(&self, job: &str) -> String {
        let mut text = String::new();
        for pod in self.pods(job) {
            let name = pod["metadata"]["name"].as_str().unwrap();
            text += &format!("\n{name}: {}", pod["status"]);
            for container in pod["spec"]["containers"].as_array().unwrap() {
                let container = container["name"].as_str().unwrap();
                let log = self.cluster.try_kubectl(&["--namespace", &self.name, "logs", name, "-c", container], "");
                text += &format!("\n{container}: {}", log.unwrap_or_else(|error| error));
            }
        }
        text
    }

    /// What a container of a Job's newest pod wrote.
    #[track_caller]
    pub fn log(&self, job: &str, container: &str) -> String {
        let pods = self.pods(job);
        let pod = pods.last().expect("a pod")["metadata"]["name"].as_str().unwrap();
        self.kubectl(&["logs", pod, "--container", container], "")
    }

    /// Waits until a container of a Job's pod is in this state: `running`, `waiting` or `terminated`.
    #[track_caller]
    pub fn wait_for(&self, job: &str, container: &str, state: &str) {
        let is_so = within(60, || self.pods(job).iter().any(|pod| !status(pod, container)["state"][state].is_null()));
        assert!(is_so, "{container} of {job} is not {state}: {}", self.account(job));
    }

    /// How many seconds after one container of a pod another started, and how many after its end it ended.
    pub fn after(&self, pod: &Value, first: &str, second: &str) -> (Option<f64>, Option<f64>) {
        let events = self.cluster.events();
        let at = |container: &str, is_start| {
            let id = status(pod, container)["containerID"].as_str()?.strip_prefix("containerd://")?.to_owned();
            events.iter().find(|event| event.container == id && event.is_start == is_start).map(|event| event.at)
        };
        let between = |is_start| Some(at(second, is_start)? - at(first, is_start)?);
        (between(true), between(false))
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        // A test may have failed already, so this one does not.
        drop(self.cluster.try_kubectl(&["delete", "namespace", &self.name, "--wait=false"], ""));
    }
}

/// How a Job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// `Complete` or `Failed`.
    pub state: String,
    /// Why, in one word.
    pub reason: String,
    /// In seconds, from the Job's creation to its end.
    pub took: i64,
}

impl Ended {
    fn of(job: &Value) -> Option<Self> {
        let conditions = job["status"]["conditions"].as_array()?;
        let is_end = |condition: &&Value| {
            condition["status"] == "True" && (condition["type"] == "Complete" || condition["type"] == "Failed")
        };
        let end = conditions.iter().find(is_end)?;
        let text = |field: &str| end[field].as_str().unwrap_or_default().to_owned();
        let took = seconds(&end["lastTransitionTime"]) - seconds(&job["metadata"]["creationTimestamp"]);
        Some(Self { state: text("type"), reason: text("reason"), took })
    }
}

/// A container that started or ended.
struct Event {
    container: String,
    is_start: bool,
    at: f64,
}

impl Event {
    /// From a line such as `2026-11-25 10:00:00.123456789 +0000 UTC k8s.io /tasks/exit {"container_id":"…"}`.
    fn read(line: &str) -> Option<Self> {
        let (time, rest) = line.split_once(" +0000 UTC ")?;
        let (topic, fields) = rest.strip_prefix("k8s.io ")?.split_once(' ')?;
        let fields: Value = serde_json::from_str(fields).ok()?;
        let container = fields["container_id"].as_str()?.to_owned();
        match topic {
            "/tasks/start" => Some(Self { container, is_start: true, at: fraction(time)? }),
            // Other processes of a container, such as a probe's, have other ids.
            "/tasks/exit" if fields["id"] == fields["container_id"] => {
                let at = &fields["exited_at"];
                let nanos = at["nanos"].as_f64().unwrap_or(0.0);
                Some(Self { container, is_start: false, at: at["seconds"].as_f64()? + nanos / 1e9 })
            }
            _ => None,
        }
    }
}

/// `2026-11-25 10:00:00.123456789`, in seconds since the epoch.
fn fraction(time: &str) -> Option<f64> {
    let (whole, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let whole = whole.replace(' ', "T") + "Z";
    Some(seconds(&json!(whole)) as f64 + format!("0.{fraction}").parse::<f64>().ok()?)
}

/// `2026-11-25T10:00:00Z`, in seconds since the epoch.
fn seconds(time: &Value) -> i64 {
    let text = time.as_str().unwrap_or_else(|| panic!("{time} is no time"));
    let time = humantime::parse_rfc3339(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    time.duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs() as i64
}

/// Whether something comes about within so many seconds. Each look at it costs a program's start.
pub fn within(seconds: u64, mut condition: impl FnMut() -> bool) -> bool {
    let bound = Instant::now() + Duration::from_secs(seconds);
    loop {
        if condition() {
            return true;
        }
        if Instant::now() > bound {
            return false;
        }
        thread::sleep(Duration::from_millis(300));
    }
}

/// What is known of a container of a pod; null if nothing is.
pub fn status<'a>(pod: &'a Value, container: &str) -> &'a Value {
    let lists = ["containerStatuses", "initContainerStatuses"];
    let statuses = lists.iter().flat_map(|list| pod["status"][*list].as_array().into_iter().flatten());
    statuses.into_iter().find(|status| status["name"] == container).unwrap_or(&Value::Null)
}

/// A container's exit code, if it has ended.
pub fn exit_code(pod: &Value, container: &str) -> Option<i64> {
    status(pod, container)["state"]["terminated"]["exitCode"].as_i64()
}
