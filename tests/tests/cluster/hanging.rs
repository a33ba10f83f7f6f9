//! The negative controls: Jobs that hang, each for another reason; and what `wrapper-plugin doctor` says of them and of the others.

use crate::{Case, Row, job, shell};
use serde_json::{Value, json};
use std::{thread, time::Duration};
use wrapper_tests::{
    Outcome,
    cluster::{Space, exit_code, status},
    dist, run_program,
};

pub const CASES: &[Case] = &[
    Case {
        tried: "the job without the wrapper",
        run: |space| hangs(space, &["sh", "-c", "exit 0"], "", 0, "no-wrapper"),
    },
    Case { tried: "the wrapper with `none`", run: |space| hangs(space, WRAPPED, "none", 0, "no-quit") },
    Case {
        tried: "the wrapper with `istio-wait` alone",
        run: |space| hangs(space, WRAPPED, "istio-wait", 0, "no-quit"),
    },
    Case { tried: "the wrapper with `linkerd-quit`", run: |space| hangs(space, WRAPPED, "linkerd-quit", 0, "no-quit") },
    Case {
        tried: "`istio-quit,on=success`, and a job that exits 3 under `restartPolicy: Never`",
        run: |space| hangs(space, &["/wrapper", "sh", "-c", "exit 3"], "istio-quit,on=success", 3, "quit-conditional"),
    },
];

const WRAPPED: &[&str] = &["/wrapper", "sh", "-c", "exit 0"];

/// How long after the job's end the pod is looked at. A hook that asks a closed port gives up before.
const LATER: Duration = Duration::from_secs(15);

fn hangs(space: &Space, command: &[&str], plugins: &str, code: i64, why: &str) -> Row {
    let mut container = shell("");
    container["command"] = json!(command);
    container["env"][0]["value"] = plugins.into();
    space.apply(&job(container, json!({}), json!({})));
    // With a hook that looks for another sidecar, a container lives for its minute.
    let is_other = plugins.starts_with("linkerd");
    space.wait_for("my-job", "my-job", if is_other { "running" } else { "terminated" });
    thread::sleep(if is_other { Duration::from_secs(75) } else { LATER });
    let pod = &space.pods("my-job")[0];
    assert_eq!(exit_code(pod, "my-job"), Some(code), "{}", space.account("my-job"));
    assert!(!status(pod, "istio-proxy")["state"]["running"].is_null(), "{}", space.account("my-job"));
    assert_eq!(space.get("job", "my-job")["status"]["active"], 1);

    let told = doctor(space, &[]);
    assert!(!told.stdout.contains(": ends\n") && told.stdout.contains("istio-proxy"), "{told:#?}");
    let told = doctor(space, &["--json"]);
    let told: Value = serde_json::from_str(&told.exits(1).stdout).unwrap();
    let ids: Vec<_> =
        told["pods"][0]["findings"].as_array().unwrap().iter().map(|finding| finding["id"].as_str().unwrap()).collect();
    assert!(ids.contains(&why) && told["pods"][0]["verdict"] != "ends", "{told:#}");
    let after = if is_other { "75 s after its start" } else { "15 s after the job's end" };
    let verdict = told["pods"][0]["verdict"].as_str().unwrap();
    Row::new(format!("{after} the sidecar runs, and the Job is active. The doctor: {verdict}, `{}`", ids.join("`, `")))
}

/// `kubectl get job,pod --output=json | wrapper-plugin doctor`
fn doctor(space: &Space, options: &[&str]) -> Outcome {
    told(&space.kubectl(&["get", "job,pod", "--output=json"], ""), options)
}

fn told(objects: &str, options: &[&str]) -> Outcome {
    run_program(dist("wrapper-plugin"), ["doctor"].iter().chain(options)).input(objects).outcome()
}

/// The doctor finds nothing that keeps a pod that ended as it should: not with its status, and not from its settings alone.
pub fn is_healthy(space: &Space) {
    let mut objects: Value = serde_json::from_str(&space.kubectl(&["get", "job,pod", "--output=json"], "")).unwrap();
    // Those of a Job that was deleted, or that ran into its deadline, are gone.
    let Some(items) = objects["items"].as_array().filter(|items| items.iter().any(|item| item["kind"] == "Pod")) else {
        return;
    };
    let items: Vec<_> = items
        .iter()
        .cloned()
        .map(|mut item| {
            drop(item["status"].take());
            item
        })
        .collect();
    told(&objects.to_string(), &["--json"]).exits(0);
    objects["items"] = items.into();
    told(&objects.to_string(), &["--json"]).exits(0);
}
