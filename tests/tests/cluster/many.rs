//! Fifty Jobs at once: a node that is so busy starts sidecars seconds after their jobs.

use crate::{env_of, job, known};
use serde_json::{Value, json};
use wrapper_tests::cluster::{Cluster, exit_code, within};

const JOBS: usize = 50;

/// The settings, and whether a plugin is named.
const SETTINGS: [(&str, Option<&str>, bool); 4] = [
    ("nothing: `istio-quit` by default", None, false),
    ("`istio-quit` named", Some("istio-quit"), false),
    ("`HOOK_ISTIO_SIDECAR` alone", None, true),
    ("`istio-wait:istio-quit` and `HOOK_ISTIO_SIDECAR`, as recommended", Some("istio-wait:istio-quit"), true),
];

/// A table of how many completed with each setting, which must be all.
pub fn table(cluster: &Cluster) -> String {
    let mut table = format!(
        "\n## {JOBS} Jobs at once\n\nEach job takes 0.1 to 5 s. All are applied in one call.\n\n\
         | set | completed | the sidecar's start | the sidecar's end | the Job took |\n|---|---|---|---|---|\n"
    );
    for (number, (setting, plugins, is_known)) in SETTINGS.into_iter().enumerate() {
        table += &format!("| {setting} {}\n", fifty(cluster, number, plugins, is_known));
    }
    table
}

fn fifty(cluster: &Cluster, number: usize, plugins: Option<&str>, is_known: bool) -> String {
    let space = cluster.space(&format!("many-{number}"));
    let mut variables: Vec<Value> = Vec::new();
    variables.extend(is_known.then(known));
    variables.extend(
        plugins.into_iter().flat_map(|plugins| env_of(&[("WRAPPER_PLUGIN_PATH", plugins)]).as_array().unwrap().clone()),
    );
    let jobs: Vec<Value> = (0..JOBS)
        .map(|number| {
            let line = format!("sleep {}", [0.1, 1.0, 2.5, 5.0][number % 4]);
            let container = json!({ "command": ["/wrapper", "sh", "-c", line], "env": variables });
            let mut job: Value = serde_json::from_str(&job(container, json!({}), json!({}))).unwrap();
            job["metadata"]["name"] = format!("job-{number}").into();
            job
        })
        .collect();
    space.apply(&json!({ "apiVersion": "v1", "kind": "List", "items": jobs }).to_string());
    let list = |kind: &str| -> Vec<Value> {
        let list: Value = serde_json::from_str(&space.kubectl(&["get", kind, "--output=json"], "")).unwrap();
        list["items"].as_array().unwrap().clone()
    };
    let completed = || list("jobs").iter().filter(|job| job["status"]["succeeded"] == 1).count();
    let all = within(240, || completed() == JOBS);
    let pods = list("pods");
    assert!(
        all,
        "{} of {JOBS} completed: {:#?}",
        completed(),
        pods.iter().map(|pod| &pod["status"]["containerStatuses"]).collect::<Vec<_>>()
    );
    assert!(pods.iter().all(|pod| exit_code(pod, "my-job") == Some(0)));
    let (mut late, mut quit) = (Vec::new(), Vec::new());
    for pod in &pods {
        let (started, ended) = space.after(pod, "my-job", "istio-proxy");
        late.extend(started);
        quit.extend(ended);
    }
    let took = list("jobs").into_iter().map(|job| {
        let time = |time: &Value| humantime::parse_rfc3339(time.as_str().unwrap()).unwrap();
        let took = time(&job["status"]["completionTime"]).duration_since(time(&job["metadata"]["creationTimestamp"]));
        took.unwrap_or_default().as_secs_f64()
    });
    format!("| {JOBS} of {JOBS} | {} | {} | {} |", spread(late, 2), spread(quit, 2), spread(took.collect(), 0))
}

/// The middle and the extremes, in seconds.
fn spread(mut values: Vec<f64>, digits: usize) -> String {
    assert_eq!(values.len(), JOBS, "{values:?}");
    values.sort_by(f64::total_cmp);
    format!("{:.digits$} s, {:.digits$} to {:.digits$} s", values[JOBS / 2], values[0], values[JOBS - 1])
}
