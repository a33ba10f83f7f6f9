//! Jobs that the policies of `examples/kubernetes/inject` have put under the wrapper.

use crate::{Case, Row, job, merge, row};
use serde_json::{Value, json};
use wrapper_tests::cluster::{Space, exit_code, status};

pub const CASES: &[Case] = &[
    Case { tried: "the label's value `install`", run: |space| injected(space, "install") },
    Case { tried: "the label's value `image`", run: |space| injected(space, "image") },
    Case { tried: "`install`, in a pod that runs as root", run: as_root },
    Case { tried: "`restartPolicy: OnFailure`, and a job that succeeds the second time", run: is_tried_again },
    Case { tried: "two containers, of which the first named ends last", run: two_containers },
];

/// A Job of a foreign image that knows nothing of the wrapper.
fn plain(way: &str, pod: Value) -> String {
    let mut all = json!({ "containers": [{
        "name": "my-job", "image": "docker.io/library/busybox:1.37", "imagePullPolicy": "Never", "command": ["sh", "-c", "sleep 1; exit 3"],
    }] });
    merge(&mut all, pod);
    let labels = json!({ "wrapper.example.com/inject": way });
    job(json!({}), all, json!({ "template": { "metadata": { "labels": labels } } }))
}

fn injected(space: &Space, way: &str) -> Row {
    space.apply(&plain(way, json!({})));
    let row = row(space, "my-job", "my-job", 60);
    assert_eq!(row.happened, "Failed, BackoffLimitExceeded; exit code 3", "{}", space.account("my-job"));
    assert!(space.log("my-job", "my-job").contains(": the sidecar quits\n"));
    row
}

fn as_root(space: &Space) -> Row {
    space.apply(&plain("install", json!({ "securityContext": { "runAsUser": 0 } })));
    let row = row(space, "my-job", "my-job", 60);
    assert_eq!(row.happened, "Failed, BackoffLimitExceeded; exit code 3", "{}", space.account("my-job"));
    row
}

fn is_tried_again(space: &Space) -> Row {
    let line = "[ -e /tmp/was-here ] || { touch /tmp/was-here; exit 1; }";
    let pod = json!({ "restartPolicy": "OnFailure", "volumes": [{ "name": "kept", "emptyDir": {} }] });
    let mut job: Value = serde_json::from_str(&plain("image", pod)).unwrap();
    let spec = &mut job["spec"];
    spec["backoffLimit"] = 3.into();
    let container = &mut spec["template"]["spec"]["containers"][0];
    container["command"][2] = line.into();
    container["volumeMounts"] = json!([{ "name": "kept", "mountPath": "/tmp" }]);
    space.apply(&job.to_string());
    let row = row(space, "my-job", "my-job", 90);
    assert_eq!(row.happened, "Complete; exit code 0", "{}", space.account("my-job"));
    assert_eq!(status(&space.pods("my-job")[0], "my-job")["restartCount"], 1);
    row
}

fn two_containers(space: &Space) -> Row {
    let container = |name: &str, line: &str| json!({ "name": name, "image": "docker.io/library/busybox:1.37", "imagePullPolicy": "Never", "command": ["sh", "-c", line] });
    let pod = json!({ "containers": [container("helper", "sleep 1"), container("my-job", "sleep 4")] });
    let mut job: Value = serde_json::from_str(&plain("image", pod)).unwrap();
    job["spec"]["template"]["metadata"]["annotations"] = json!({ "wrapper.example.com/containers": "my-job,helper" });
    space.apply(&job.to_string());
    let row = row(space, "my-job", "my-job", 60);
    assert_eq!(row.happened, "Complete; exit code 0", "{}", space.account("my-job"));
    let pods = space.pods("my-job");
    assert_eq!(exit_code(&pods[0], "helper"), Some(0));
    let (_, after) = space.after(&pods[0], "my-job", "istio-proxy");
    assert!(after.is_some_and(|seconds| seconds > -0.5), "{}", space.account("my-job"));
    row
}
