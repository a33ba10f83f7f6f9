//! The Kustomize component: what it adds to Jobs of all kinds, and nothing else.

use crate::{IMAGES, INJECTED, are_tools_here, examples, head, judged, own, read};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};
use wrapper_tests::{Outcome, run_program, tool};

/// The wrapper in its volume.
const PATH: &str = "/wrapper-bin/wrapper";

/// What `kubectl kustomize` makes of the example.
pub fn rendered_example(folder: &Path) -> PathBuf {
    let output = folder.join("example.yaml");
    fs::write(&output, &build(&examples().join("kustomize/example")).exits(0).stdout).unwrap();
    output
}

/// The components that there are to name.
const COMPONENTS: [&str; 2] = ["component", "component-image-volume"];

/// Renders a kustomization of these Jobs and the component, twice, with more in it.
fn rendered(folder: &Path, jobs: &Path, more: &str) -> Outcome {
    rendered_with("component", folder, jobs, more)
}

fn rendered_with(component: &str, folder: &Path, jobs: &Path, more: &str) -> Outcome {
    fs::create_dir_all(folder).unwrap();
    fs::copy(jobs, folder.join("jobs.yaml")).unwrap();
    for part in COMPONENTS.iter().chain(&["wrapped"]) {
        fs::create_dir_all(folder.join(part)).unwrap();
        for file in fs::read_dir(examples().join("kustomize").join(part)).unwrap().map(Result::unwrap) {
            fs::copy(file.path(), folder.join(part).join(file.file_name())).unwrap();
        }
    }
    let kustomization = format!("resources: [jobs.yaml]\ncomponents: [{component}]\n{more}\n");
    fs::write(folder.join("kustomization.yaml"), kustomization).unwrap();
    let (first, second) = (build(folder), build(folder));
    assert_eq!(first.stdout, second.stdout);
    first
}

fn build(folder: &Path) -> Outcome {
    run_program(tool("manifests/kustomize"), [Path::new("build"), folder]).outcome()
}

/// The pod of a Job or of a CronJob.
fn pod(object: &mut Value) -> Option<&mut Value> {
    match object["kind"].as_str()? {
        "Job" => object.pointer_mut("/spec/template/spec"),
        "CronJob" => object.pointer_mut("/spec/jobTemplate/spec/template/spec"),
        _ => None,
    }
}

/// Takes the one element of this name out of a list, and the list itself where nothing is left of it.
fn take(holder: &mut Value, list: &str, name: &str) -> Value {
    let elements = holder[list].as_array_mut().unwrap();
    let at = elements.iter().position(|element| element["name"] == name).unwrap();
    let taken = elements.remove(at);
    if elements.is_empty() {
        holder.as_object_mut().unwrap().remove(list);
    }
    taken
}

#[test]
fn without_what_the_component_adds_the_job_is_what_it_was() {
    if !are_tools_here() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let files = [("bare.yaml", 1), ("full.yaml", 3), ("cronjob.yaml", 1)];
    for (component, (file, count)) in COMPONENTS.iter().flat_map(|component| files.map(|file| (*component, file))) {
        let is_image = component != "component";
        let outcome = rendered_with(component, folder.path(), &own("jobs").join(file), "");
        let output = folder.path().join("rendered.yaml");
        fs::write(&output, &outcome.exits(0).stdout).unwrap();
        let before = read(&[own("jobs").join(file)]);
        let mut after = read(std::slice::from_ref(&output));
        assert_eq!((before.len(), after.len()), (count, count), "{file}");
        for object in &mut after {
            let refused: Vec<_> =
                object.refused.iter().filter(|(minor, why)| !why.is_empty() && (!is_image || *minor >= 36)).collect();
            assert!(refused.is_empty(), "{refused:?}");
            if let Some(pod) = pod(&mut object.value) {
                let volume = take(pod, "volumes", "wrapper-bin");
                if is_image {
                    assert_eq!(volume, json!({"name": "wrapper-bin", "image": {"reference": IMAGES[0]}}));
                } else {
                    assert_eq!(volume, json!({"name": "wrapper-bin", "emptyDir": {}}));
                    let init = take(pod, "initContainers", "wrapper-install");
                    assert_eq!((&init["image"], &init["args"]), (&json!(IMAGES[0]), &json!(["--install", PATH])));
                    assert_eq!(init["volumeMounts"], json!([{"name": "wrapper-bin", "mountPath": "/wrapper-bin"}]));
                    // A pod of the class Guaranteed stays one.
                    assert!(init["resources"]["limits"] == init["resources"]["requests"]);
                }
                let container = &mut pod["containers"][0];
                let mount = json!({"name": "wrapper-bin", "mountPath": "/wrapper-bin", "readOnly": true});
                assert_eq!(take(container, "volumeMounts", "wrapper-bin"), mount);
                let from = json!({"fieldRef": {"fieldPath": INJECTED}});
                let variable = json!({"name": "HOOK_ISTIO_SIDECAR", "valueFrom": from});
                assert_eq!(take(container, "env", "HOOK_ISTIO_SIDECAR"), variable);
                assert_eq!(container["command"].as_array_mut().unwrap().remove(0), PATH);
            }
            let name = &object.value["metadata"]["name"];
            let original = before.iter().find(|before| before.value["metadata"]["name"] == *name).unwrap();
            assert_eq!(object.value, original.value);
        }
        let verdicts = judged(&[output]);
        assert!(verdicts.iter().all(|verdict| verdict["refused"] == ""), "{verdicts:?}");
        // A Job that was fit for `restricted` stays so.
        let fit = |verdicts: &[Value]| verdicts.iter().filter(|verdict| verdict["restricted"] == "").count();
        assert_eq!(fit(&verdicts), fit(&judged(&[own("jobs").join(file)])), "{file}");
    }
}

#[test]
fn a_job_without_a_command_is_an_error_of_the_component_that_its_head_tells() {
    if !are_tools_here() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let outcome = rendered(folder.path(), &own("jobs/without-command.yaml"), "");
    assert!(outcome.code != 0 && outcome.stdout.is_empty(), "{outcome:?}");
    let head = head(&examples().join("kustomize/component/kustomization.yaml")).join(" ");
    let told = head.split("error: `").nth(1).unwrap().split('`').next().unwrap();
    for part in told.split("...") {
        outcome.says(part);
    }
}

#[test]
fn beside_other_components_the_order_is_as_its_head_tells() {
    if !are_tools_here() {
        return;
    }
    let component = |patch: &str| {
        format!(
            "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\npatches:\n\
             - target: {{ kind: Job }}\n  patch: |\n    apiVersion: batch/v1\n    kind: Job\n    metadata: {{ name: any }}\n    \
             spec: {{ template: {{ spec: {{ containers: [{patch}] }} }} }}\n"
        )
    };
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("command", component("{ name: main, command: [other] }")),
        ("sidecar", component("{ name: sidecar, image: \"busybox:1.37\", command: [sleep, \"1\"] }")),
    ] {
        fs::create_dir(folder.path().join(name)).unwrap();
        fs::write(folder.path().join(name).join("kustomization.yaml"), text).unwrap();
    }
    let outcome = rendered(folder.path(), &own("jobs/bare.yaml"), "");
    outcome.exits(0);
    let with = |components: &str| {
        let text = format!("resources: [jobs.yaml]\ncomponents: [{components}]\n");
        fs::write(folder.path().join("kustomization.yaml"), text).unwrap();
        let output = folder.path().join("rendered.yaml");
        fs::write(&output, &build(folder.path()).exits(0).stdout).unwrap();
        let containers = read(&[output])[0].value["spec"]["template"]["spec"]["containers"].take();
        containers.as_array().unwrap().iter().map(|one| one["command"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(with("command, component"), [json!(["/wrapper-bin/wrapper", "other"])]);
    assert_eq!(with("component, command"), [json!(["other"])]);
    let [first, second] = with("component, sidecar").try_into().unwrap();
    assert_eq!(first, json!(["sleep", "1"]));
    assert_eq!(second[0], "/wrapper-bin/wrapper");
}

#[test]
fn the_wrappers_image_is_named_as_the_components_head_tells() {
    if !are_tools_here() {
        return;
    }
    let head = head(&examples().join("kustomize/component/kustomization.yaml"));
    let images = head.iter().find(|line| line.starts_with("images: ")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for file in ["full.yaml", "cronjob.yaml"] {
        let outcome = rendered(folder.path(), &own("jobs").join(file), images);
        let images = outcome.exits(0).stdout.matches("image: my-registry/wrapper:0.1.0\n").count();
        assert!(images > 0 && !outcome.stdout.contains(IMAGES[0]), "{outcome:?}");
    }
}

#[test]
fn kustomizations_that_each_have_the_component_can_be_combined() {
    if !are_tools_here() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let apart: usize = ["bare.yaml", "cronjob.yaml"]
        .map(|file| rendered(&folder.path().join(file), &own("jobs").join(file), "").exits(0).stdout.lines().count())
        .iter()
        .sum();
    fs::write(folder.path().join("kustomization.yaml"), "resources: [bare.yaml, cronjob.yaml]\n").unwrap();
    let together = build(folder.path());
    // And a line between the two.
    assert_eq!(together.exits(0).stdout.lines().count(), apart + 1);
}
