//! The promise where it counts: real Jobs in a real Kubernetes, beside a real Envoy that is injected as Istio's is.
//!
//! `make cluster-test` starts the cluster, runs this, and writes what it finds into `docs/cluster.md`. Elsewhere it does nothing.

mod endings;
mod examples;
mod hanging;
mod inject;
mod many;
mod native;
mod oom;
mod shapes;
mod volume;

use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    env, fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Mutex,
    thread,
};
use wrapper_tests::cluster::{Cluster, Space, exit_code};

/// The version of the tree's images.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How many are tried at once: they mostly wait.
const AT_ONCE: usize = 4;

/// Something that is tried in a namespace of its own, and what comes of it.
struct Case {
    tried: &'static str,
    run: fn(&Space) -> Row,
}

/// What came of it, and its times, as cells of the table.
struct Row {
    happened: String,
    took: String,
    after_job: String,
}

impl Row {
    fn new(happened: impl Into<String>) -> Self {
        Self { happened: happened.into(), took: String::new(), after_job: String::new() }
    }
}

/// The part about Jobs that do not end.
const HANGING: &str = "Jobs that hang";

/// The parts of the table, in the order of the page.
const PARTS: [(&str, &[Case]); 7] = [
    ("The examples, as they lie there", examples::CASES),
    ("How a job ends", endings::CASES),
    (HANGING, hanging::CASES),
    ("Native sidecars", native::CASES),
    ("The wrapper from an image volume", volume::CASES),
    ("Put under the wrapper by a label", inject::CASES),
    ("Out of memory", oom::CASES),
];

#[test]
fn every_job_of_the_table_ends_as_it_should() {
    let Some(cluster) = Cluster::find() else { return };
    cluster.kubectl(&["apply", "--filename=-"], &fs::read_to_string("cluster/injector.yaml").unwrap());
    cluster.kubectl(&["apply", "--filename=-"], &examples::read("inject/policy.yaml"));
    shapes::wait_until_policies_hold(&cluster);
    let only = env::var("CLUSTER_CASE").unwrap_or_default();
    let cases: VecDeque<_> = (PARTS.iter())
        .flat_map(|(part, cases)| cases.iter().map(move |case| (*part, case)))
        .filter(|(_, case)| case.tried.contains(&only))
        .enumerate()
        .collect();
    let (cases, rows) = (Mutex::new(cases), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some((number, (part, case))) = cases.lock().unwrap().pop_front() else { return };
                    let space = cluster.space(&format!("case-{number}"));
                    // What it says when it fails is shown as for any test.
                    let row = catch_unwind(AssertUnwindSafe(|| {
                        let row = (case.run)(&space);
                        if part != HANGING {
                            hanging::is_healthy(&space);
                        }
                        row
                    }));
                    let row = row.ok();
                    // To make fixtures of.
                    if let Some(folder) = env::var_os("CLUSTER_PODS") {
                        let objects = space.kubectl(&["get", "job,pod", "--output=json"], "");
                        let name = case.tried.replace(|letter: char| !letter.is_ascii_alphanumeric(), "-");
                        fs::write(Path::new(&folder).join(name + ".json"), objects).unwrap();
                    }
                    rows.lock().unwrap().push((number, part, case.tried, row));
                }
            });
        }
    });
    let mut rows = rows.into_inner().unwrap();
    rows.sort_by_key(|(number, ..)| *number);
    let failed: Vec<_> = rows.iter().filter(|(.., row)| row.is_none()).map(|(_, _, tried, _)| tried).collect();
    assert!(failed.is_empty(), "failed: {failed:#?}");
    if !only.is_empty() {
        return;
    }
    let mut table = String::new();
    for (part, _) in PARTS {
        table += &format!(
            "\n## {part}\n\n| tried | what came of it | the Job took | the sidecar's end |\n|---|---|---|---|\n"
        );
        for (.., tried, row) in rows.iter().filter(|row| row.1 == part) {
            let Row { happened, took, after_job } = row.as_ref().expect("it has not failed");
            table += &format!("| {tried} | {happened} | {took} | {after_job} |\n");
        }
    }
    table += &shapes::table(&cluster);
    // Alone, as it is about a node that is busy.
    table += &many::table(&cluster);
    println!("{table}");
    if let Some(page) = env::var_os("CLUSTER_PAGE") {
        let old = fs::read_to_string(&page).unwrap();
        let (head, _) =
            old.split_once("\n<!-- `make cluster-test` writes what follows. -->\n").expect("the page has the line");
        fs::write(page, format!("{head}\n<!-- `make cluster-test` writes what follows. -->\n{table}")).unwrap();
    }
}

/// A Job named `my-job` whose pod has Istio's label, with this container in addition to its name and image.
fn job(container: Value, pod: Value, spec: Value) -> String {
    let mut container = container;
    merge(
        &mut container,
        json!({ "name": "my-job", "image": "registry.example.com/my-job:1", "imagePullPolicy": "Never" }),
    );
    let mut pod_spec = json!({ "restartPolicy": "Never", "containers": [container] });
    merge(&mut pod_spec, pod);
    let mut job = json!({ "backoffLimit": 0, "template": {
        "metadata": { "labels": { "sidecar.istio.io/inject": "true" } }, "spec": pod_spec,
    } });
    merge(&mut job, spec);
    json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": "my-job" }, "spec": job }).to_string()
}

/// Puts what the second has into the first.
fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

/// Variables of a container.
fn env_of(variables: &[(&str, &str)]) -> Value {
    variables.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect()
}

/// What Istio's injector wrote.
fn known() -> Value {
    let field = "metadata.annotations['sidecar.istio.io/status']";
    json!({ "name": "HOOK_ISTIO_SIDECAR", "valueFrom": { "fieldRef": { "fieldPath": field } } })
}

/// A wrapped job that runs this line of shell, with the recommended settings.
fn shell(line: &str) -> Value {
    let mut variables = env_of(&[("WRAPPER_PLUGIN_PATH", "istio-wait:istio-quit")]);
    variables.as_array_mut().unwrap().push(known());
    json!({ "command": ["/wrapper", "sh", "-c", line], "env": variables })
}

/// A row for a Job that has ended: its state, the exit code of its container, and times.
fn row(space: &Space, job: &str, container: &str, seconds: u64) -> Row {
    let ended = space.ended(job, seconds);
    let pods = space.pods(job);
    let pod = pods.last().expect("a pod");
    let code = exit_code(pod, container).map_or("none".to_owned(), |code| code.to_string());
    let (_, after_job) = space.after(pod, container, "istio-proxy");
    let why = if ended.reason == "CompletionsReached" || ended.reason.is_empty() {
        String::new()
    } else {
        format!(", {}", ended.reason)
    };
    Row {
        happened: format!("{}{why}; exit code {code}", ended.state),
        took: format!("{} s", ended.took),
        after_job: after_job.map_or(String::new(), |seconds| format!("{:.0} ms", seconds * 1e3)),
    }
}
