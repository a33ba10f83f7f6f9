//! How a job may end: exit codes, rules for them, deletion, deadlines, a second try.

use crate::{Case, Row, job, merge, row, shell};
use serde_json::{Value, json};
use std::time::Instant;
use wrapper_tests::cluster::{Space, exit_code, status, within};

pub const CASES: &[Case] = &[
    Case { tried: "a job that exits 0", run: |space| exits(space, 0, "Complete") },
    Case { tried: "a job that exits 3", run: |space| exits(space, 3, "Failed") },
    Case { tried: "a job that is killed by SIGKILL", run: is_killed },
    Case { tried: "a command that is not there, and a `podFailurePolicy` with 127", run: is_not_there },
    Case { tried: "a job that exits 42, and a `podFailurePolicy` with 42", run: fails_its_index },
    Case { tried: "deleted, with a job that traps SIGTERM", run: |space| is_deleted(space, TRAPS, 20, 8) },
    Case {
        tried: "deleted, with a job that ignores SIGTERM and `--grace 3s`",
        run: |space| is_deleted(space, IGNORES, 20, 12),
    },
    Case { tried: "deleted while it waits for its sidecar", run: is_deleted_while_it_waits },
    Case { tried: "`activeDeadlineSeconds: 5`", run: has_a_deadline },
    Case {
        tried: "`OnFailure` with `istio-quit,on=success`, and a job that succeeds the second time",
        run: is_tried_again,
    },
    Case { tried: "a job of 100 ms, and a sidecar that is ready 8 s later", run: is_late },
];

const TRAPS: &str = "trap 'echo trapped; exit 7' TERM; echo ready; while :; do sleep 0.1; done";
const IGNORES: &str = "trap '' TERM; echo ready; while :; do sleep 0.1; done";

fn exits(space: &Space, code: i64, state: &str) -> Row {
    space.apply(&job(shell(&format!("sleep 1; exit {code}")), json!({}), json!({})));
    let row = row(space, "my-job", "my-job", 60);
    assert!(
        row.happened.starts_with(state) && row.happened.ends_with(&format!("exit code {code}")),
        "{}",
        row.happened
    );
    row
}

fn is_killed(space: &Space) -> Row {
    // In a command, Kubernetes makes one $ of two.
    space.apply(&job(shell("kill -KILL $$$$"), json!({}), json!({})));
    let row = row(space, "my-job", "my-job", 60);
    assert!(row.happened.ends_with("exit code 137"), "{}", row.happened);
    row
}

fn rules(action: &str, code: u8) -> Value {
    let codes = json!({ "containerName": "my-job", "operator": "In", "values": [code] });
    json!({ "podFailurePolicy": { "rules": [{ "action": action, "onExitCodes": codes }] } })
}

fn is_not_there(space: &Space) -> Row {
    let mut container = shell("");
    container["command"] = json!(["/wrapper", "/absent"]);
    let mut spec = rules("FailJob", 127);
    merge(&mut spec, json!({ "backoffLimit": 3 }));
    space.apply(&job(container, json!({}), spec));
    let row = row(space, "my-job", "my-job", 60);
    assert_eq!(row.happened, "Failed, PodFailurePolicy; exit code 127");
    assert_eq!(space.pods("my-job").len(), 1);
    row
}

fn fails_its_index(space: &Space) -> Row {
    let mut spec = rules("FailIndex", 42);
    let indexed = json!({ "completionMode": "Indexed", "completions": 3, "parallelism": 3, "backoffLimitPerIndex": 2 });
    merge(&mut spec, indexed);
    spec.as_object_mut().unwrap().insert("backoffLimit".to_owned(), json!(6));
    space.apply(&job(shell("[ $JOB_COMPLETION_INDEX != 1 ] || exit 42"), json!({}), spec));
    let ended = space.ended("my-job", 60);
    assert_eq!(
        (ended.state.as_str(), ended.reason.as_str()),
        ("Failed", "FailedIndexes"),
        "{}",
        space.account("my-job")
    );
    let job = space.get("job", "my-job");
    assert_eq!((&job["status"]["completedIndexes"], &job["status"]["failedIndexes"]), (&json!("0,2"), &json!("1")));
    assert_eq!(space.pods("my-job").len(), 3);
    let happened = "Failed, FailedIndexes: index 1 was tried once, 0 and 2 completed";
    Row { took: format!("{} s", ended.took), ..Row::new(happened) }
}

/// Deletes the pod, and tells what the job exited with and how long it took until the pod was gone.
fn is_deleted(space: &Space, line: &str, grace: u64, bound: u64) -> Row {
    let mut container = shell(line);
    container["env"].as_array_mut().unwrap().push(json!({ "name": "WRAPPER_GRACE", "value": "3s" }));
    space.apply(&job(container, json!({ "terminationGracePeriodSeconds": grace }), json!({ "backoffLimit": 1 })));
    assert!(within(60, || !space.pods("my-job").is_empty() && space.account("my-job").contains("ready\n")));
    gone(space, bound, if line == TRAPS { 7 } else { 137 })
}

fn gone(space: &Space, bound: u64, code: i64) -> Row {
    let name = space.pods("my-job")[0]["metadata"]["name"].as_str().unwrap().to_owned();
    // So that what it was can be seen at the end.
    space.kubectl(
        &["patch", "pod", &name, "--type=merge", "--patch", r#"{"metadata":{"finalizers":["test/keep"]}}"#],
        "",
    );
    let began = Instant::now();
    space.kubectl(&["delete", "pod", &name, "--wait=false"], "");
    let pod = || space.get("pod", &name);
    let has_ended = || ["my-job", "istio-proxy"].iter().all(|container| exit_code(&pod(), container).is_some());
    assert!(within(bound, has_ended), "{}", space.account("my-job"));
    let took = began.elapsed();
    let pod = pod();
    space.kubectl(&["patch", "pod", &name, "--type=merge", "--patch", r#"{"metadata":{"finalizers":null}}"#], "");
    assert_eq!(exit_code(&pod, "my-job"), Some(code), "{pod}");
    space.kubectl(&["delete", "job", "my-job", "--wait=false"], "");
    Row::new(format!("exit code {code}, and all containers ended {:.1} s after the deletion", took.as_secs_f64()))
}

fn is_deleted_while_it_waits(space: &Space) -> Row {
    // A sidecar that never comes: no label, and somebody says that there is one.
    let mut container = shell("echo ready");
    container["env"][1] = json!({ "name": "HOOK_ISTIO_SIDECAR", "value": "true" });
    let spec =
        json!({ "backoffLimit": 1, "template": { "metadata": { "labels": { "sidecar.istio.io/inject": "false" } } } });
    let pod = json!({ "terminationGracePeriodSeconds": 20 });
    space.apply(&job(container, pod, spec));
    space.wait_for("my-job", "my-job", "running");
    assert!(within(20, || space.log("my-job", "my-job").contains("istio-wait: waiting for Istio")));
    let name = space.pods("my-job")[0]["metadata"]["name"].as_str().unwrap().to_owned();
    let began = Instant::now();
    space.kubectl(&["delete", "pod", &name, "--timeout=15s"], "");
    space.kubectl(&["delete", "job", "my-job", "--wait=false"], "");
    Row::new(format!("the job was not started, and the pod was gone after {:.1} s", began.elapsed().as_secs_f64()))
}

fn has_a_deadline(space: &Space) -> Row {
    let pod = json!({ "terminationGracePeriodSeconds": 20 });
    space.apply(&job(shell("echo ready; exec sleep 600"), pod, json!({ "activeDeadlineSeconds": 5 })));
    let ended = space.ended("my-job", 40);
    assert_eq!((ended.state.as_str(), ended.reason.as_str()), ("Failed", "DeadlineExceeded"));
    Row { took: format!("{} s", ended.took), ..Row::new("Failed, DeadlineExceeded") }
}

fn is_tried_again(space: &Space) -> Row {
    let mut container = shell("[ -e /tmp/was-here ] || { touch /tmp/was-here; echo first; exit 1; }; echo second");
    container["env"][0]["value"] = "istio-wait:istio-quit,on=success".into();
    container["volumeMounts"] = json!([{ "name": "kept", "mountPath": "/tmp" }]);
    let pod = json!({ "restartPolicy": "OnFailure", "volumes": [{ "name": "kept", "emptyDir": {} }] });
    space.apply(&job(container, pod, json!({ "backoffLimit": 3 })));
    let row = row(space, "my-job", "my-job", 90);
    assert_eq!(row.happened, "Complete; exit code 0");
    let pods = space.pods("my-job");
    assert_eq!((pods.len(), &status(&pods[0], "my-job")["restartCount"]), (1, &json!(1)));
    assert_eq!(status(&pods[0], "istio-proxy")["restartCount"], 0);
    Row { happened: "Complete; the container ran twice, the sidecar once".to_owned(), ..row }
}

fn is_late(space: &Space) -> Row {
    // Its port opens late, as that of a sidecar whose image was pulled for so long.
    let late =
        "/busybox/bin/busybox sleep 8; exec /envoy -l error --concurrency 1 --disable-hot-restart -c /istio.yaml";
    let proxy = json!({
        "name": "istio-proxy", "image": "registry.example.com/envoy:1", "imagePullPolicy": "Never",
        "command": ["/busybox/bin/busybox", "sh", "-c", late], "volumeMounts": [{ "name": "busybox", "mountPath": "/busybox" }],
    });
    let mut container =
        json!({ "command": ["/wrapper", "sleep", "0.1"], "env": [{ "name": "HOOK_ISTIO_SIDECAR", "value": "true" }] });
    merge(
        &mut container,
        json!({ "name": "my-job", "image": "registry.example.com/my-job:1", "imagePullPolicy": "Never" }),
    );
    let spec = json!({ "template": { "metadata": { "labels": { "sidecar.istio.io/inject": "false" } } } });
    let busybox = json!([{ "name": "busybox", "image": { "reference": "docker.io/library/busybox:1.37", "pullPolicy": "Never" } }]);
    space.apply(&job(json!({}), json!({ "containers": [container, proxy], "volumes": busybox }), spec));
    let row = row(space, "my-job", "my-job", 60);
    assert_eq!(row.happened, "Complete; exit code 0");
    row
}
