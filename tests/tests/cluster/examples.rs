//! Every file of `examples/kubernetes`, applied as it lies there. What stands for the reader's own is put in: a plugin's digest.

use crate::{Case, Row, row};
use serde_json::json;
use std::{fs, path::PathBuf};
use wrapper_tests::{
    cluster::{Cluster, Space, exit_code, status},
    dist, run_program, tool,
};

pub const CASES: &[Case] = &[
    Case { tried: "`job.yaml`", run: |space| applied(space, "job.yaml", "my-job") },
    Case { tried: "`cronjob.yaml`, a run of it", run: cronjob },
    Case { tried: "`indexed-job.yaml`", run: indexed },
    Case { tried: "`any-image.yaml`", run: |space| applied(space, "any-image.yaml", "any-image") },
    Case { tried: "`kustomize/example`", run: |space| kustomize(space, "component") },
    Case { tried: "the same with `component-image-volume`", run: |space| kustomize(space, "component-image-volume") },
    Case { tried: "`image-volume.yaml`", run: image_volume },
    Case { tried: "`nothing-copied.yaml`", run: |space| applied(space, "nothing-copied.yaml", "nothing-copied") },
    Case { tried: "`third-party-plugin.yaml`", run: third_party },
    Case { tried: "`restricted.yaml`", run: restricted },
    Case { tried: "`report.yaml`", run: report },
    Case {
        tried: "`frameworks/kueue-job.yaml`, without Kueue",
        run: |space| applied(space, "frameworks/kueue-job.yaml", "kueue-job"),
    },
    Case { tried: "`inject/job.yaml`", run: |space| applied(space, "inject/job.yaml", "injected") },
];

/// A digest that stands for the reader's own.
const ZEROS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

fn examples() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples/kubernetes")
}

/// A file of them.
pub fn read(file: &str) -> String {
    fs::read_to_string(examples().join(file)).unwrap()
}

/// A Job that completes, as the job in it exits 0.
fn applied(space: &Space, file: &str, job: &str) -> Row {
    space.apply(&read(file));
    completes(space, job)
}

fn completes(space: &Space, job: &str) -> Row {
    let row = row(space, job, "my-job", 90);
    assert_eq!(row.happened, "Complete; exit code 0", "{}", space.account(job));
    assert!(space.log(job, "my-job").contains(": the sidecar quits\n"));
    row
}

fn cronjob(space: &Space) -> Row {
    space.apply(&read("cronjob.yaml"));
    space.kubectl(&["create", "job", "now", "--from=cronjob/nightly"], "");
    completes(space, "now")
}

fn indexed(space: &Space) -> Row {
    space.apply(&read("indexed-job.yaml"));
    let row = completes(space, "shards");
    assert_eq!(space.get("job", "shards")["status"]["completedIndexes"], "0-3");
    Row { happened: "Complete; four indexes, exit code 0 each".to_owned(), ..row }
}

fn kustomize(space: &Space, component: &str) -> Row {
    let copy = tempfile::tempdir().unwrap();
    let folder = copy.path().join("kustomize");
    assert!(
        run_program("cp", ["-r".as_ref(), examples().join("kustomize").as_os_str(), folder.as_os_str()]).outcome().code
            == 0
    );
    let file = folder.join("example/kustomization.yaml");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("[../component]"));
    fs::write(file, text.replace("[../component]", &format!("[../{component}]"))).unwrap();
    let mut render = run_program("bash", ["-c", "exec -a kubectl \"$0\" kustomize \"$1\""]).with(|command| {
        command.arg(tool("cluster/kubernetes/kubernetes")).arg(folder.join("example"));
    });
    space.apply(&render.outcome().exits(0).stdout);
    completes(space, "plain")
}

/// An image's digest, as the node has it.
pub fn digest(cluster: &Cluster, image: &str) -> String {
    let node: serde_json::Value =
        serde_json::from_str(&cluster.kubectl(&["get", "node", "node1", "--output=json"], "")).unwrap();
    let names =
        node["status"]["images"].as_array().unwrap().iter().flat_map(|image| image["names"].as_array().unwrap());
    let prefix = format!("registry.example.com/{image}@sha256:");
    let name = names.filter_map(|name| name.as_str()).find_map(|name| name.strip_prefix(&prefix));
    name.unwrap_or_else(|| panic!("no {image} in {}", node["status"]["images"])).to_owned()
}

fn image_volume(space: &Space) -> Row {
    let text = read("image-volume.yaml").replace(ZEROS, &digest(&space.cluster, "wrapper-plugins"));
    space.apply(&text);
    completes(space, "image-volume")
}

fn third_party(space: &Space) -> Row {
    let plugin = dist("plugins/echo.wasm");
    let sum = run_program("sha256sum", [&plugin]).outcome().stdout[..64].to_owned();
    // A file of the node has another path there.
    let mut base64 = run_program("base64", ["--wrap=0"]).with(|command| {
        command.arg(&plugin);
    });
    let bytes = base64.outcome().exits(0).stdout.clone();
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "plugins" },
        "binaryData": { "notify.wasm": bytes },
    });
    space.apply(&map.to_string());
    space.apply(&read("third-party-plugin.yaml").replace(ZEROS, &sum));
    completes(space, "third-party-plugin")
}

/// It names its own namespace.
fn restricted(space: &Space) -> Row {
    space.cluster.kubectl(&["apply", "--filename=-"], &read("restricted.yaml"));
    let own = Space { cluster: space.cluster.clone(), name: "restricted-jobs".to_owned() };
    completes(&own, "restricted")
}

fn report(space: &Space) -> Row {
    let row = applied(space, "report.yaml", "report");
    let pod = &space.pods("report")[0];
    assert_eq!(exit_code(pod, "my-job"), Some(0));
    let message = status(pod, "my-job")["state"]["terminated"]["message"].as_str().unwrap();
    let account: serde_json::Value = serde_json::from_str(message).unwrap();
    assert_eq!((&account["version"], &account["exit-code"]), (&json!(1), &json!(0)), "{account}");
    Row {
        happened: format!("{}; the account is the termination message, {} bytes", row.happened, message.len()),
        ..row
    }
}
