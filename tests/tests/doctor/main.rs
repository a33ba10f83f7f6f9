//! `wrapper-plugin doctor`, as an operator meets it: what it tells of pods as `kubectl` prints them, of the manifests in
//! `examples/kubernetes`, and of input that is none.
//!
//! `pods/*.json` are pods and Jobs as `kubectl get -o json` prints them. A further one is a file there and a row below.
//! `cluster/*.json` are from a real cluster: `CLUSTER_PODS=FOLDER make cluster-test` leaves what its Jobs were in FOLDER.

mod input;
mod page;
mod patch;
mod rules;

use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};
use wrapper_tests::{Outcome, dist, run_program};

fn doctor(arguments: &[&str]) -> Outcome {
    run_program(dist("wrapper-plugin"), ["doctor"].iter().chain(arguments)).outcome()
}

/// What it tells of this on its stdin.
fn told(arguments: &[&str], input: impl Into<Vec<u8>>) -> Outcome {
    run_program(dist("wrapper-plugin"), ["doctor"].iter().chain(arguments)).input(input).outcome()
}

/// The same as JSON; exit codes 0 and 1 are both an answer.
fn read(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.stdout).unwrap_or_else(|error| panic!("{error}: {outcome:#?}"))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn fixture(name: &str) -> String {
    root().join("tests/tests/doctor/pods").join(name).with_extension("json").to_str().unwrap().to_owned()
}

/// A Job with this pod.
fn job(spec: &Value) -> String {
    json!({ "kind": "Job", "metadata": { "name": "j" }, "spec": { "template": { "spec": spec } } }).to_string()
}

/// Each fixture: the verdict on its last pod, and the ids of what is found there.
const FIXTURES: [(&str, &str, &[&str]); 33] = [
    ("cloudsql-quit-off", "does not end", &["endpoint-off"]),
    ("collector", "does not end", &["no-endpoint"]),
    ("completed", "ends", &[]),
    ("consul-port", "does not end", &["other-port"]),
    ("dapr-socket", "does not end", &["no-endpoint", "injected"]),
    ("dapr-token", "does not end", &["token-missing"]),
    ("entrypoint-hidden", "ends", &["injected", "entrypoint-hidden"]),
    ("image-missing", "may not end", &["image-missing"]),
    (
        "image-volume",
        "ends",
        &["report-lost", "memory-small", "injected", "image-volume", "not-pinned", "memory-group"],
    ),
    ("install-lost", "does not end", &["install-lost", "wrapper-missing", "injected"]),
    ("istio-hangs", "does not end", &["keeps-pod", "no-wrapper"]),
    ("istio-native", "ends", &["native-asked"]),
    ("istio-none", "does not end", &["no-quit"]),
    ("istio-port", "does not end", &["other-port", "injected"]),
    ("istio-retry", "ends", &["quit-before-retry", "injected"]),
    ("istio-several", "ends", &["several-quit"]),
    ("istio-without-variable", "may not end", &["variable-missing", "injected"]),
    ("istio-wrapped", "ends", &[]),
    ("istio-wrong-annotation", "may not end", &["variable-wrong", "injected"]),
    ("job-ends-it", "may not end", &["quits-itself"]),
    ("kuma-socket", "does not end", &["keeps-pod", "no-endpoint"]),
    ("linkerd-shutdown-off", "does not end", &["endpoint-off"]),
    ("not-found", "ends", &["not-started"]),
    ("on-success", "may not end", &["quit-conditional", "injected"]),
    ("out-of-memory", "does not end", &["keeps-pod", "out-of-memory", "memory-group"]),
    ("plugin-unknown", "may not end", &["plugin-unknown", "injected"]),
    ("pushgateway", "does not end", &["endpoint-off"]),
    ("settings-elsewhere", "may not end", &["setting-unknown", "injected"]),
    ("settings-rejected", "does not end", &["settings-rejected", "injected"]),
    ("short-grace", "ends", &["grace-short", "injected"]),
    ("typo", "ends", &["variable-typo", "no-sidecar"]),
    ("unknown-left", "may not end", &["keeps-pod", "unknown-container"]),
    ("vault-quit-off", "may not end", &["endpoint-off", "injected"]),
];

#[test]
fn each_pod_gets_its_verdict_and_what_is_wrong_with_it() {
    for (name, verdict, ids) in FIXTURES {
        let outcome = doctor(&["--json", &fixture(name)]);
        let has_error = outcome.stdout.contains("\"level\":\"error\"");
        outcome.exits(i32::from(verdict != "ends" || has_error));
        let read = read(&outcome);
        let pod = read["pods"].as_array().unwrap().last().unwrap();
        let findings = pod["findings"].as_array().unwrap();
        let found: Vec<_> = findings.iter().map(|finding| finding["id"].as_str().unwrap()).collect();
        assert_eq!((pod["verdict"].as_str().unwrap(), found.as_slice()), (verdict, ids), "{name}: {outcome:#?}");
        let text = doctor(&["--notes", &fixture(name)]);
        assert!(text.stdout.contains(&format!(": {verdict}\n")), "{text:#?}");
        assert!(ids.iter().all(|id| text.stdout.contains(&format!(" {id}"))), "{text:#?}");
        assert!(!(outcome.stdout + &text.stdout).contains("not-to-be-printed"), "{name}");
    }
    let files = fs::read_dir(root().join("tests/tests/doctor/pods")).unwrap().count();
    assert_eq!(files, FIXTURES.len() + 1, "each has a row, and `forever` a test of its own");
}

/// What is found in the pods of a real cluster that hang.
const HANGING: [(&str, &str); 5] = [
    ("hangs-no-wrapper", "no-wrapper"),
    ("hangs-none", "no-quit"),
    ("hangs-on-success", "quit-conditional"),
    ("hangs-other-mesh", "no-quit"),
    ("hangs-wait-alone", "no-quit"),
];

#[test]
fn the_pods_of_a_real_cluster_are_told_apart() {
    let folder = root().join("tests/tests/doctor/cluster");
    let files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() > 12);
    for file in files {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let text = fs::read_to_string(&file).unwrap();
        // As it was, and before anything was known of how it went.
        let mut before: Value = serde_json::from_str(&text).unwrap();
        before["items"].as_array_mut().unwrap().iter_mut().for_each(|item| drop(item["status"].take()));
        for input in [text, before.to_string()] {
            let outcome = told(&["--json"], input);
            match HANGING.iter().find(|(hanging, _)| *hanging == name) {
                Some((_, why)) => {
                    assert!(outcome.exits(1).stdout.contains(&format!("\"{why}\"")), "{name}: {outcome:#?}");
                    assert!(outcome.stdout.contains("istio-proxy"), "{name}: {outcome:#?}");
                }
                None => drop(read(outcome.exits(0))),
            }
        }
    }
}

#[test]
fn every_example_is_healthy() {
    let mut files: Vec<_> =
        fs::read_dir(root().join("examples/kubernetes")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "yaml"));
    assert!(files.len() > 8, "{files:?}");
    for file in &files {
        let outcome = doctor(&["--json", file.to_str().unwrap()]);
        let read = read(outcome.exits(0));
        let levels =
            read["pods"][0]["findings"].as_array().unwrap().iter().map(|finding| finding["level"].as_str().unwrap());
        assert!(levels.clone().all(|level| level == "note"), "{file:?}: {read:#}");
    }
    let names: Vec<_> = files.iter().map(|file| file.to_str().unwrap()).collect();
    let all = doctor(&names);
    assert!(all.exits(0).stdout.ends_with("10 pods: ends 10, may not end 0, does not end 0\n"), "{all:#?}");
    for file in ["frameworks/kueue-job.yaml", "frameworks/jobset.yaml"] {
        doctor(&[root().join("examples/kubernetes").join(file).to_str().unwrap()]).exits(0);
    }
    let labelled = doctor(&["--notes", root().join("examples/kubernetes/inject/job.yaml").to_str().unwrap()]);
    assert!(labelled.exits(0).stdout.contains("note labelled"), "{labelled:#?}");
    // A Job that has yet to be put under the wrapper.
    let plain = root().join("examples/kubernetes/kustomize/example/job.yaml");
    assert!(doctor(&[plain.to_str().unwrap()]).exits(1).stdout.contains("error no-wrapper"));
}

#[test]
fn the_nodes_decide_whether_a_program_runs_from_an_image_volume() {
    let job = fs::read_to_string(fixture("image-volume")).unwrap();
    for (version, verdict) in
        [("v1.35.4", "does not end"), ("v1.36.0", "ends"), ("v1.37.2-gke.1", "ends"), ("", "ends")]
    {
        let node = |version| json!({ "kind": "Node", "status": { "nodeInfo": { "kubeletVersion": version } } });
        let job: Value = serde_json::from_str(&job).unwrap();
        let list = json!({ "kind": "List", "items": [node("v1.37.0"), node(version), job] });
        let facts = read(&told(&["--json"], list.to_string()));
        assert_eq!(facts["pods"][0]["verdict"], verdict, "{version}: {facts:#}");
        assert_eq!(facts.to_string().contains("noexec-volume"), verdict != "ends", "{version}");
    }
}

/// As the API server does: `docs/cluster.md` has the same shapes.
#[test]
fn a_label_counts_as_the_policies_take_it() {
    for (labels, annotations, command, verdict) in [
        (json!({ "wrapper.example.com/inject": "install" }), json!({}), json!(["sh"]), "ends"),
        (json!({ "wrapper.example.com/inject": "image" }), json!({}), json!(["sh"]), "ends"),
        (json!({ "wrapper.example.com/inject": "false" }), json!({}), json!(["sh"]), "does not end"),
        (json!({ "wrapper.example.com/inject": "yes" }), json!({}), json!(["sh"]), "does not end"),
        (json!({ "wrapper.example.com/inject": "image" }), json!({}), json!(null), "may not end"),
        (
            json!({ "wrapper.example.com/inject": "image" }),
            json!({ "wrapper.example.com/plugins": "none" }),
            json!(["sh"]),
            "does not end",
        ),
        (
            json!({ "wrapper.example.com/inject": "image" }),
            json!({ "wrapper.example.com/containers": "x" }),
            json!(["sh"]),
            "does not end",
        ),
    ] {
        let containers = json!([
            { "name": "my-job", "image": "busybox", "command": command },
            { "name": "istio-proxy", "image": "istio/proxyv2:1.24.0" },
        ]);
        let template = json!({
            "metadata": { "labels": labels, "annotations": annotations },
            "spec": { "restartPolicy": "Never", "containers": containers },
        });
        let job = json!({ "kind": "Job", "metadata": { "name": "j" }, "spec": { "template": template } });
        let facts = read(&told(&["--json"], job.to_string()));
        assert_eq!(facts["pods"][0]["verdict"], verdict, "{job}: {facts:#}");
    }
}

/// A Job whose pod has these containers besides Istio's.
fn beside_istio(containers: Value) -> String {
    let mut all = containers.as_array().unwrap().clone();
    all.push(json!({ "name": "istio-proxy", "image": "istio/proxyv2:1.24.0" }));
    job(&json!({ "restartPolicy": "Never", "containers": all }))
}

fn wrapped(command: Value, plugins: &str) -> Value {
    let known = json!({ "name": "HOOK_ISTIO_SIDECAR", "value": "true" });
    let env = json!([known, { "name": "WRAPPER_PLUGIN_PATH", "value": plugins }]);
    json!({ "name": "my-job", "image": "x", "command": command, "env": env })
}

#[test]
fn a_container_that_nobody_knows_is_named_and_a_server_may_keep_the_pod() {
    let own = || wrapped(json!(["/wrapper", "/a"]), "istio-quit");
    for (other, verdict) in [
        (json!({ "name": "b", "image": "own/tool:1" }), "ends"),
        (json!({ "name": "b", "image": "docker:27-dind" }), "may not end"),
        (json!({ "name": "b", "image": "example.com/beats/filebeat:8@sha256:00" }), "may not end"),
        (json!({ "name": "b", "image": "postgres:16", "command": ["psql", "-c", "select 1"] }), "ends"),
        (json!({ "name": "b", "image": "busybox", "command": ["sleep", "infinity"] }), "may not end"),
        (json!({ "name": "b", "image": "own/mesh:1", "ports": [{ "containerPort": 4191 }] }), "may not end"),
        // A port that many have.
        (json!({ "name": "b", "image": "own/tool:1", "ports": [{ "containerPort": 8080 }] }), "ends"),
        (json!({ "name": "b", "image": "busybox", "command": ["sh", "-c", "exec tail -F /log/x"] }), "may not end"),
    ] {
        let facts = read(&told(&["--json"], beside_istio(json!([own(), other]))));
        assert_eq!(facts["pods"][0]["verdict"], verdict, "{other}: {facts:#}");
        assert!(facts.to_string().contains("unknown-container"), "{other}");
    }
    // Airflow ends its own.
    let xcom = json!({ "name": "airflow-xcom-sidecar", "image": "alpine" });
    assert!(!told(&["--json"], beside_istio(json!([own(), xcom]))).exits(0).stdout.contains("unknown-container"));
}

#[test]
fn what_can_only_fail_is_no_success() {
    for (container, id) in [
        (wrapped(json!(["/wrapper", "--plugin", "istio-quitt", "/a"]), "istio-quit"), "settings-rejected"),
        (wrapped(json!(["/wrapper", "<ENTRYPOINT of the image>"]), "istio-quit"), "placeholder"),
        (wrapped(json!(["/wrapper", "/a"]), "istio-quit:linkerd-wait"), "waits-in-vain"),
    ] {
        let outcome = told(&["--json"], beside_istio(json!([container])));
        outcome.exits(i32::from(id != "waits-in-vain"));
        assert!(outcome.stdout.contains(id), "{id}: {outcome:#?}");
    }
    let job = job(&json!({ "restartPolicy": "Always", "containers": [wrapped(json!(["/wrapper", "/a"]), "none")] }));
    assert!(told(&[], job).exits(1).stdout.contains("error restart-policy"));
}

#[test]
fn a_patch_leaves_out_what_the_wrapper_takes_the_place_of() {
    let plain = |command: Value| json!({ "name": "my-job", "image": "x", "command": command });
    for (container, words, plugins) in [
        (plain(json!(["scuttle", "/a"])), "[/wrapper, /a]", "istio-wait:istio-quit"),
        (plain(json!(["linkerd-await", "--shutdown", "--", "/a"])), "[/wrapper, /a]", "istio-wait:istio-quit"),
        (plain(json!(null)), "[/wrapper, \"<ENTRYPOINT of the image>\"]", "istio-wait:istio-quit"),
        (wrapped(json!(["/wrapper", "/a"]), "linkerd-wait:echo:linkerd-quit"), "", "istio-wait:echo:istio-quit"),
    ] {
        let facts = read(&told(&["--json"], beside_istio(json!([container]))));
        let patch = facts["pods"][0]["patch"].as_str().unwrap_or_else(|| panic!("{facts:#}"));
        assert!(patch.contains(words) && patch.contains(&format!("\"{plugins}\"")), "{container}: {patch}");
    }
}

#[test]
fn a_label_where_it_does_not_count_is_told() {
    let template = json!({ "spec": { "restartPolicy": "Never", "containers": [{ "name": "a", "command": ["a"] }] } });
    let labels = json!({ "wrapper.example.com/inject": "image" });
    let job = json!({ "kind": "Job", "metadata": { "name": "j", "labels": labels }, "spec": { "template": template } });
    assert!(told(&[], job.to_string()).exits(0).stdout.contains("warning label-misplaced"));
    let replicated = json!({ "name": "driver", "template": { "spec": { "template": template } } });
    let set = json!({ "kind": "JobSet", "metadata": { "name": "s" }, "spec": { "replicatedJobs": [replicated] } });
    assert!(told(&[], set.to_string()).exits(0).stdout.starts_with("jobset/s, template driver: ends"));
    assert!(told(&["-n", ""], set.to_string()).exits(1).stderr.contains("empty name"));
    let odd = json!({ "kind": "job", "metadata": {} });
    assert!(told(&[], odd.to_string()).exits(1).stderr.contains("kind job, which Kubernetes writes otherwise"));
}

#[test]
fn a_job_whose_pods_are_there_is_told_by_them() {
    let outcome = doctor(&["--json", &fixture("istio-hangs")]);
    let facts = read(&outcome);
    assert_eq!((facts["pods"].as_array().unwrap().len(), &facts["pods"][0]["kind"]), (1, &json!("Pod")), "{facts:#}");
    assert_eq!(
        facts["skipped"][0],
        json!({ "kind": "Job", "namespace": "jobs", "name": "plain", "why": "its pods tell" })
    );
    assert_eq!(facts["pods"][0]["patch-of"], "job/plain");
    assert_eq!(facts["summary"], json!({ "pods": 1, "end": 0, "may-not-end": 0, "do-not-end": 1 }));
}

#[test]
fn what_never_ends_by_design_has_no_verdict() {
    let outcome = doctor(&[&fixture("forever")]);
    outcome.exits(0);
    assert_eq!(
        outcome.stdout,
        "deployment/web in namespace jobs: it never ends, by design\n\
         pod/web-5x2vq in namespace jobs: it never ends, by design\n\
         0 pods: ends 0, may not end 0, does not end 0\n"
    );
}

#[test]
fn a_namespace_that_asks_for_a_sidecar_is_heard() {
    let job = job(&json!({ "restartPolicy": "Never", "containers": [{ "name": "j", "command": ["/j"] }] }));
    let namespace = |name: &str| {
        format!("\n---\nkind: Namespace\nmetadata: {{ name: {name}, labels: {{ istio-injection: enabled }} }}\n")
    };
    told(&[], job.clone()).exits(0);
    let both = job.clone() + &namespace("a").replace("\n---\n", "\n");
    told(&["-n", "b"], format!("---\n{job}{}", namespace("a"))).exits(0);
    let outcome = told(&["-n", "a"], format!("---\n{job}{}", namespace("a")));
    assert!(outcome.exits(1).stdout.contains("error no-wrapper (istio-proxy)"), "{outcome:#?}");
    told(&[], both).exits(1).says("stdin is not JSON");
}

#[test]
fn a_namespace_leaves_out_the_objects_of_others() {
    let outcome = doctor(&["-n", "other", &fixture("istio-hangs")]);
    outcome.exits(1).says("there is no pod in namespace other in what was given");
    doctor(&["-n", "jobs", &fixture("istio-wrapped")]).exits(0);
    let nameless = root().join("examples/kubernetes/job.yaml");
    let outcome = doctor(&["-n", "mine", nameless.to_str().unwrap(), &fixture("istio-hangs")]);
    assert!(outcome.exits(0).stdout.starts_with("job/my-job in namespace mine: ends"), "{outcome:#?}");
}

#[test]
fn a_sidecar_may_drain_for_a_while_after_the_job() {
    let text = fs::read_to_string(fixture("istio-hangs")).unwrap();
    let now = std::process::Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%SZ"]).output().unwrap();
    let just = text.replace("2026-03-01T12:00:12Z", String::from_utf8(now.stdout).unwrap().trim());
    assert!(told(&["--notes"], just).exits(1).stdout.contains("note drains (istio-proxy"));
}
