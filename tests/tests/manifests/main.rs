//! `examples/kubernetes`: what a cluster says to each manifest, and that the wrapper in it does what its head says.
//!
//! `scripts/setup manifests` provides what these need. Where it is missing they are skipped, but not under `CI=true`.

mod component;
mod containers;

use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};
use wrapper_tests::{run_program, skip_unless_ci, tool, wrapper};

/// The images that the examples may name: those of this project, the reader's own, and one that everybody knows.
const IMAGES: [&str; 4] = [
    concat!("registry.example.com/wrapper:", env!("CARGO_PKG_VERSION")),
    "registry.example.com/wrapper-plugins@sha256:",
    "registry.example.com/my-job:1",
    "busybox:1.37",
];

/// Where Istio's injector writes that it has added the sidecar, as the downward API calls it.
const INJECTED: &str = "metadata.annotations['sidecar.istio.io/status']";

/// A digest that stands for the reader's own.
const ZEROS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/kubernetes").canonicalize().unwrap()
}

/// What only the tests need: tools of theirs, and Jobs to put under the component.
fn own(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests").join(file)
}

/// Whether the tools are here. Under `CI=true` they must be.
fn are_tools_here() -> bool {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools");
    if ["manifests/manifests", "manifests/kustomize", "schemas/bin/python", "argo/bin/python"]
        .iter()
        .all(|file| tools.join(file).exists())
    {
        return true;
    }
    skip_unless_ci("the manifests need what `scripts/setup manifests` installs");
    false
}

/// The examples that are for a cluster as it is: one object or several in each file.
fn manifests() -> Vec<PathBuf> {
    let mut all: Vec<_> = fs::read_dir(examples())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    all.sort();
    assert!(all.len() > 8, "{all:?}");
    all
}

/// The same without Argo's, whose kind a cluster has from Argo.
fn of_kubernetes() -> Vec<PathBuf> {
    manifests().into_iter().filter(|path| !path.ends_with("argo-workflow.yaml")).collect()
}

/// An object of a file, and why each version's schema refuses it.
#[derive(Debug)]
struct Object {
    file: PathBuf,
    value: Value,
    refused: Vec<(u32, String)>,
}

/// What is in these files.
fn read(files: &[PathBuf]) -> Vec<Object> {
    let outcome = run_program(tool("schemas/bin/python"), [own("schemas.py")].iter().chain(files)).outcome();
    let lines = outcome.exits(0).stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let minor = |version: &String| version.strip_prefix("1.").unwrap().parse().unwrap();
    lines
        .map(|mut line| Object {
            file: line["file"].as_str().unwrap().into(),
            value: line["value"].take(),
            refused: {
                let answers: BTreeMap<String, String> = serde_json::from_value(line["refused"].take()).unwrap();
                answers.iter().map(|(version, why)| (minor(version), why.clone())).collect()
            },
        })
        .collect()
}

/// What the API server's code says to each object of these files, and the Pod Security Standards.
fn judged(files: &[PathBuf]) -> Vec<Value> {
    let outcome = run_program(tool("manifests/manifests"), files).outcome();
    outcome.exits(0).stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A copy of an example with something else in it.
fn changed(folder: &Path, file: &str, from: &str, to: &str) -> PathBuf {
    let before = fs::read_to_string(examples().join(file)).unwrap();
    assert!(before.contains(from), "{from:?} is not in {file}");
    let path = folder.join(file);
    fs::write(&path, before.replace(from, to)).unwrap();
    path
}

/// The comment that a file begins with, line by line.
fn head(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    text.lines().map_while(|line| line.strip_prefix('#')).map(|line| line.trim().to_owned()).collect()
}

/// The minor version of Kubernetes that a file says it needs.
fn needs(file: &Path) -> u32 {
    let head = head(file).join(" ");
    let stated = head.split_once("Needs: Kubernetes 1.").map(|(_, rest)| rest.split(|end: char| !end.is_ascii_digit()));
    stated.map_or(29, |mut minor| minor.next().unwrap().parse().unwrap())
}

#[test]
fn each_manifest_fits_the_schemas_from_the_version_that_it_needs_to_the_newest() {
    if !are_tools_here() {
        return;
    }
    let objects = read(&of_kubernetes());
    for Object { file, refused, .. } in &objects {
        assert!(refused.len() > 8, "{refused:?}");
        for (minor, why) in refused {
            // This one is about how older versions mount what they know of: no schema tells.
            let is_known_before = file.ends_with("nothing-copied.yaml") && *minor >= 31;
            let fits = *minor >= needs(file) || is_known_before;
            assert_eq!(why.is_empty(), fits, "{} in 1.{minor}: {why}", file.display());
        }
    }
    let needed: Vec<_> = objects.iter().map(|object| needs(&object.file)).collect();
    assert!(needed.contains(&29) && needed.contains(&31), "{needed:?}");

    let folder = tempfile::tempdir().unwrap();
    let misspelt = changed(folder.path(), "job.yaml", "restartPolicy:", "restartPolicies:");
    assert!(read(&[misspelt])[0].refused.iter().all(|(_, why)| why.contains("restartPolicies")));
}

#[test]
fn the_api_server_takes_each_manifest() {
    if !are_tools_here() {
        return;
    }
    for file in of_kubernetes() {
        for verdict in judged(std::slice::from_ref(&file)) {
            assert_eq!(verdict["refused"], "", "{}", file.display());
            assert_eq!(verdict["baseline"], "", "{}", file.display());
        }
    }
    // What no schema knows.
    let folder = tempfile::tempdir().unwrap();
    for (file, from, to, why) in [
        ("indexed-job.yaml", "restartPolicy: Never", "restartPolicy: OnFailure", "only \"Never\" is supported when"),
        ("indexed-job.yaml", "[126, 127]", "[127, 126]", "must be ordered"),
        ("indexed-job.yaml", "containerName: my-job", "containerName: job", "must be one of the container"),
        ("cronjob.yaml", "0 3 * * *", "0 25 * * *", "spec.schedule: Invalid value"),
        ("any-image.yaml", "name: wrapper-bin, mountPath", "name: wrap, mountPath", "volumeMounts[0].name: Not found"),
        ("job.yaml", "backoffLimit:", "backofLimit:", "unknown field \"spec.backofLimit\""),
    ] {
        let [verdict] = judged(&[changed(folder.path(), file, from, to)]).try_into().unwrap();
        assert!(verdict["refused"].as_str().unwrap().contains(why), "{file}: {verdict}");
    }
}

#[test]
fn the_restricted_standard_allows_what_is_made_for_it_and_nothing_less() {
    if !are_tools_here() {
        return;
    }
    let verdicts = judged(&[examples().join("restricted.yaml")]);
    assert_eq!(verdicts.iter().map(|verdict| &verdict["kind"]).collect::<Vec<_>>(), ["Namespace", "Job"]);
    assert_eq!(verdicts[1]["restricted"], "");
    let folder = tempfile::tempdir().unwrap();
    for (without, why) in [
        ("seccompProfile: { type: RuntimeDefault }", "seccompProfile"),
        ("runAsNonRoot: true", "runAsNonRoot"),
        ("allowPrivilegeEscalation: false", "allowPrivilegeEscalation"),
        ("capabilities: { drop: [ALL] }", "unrestricted capabilities"),
    ] {
        let less = changed(folder.path(), "restricted.yaml", without, "");
        assert!(judged(&[less])[1]["restricted"].as_str().unwrap().starts_with(why), "{without}");
    }
}

#[test]
fn the_policy_for_the_label_knows_each_built_in_plugin() {
    let policy = fs::read_to_string(examples().join("inject/policy.yaml")).unwrap();
    let list = policy.split_once("  - name: known\n").unwrap().1;
    let list = list.split_once('[').unwrap().1.split_once(']').unwrap().0;
    let known: Vec<_> = list.split('\'').skip(1).step_by(2).filter(|name| *name != "none").collect();
    let help = run_program(wrapper(), ["--help"]).outcome().stdout;
    let built_in = help.split_once("Built-in plugins: ").unwrap().1.split_once('.').unwrap().0;
    assert_eq!(known, built_in.split(',').map(str::trim).collect::<Vec<_>>());
}

#[test]
fn each_snippet_of_the_page_for_frameworks_is_in_an_example() {
    let root = examples();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("frameworks/page.py");
    let page = root.join("../../docs/frameworks.md");
    run_program("python3", [script, page, root.join("frameworks")]).outcome().exits(0);
}

#[test]
fn argos_types_know_each_field_of_the_workflow() {
    if !are_tools_here() {
        return;
    }
    let workflow = read(&[examples().join("argo-workflow.yaml")]).remove(0).value;
    let put =
        |workflow: &str| run_program(tool("argo/bin/python"), [own("argo.py")]).input(workflow.to_owned()).outcome();
    let workflow = workflow.to_string();
    put(&workflow).exits(0);
    put(&workflow.replace("\"mountPath\"", "\"mountPaths\"")).exits(1).says("mountPaths");
}

/// Every file of a folder and of those below it.
fn files_below(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files_below(&path, all) } else { all.push(path) }
    }
}

#[test]
fn the_readme_lists_each_file_and_each_file_says_what_it_is() {
    let root = examples();
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let links: Vec<_> = readme.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()).collect();
    for link in links.iter().filter(|link| !link.starts_with("http")) {
        // The page is written beside these.
        let is_there = root.join(link.split('#').next().unwrap()).exists();
        assert!(is_there, "the README links to {link}");
    }
    let rows: Vec<_> = readme.lines().filter_map(|line| line.strip_prefix("| [")?.split(['(', ')']).nth(1)).collect();
    let mut files = Vec::new();
    files_below(&root, &mut files);
    files.retain(|file| !file.ends_with("README.md"));
    assert!(files.len() > 12);
    for file in files {
        let name = file.strip_prefix(&root).unwrap().to_str().unwrap();
        assert!(rows.iter().any(|row| name == *row || name.starts_with(&format!("{row}/"))), "{name} is in no row");
        assert!(fs::read_to_string(&file).unwrap().starts_with("# "), "{name} does not say what it is");
    }
}

/// The values of these fields, wherever they are.
fn values_of<'a>(value: &'a Value, names: &[&str], all: &mut Vec<&'a str>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| values_of(value, names, all)),
        Value::Object(fields) => {
            let found = fields.iter().filter(|(name, _)| names.contains(&name.as_str()));
            all.extend(found.filter_map(|(_, value)| value.as_str()));
            fields.values().for_each(|value| values_of(value, names, all));
        }
        _ => {}
    }
}

#[test]
fn the_examples_name_no_other_images() {
    if !are_tools_here() {
        return;
    }
    let objects = read(&manifests());
    let mut images = Vec::new();
    objects.iter().for_each(|object| values_of(&object.value, &["image", "reference"], &mut images));
    assert!(images.len() > 10, "{images:?}");
    for image in images {
        let is_digest = |rest: &str| rest.is_empty() || rest == ZEROS;
        assert!(IMAGES.iter().any(|known| image.strip_prefix(known).is_some_and(is_digest)), "{image}");
    }
}
