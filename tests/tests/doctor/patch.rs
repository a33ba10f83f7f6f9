//! The patch that is printed, and the lines that end a pod now.

use crate::{doctor, fixture, read, root, told};
use serde_json::{Value, json};
use std::fs;

/// What `kubectl patch` or Kustomize makes of it, as far as these patches go: lists of maps are merged by name.
pub fn merge(into: &mut Value, patch: &Value) {
    match (into, patch) {
        (Value::Object(into), Value::Object(patch)) => {
            patch.iter().for_each(|(name, value)| merge(into.entry(name).or_insert(Value::Null), value));
        }
        (Value::Array(into), Value::Array(patch)) if patch.iter().all(Value::is_object) => {
            for item in patch {
                match into.iter_mut().find(|own| own["name"] == item["name"]) {
                    Some(own) => merge(own, item),
                    None => into.push(item.clone()),
                }
            }
        }
        (into, patch) => *into = patch.clone(),
    }
}

#[test]
fn the_patch_cures_the_job_that_it_is_for() {
    for name in [
        "cloudsql-quit-off",
        "istio-port",
        "istio-retry",
        "istio-without-variable",
        "istio-wrong-annotation",
        "settings-plain",
        "vault-quit-off",
        "pushgateway",
        "short-grace",
    ] {
        let text = match name {
            "settings-plain" => {
                fs::read_to_string(root().join("examples/kubernetes/kustomize/example/job.yaml")).unwrap()
            }
            _ => fs::read_to_string(fixture(name)).unwrap(),
        };
        let facts = read(&told(&["--json"], text.clone()));
        let patch = facts["pods"][0]["patch"].as_str().unwrap_or_else(|| panic!("{name}: {facts:#}"));
        assert_eq!(facts["pods"][0]["patch-of"], format!("job/{}", facts["pods"][0]["name"].as_str().unwrap()));
        // The tool itself reads the YAML: a list of both, in which `patched` is what is asked about.
        let mut object: Value = serde_json::from_str(&text).unwrap_or_else(|_| as_json(&text));
        merge(&mut object, &as_json(patch));
        let cured = told(&["--json"], object.to_string());
        let facts = read(&cured);
        let left = facts["pods"][0]["findings"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|finding| finding["level"] != "note")
            .count();
        assert_eq!((cured.code, left), (0, 0), "{name}: {facts:#}\n{patch}");
    }
}

pub fn as_json(yaml: &str) -> Value {
    serde_saphyr::from_str(yaml).unwrap_or_else(|error| panic!("{error}: {yaml}"))
}

#[test]
fn a_pod_that_hangs_is_ended_by_hand_as_its_sidecar_allows() {
    let now = |name: &str| {
        let facts = read(&doctor(&["--json", &fixture(name)]));
        let lines = facts["pods"].as_array().unwrap().last().unwrap()["now"].as_array().unwrap().clone();
        lines.iter().map(|line| line.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        now("istio-hangs"),
        [
            "kubectl -n jobs port-forward pod/plain-5x2vq 41520:15020 & forward=$!",
            "sleep 3; kill -0 $forward && curl -X POST http://localhost:41520/quitquitquit; kill $forward",
        ]
    );
    // Without the pod the Job would run it again.
    let [comment, delete] = now("kuma-socket").try_into().unwrap();
    assert!(comment.starts_with("# A Job whose pod is deleted runs it again"), "{comment}");
    assert_eq!(delete, "kubectl -n jobs delete job kuma");
    assert_eq!(now("istio-wrapped"), [""; 0]);
    // A name that is none is not for a shell.
    let text = fs::read_to_string(fixture("kuma-socket")).unwrap().replace("kuma-5x2vq", "x; reboot");
    assert_eq!(read(&told(&["--json"], text))["pods"][0]["now"], json!([]));
}

pub fn merged(mut value: Value, with: Value) -> Value {
    merge(&mut value, &with);
    value
}

#[test]
fn what_is_to_be_changed_is_what_made_the_pod() {
    let of = |job_owner: Value| {
        let mut list: Value = serde_json::from_slice(&fs::read(fixture("istio-hangs")).unwrap()).unwrap();
        list["items"][0]["metadata"]["ownerReferences"] = job_owner;
        let pod = read(&told(&["--json"], list.to_string()))["pods"][0].clone();
        (pod["patch-of"].clone(), pod["patch"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(of(json!([])).0, "job/plain");
    let (target, patch) = of(json!([{ "kind": "CronJob", "name": "nightly" }]));
    assert_eq!(target, "cronjob/nightly");
    assert!(
        patch.contains("\nspec:\n  jobTemplate:\n    spec:\n      template:\n        spec:\n          containers:\n"),
        "{patch}"
    );
    // A pod of something else: nobody knows where its template is.
    let mut pod: Value = serde_json::from_slice(&fs::read(fixture("istio-none")).unwrap()).unwrap();
    pod["metadata"]["ownerReferences"][0]["kind"] = json!("Workflow");
    assert_eq!(read(&told(&["--json"], pod.to_string()))["pods"][0]["patch"], Value::Null);
}

#[test]
fn the_sidecar_that_others_need_is_the_last_to_quit() {
    let mut list: Value = serde_json::from_slice(&fs::read(fixture("cloudsql-quit-off")).unwrap()).unwrap();
    let template = &mut list["spec"]["template"];
    template["metadata"]["labels"]["sidecar.istio.io/inject"] = json!("true");
    let env = json!([{ "name": "WRAPPER_PLUGIN_PATH", "value": "echo:cloudsql-quit" }, { "name": "HOOK_CLOUDSQL_SIDECAR", "value": "true" }]);
    template["spec"]["containers"][0]["env"] = env;
    let facts = read(&told(&["--json"], list.to_string()));
    let patch = facts["pods"][0]["patch"].as_str().unwrap();
    assert!(patch.contains("value: \"istio-wait:echo:cloudsql-quit:istio-quit\"\n"), "{patch}");
    merge(&mut list, &as_json(patch));
    told(&[], list.to_string()).exits(0);
}
