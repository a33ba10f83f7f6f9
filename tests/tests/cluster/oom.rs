//! A job that takes more memory than its container may have.
//!
//! With version 1 of cgroups the kernel kills one process. With version 2 the kubelet has it kill all of a container together, unless
//! `singleProcessOOMKill` is set: then no hook runs, and the sidecar stays.

use crate::{Case, Row, job, merge, row, shell};
use serde_json::json;
use std::{path::Path, thread, time::Duration};
use wrapper_tests::cluster::{Space, status};

pub const CASES: &[Case] = &[Case { tried: "a job that takes more than its 64 MiB", run: takes_too_much }];

fn takes_too_much(space: &Space) -> Row {
    let mut container = shell("sleep 1; exec dd if=/dev/zero of=/dev/null bs=200M count=1");
    merge(&mut container, json!({ "resources": { "limits": { "memory": "64Mi" } } }));
    space.apply(&job(container, json!({}), json!({})));
    if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        space.wait_for("my-job", "my-job", "terminated");
        thread::sleep(Duration::from_secs(10));
        let pod = &space.pods("my-job")[0];
        assert_eq!(status(pod, "my-job")["state"]["terminated"]["reason"], "OOMKilled");
        assert!(!status(pod, "istio-proxy")["state"]["running"].is_null(), "{}", space.account("my-job"));
        return Row::new("cgroup v2: job and wrapper are killed together, and the sidecar stays");
    }
    let row = row(space, "my-job", "my-job", 60);
    assert_eq!(row.happened, "Failed, BackoffLimitExceeded; exit code 137", "{}", space.account("my-job"));
    Row { happened: format!("cgroup v1: the job alone is killed; {}", row.happened), ..row }
}
