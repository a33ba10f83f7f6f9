//! The containers of the examples that have the wrapper, run as a pod would run them.

use crate::{
    IMAGES, INJECTED, ZEROS, are_tools_here, component::rendered_example, examples, head, judged, manifests, read,
};
use serde_json::Value;
use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    time::Duration,
};
use wrapper_tests::{Answer, Outcome, Server, dist, own_network, run, run_program, wrapper};

/// A container whose command begins with the wrapper.
#[derive(Debug)]
struct Wrapped {
    arguments: Vec<String>,
    variables: Vec<(String, Value)>,
}

/// What a pod has of Istio, besides that its containers share a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mesh {
    /// A sidecar, and the annotation that its injector writes.
    Istio,
    /// Nothing.
    None,
}

impl Mesh {
    /// What the downward API puts into a variable: the annotation, or the empty string if there is none.
    fn annotation(self, field: &str) -> String {
        assert_eq!(field, INJECTED);
        match self {
            Self::Istio => {
                r#"{"initContainers":["istio-init"],"containers":["istio-proxy"],"revision":"default"}"#.to_owned()
            }
            Self::None => String::new(),
        }
    }
}

/// All of them in an object of any kind.
fn wrapped(value: &Value, all: &mut Vec<Wrapped>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| wrapped(value, all)),
        Value::Object(fields) => {
            let words = |field: &str| -> Vec<String> {
                fields.get(field).and_then(|words| serde_json::from_value(words.clone()).ok()).unwrap_or_default()
            };
            let (mut command, arguments) = (words("command"), words("args"));
            let is_entrypoint = command.is_empty() && fields.get("image").is_some_and(|image| image == IMAGES[0]);
            if is_entrypoint || command.first().is_some_and(|program| program.ends_with("/wrapper")) {
                let variables = fields.get("env").and_then(Value::as_array).into_iter().flatten();
                let variables =
                    variables.map(|variable| (variable["name"].as_str().unwrap().to_owned(), variable.clone()));
                command.drain(..usize::from(!is_entrypoint));
                command.extend(arguments);
                all.push(Wrapped { arguments: command, variables: variables.collect() });
            }
            fields.values().for_each(|value| wrapped(value, all));
        }
        _ => {}
    }
}

impl Wrapped {
    /// Runs it in an Istio sidecar's company, with this folder for the container's own files.
    fn outcome(&self, folder: &Path, check: bool) -> Outcome {
        self.outcome_in(Mesh::Istio, folder, check)
    }

    /// Runs it in a pod with or without the sidecar.
    fn outcome_in(&self, mesh: Mesh, folder: &Path, check: bool) -> Outcome {
        own_network();
        let ports = if mesh == Mesh::Istio { &[15020, 15021][..] } else { &[] };
        let _sidecar: Vec<_> = ports.iter().map(|port| Server::start(*port, Answer::ok())).collect();
        let digest = run_program("sha256sum", [dist("plugins/echo.wasm")]).outcome().stdout;
        let digest = digest.split(' ').next().unwrap();
        let here = |word: &String| {
            let mut word = word.replace(ZEROS, digest);
            for file in ["/plugins/", "/my-job", "/dev/termination-log", "/wrapper-bin/"] {
                word = word.replace(file, &format!("{}/{}", folder.display(), file.trim_start_matches('/')));
            }
            word
        };
        let check = check.then(|| "--check".to_owned());
        let mut run = run(check.into_iter().chain(self.arguments.iter().map(here)));
        for (name, variable) in &self.variables {
            let value = match variable["value"].as_str() {
                Some(value) => here(&value.to_owned()),
                None => mesh.annotation(variable["valueFrom"]["fieldRef"]["fieldPath"].as_str().unwrap()),
            };
            run = run.env(name, value);
        }
        run.outcome()
    }
}

/// What the containers of the examples find: the job, plugins as a ConfigMap shows them, and a volume to write to.
fn container_files(folder: &Path, code: &str) {
    let job = folder.join("my-job");
    fs::write(&job, format!("#!/bin/sh\nexit {code}\n")).unwrap();
    fs::set_permissions(&job, fs::Permissions::from_mode(0o755)).unwrap();
    for folder_of in ["dev", "wrapper-bin", "plugins/..data"] {
        fs::create_dir_all(folder.join(folder_of)).unwrap();
    }
    for (plugin, file) in [("notify", "echo"), ("istio-wait", "istio-wait"), ("istio-quit", "istio-quit")] {
        let name = format!("{plugin}.wasm");
        fs::copy(dist(&format!("plugins/{file}.wasm")), folder.join("plugins/..data").join(&name)).unwrap();
        symlink(Path::new("..data").join(&name), folder.join("plugins").join(&name)).unwrap();
    }
}

/// A line of log without what differs from run to run: numbers, and the units of time.
fn normal(line: &str) -> String {
    let words = line.split(' ').map(|word| match word {
        "ms" | "s" => "T",
        number if number.starts_with(|first: char| first.is_ascii_digit()) => "N",
        _ => word,
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The log that the head of a file shows, and the job's output in it.
fn shown_log(file: &Path) -> Vec<String> {
    shown_after(file, |line| line.starts_with("$ kubectl logs") || line.starts_with("$ argo logs"))
}

/// What the head of a file shows after such a line, up to the next empty line.
fn shown_after(file: &Path, is_start: impl Fn(&str) -> bool) -> Vec<String> {
    let head = head(file);
    let lines = head.iter().skip_while(|line| !is_start(line)).skip(1);
    lines.skip_while(|line| line.is_empty()).take_while(|line| !line.is_empty()).cloned().collect()
}

#[test]
fn each_wrapped_container_logs_what_its_head_shows() {
    if !are_tools_here() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let example = (examples().join("kustomize/example/kustomization.yaml"), rendered_example(folder.path()));
    for (file, manifest) in manifests().into_iter().map(|file| (file.clone(), file)).chain([example]) {
        let objects = read(&[manifest]);
        let mut containers = Vec::new();
        objects.iter().for_each(|object| wrapped(&object.value, &mut containers));
        containers.retain(|container| container.arguments[0] != "--install");
        let [container] = containers.try_into().unwrap();
        let shown = shown_log(&file);
        let code = shown.iter().find_map(|line| line.split_once(" exited ")?.1.split(' ').next()).unwrap_or("0");
        let folder = tempfile::tempdir().unwrap();
        container_files(folder.path(), code);
        container.outcome(folder.path(), true).exits(0);
        let outcome = container.outcome(folder.path(), false);
        assert_eq!(outcome.code.to_string(), code, "{outcome:#?}");

        let report = folder.path().join("dev/termination-log");
        if file.ends_with("report.yaml") {
            let shown = head(&file).concat();
            let at = shown.find(r#"{"command""#).unwrap();
            let shown: Value = serde_json::Deserializer::from_str(&shown[at..]).into_iter().next().unwrap().unwrap();
            let written = fs::read_to_string(report).unwrap();
            assert!(written.len() < 4096);
            assert_eq!(without_values(&serde_json::from_str(&written).unwrap()), without_values(&shown));
            continue;
        }
        let logged: Vec<_> =
            outcome.stderr.lines().map(normal).filter(|line| !line.starts_with("notify: my-job ")).collect();
        let (output, log): (Vec<_>, _) =
            shown.into_iter().partition(|line| outcome.stdout.lines().any(|out| out == line));
        assert_eq!(log.iter().map(|line| normal(line)).collect::<Vec<_>>(), logged, "{}", file.display());
        assert_eq!(output.join("\n"), outcome.stdout.trim_end(), "{}", file.display());
    }
}

#[test]
fn without_a_mesh_each_of_them_starts_and_ends_at_once() {
    if !are_tools_here() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let example = rendered_example(folder.path());
    let mut outcomes = Vec::new();
    for manifest in manifests().into_iter().chain([example.clone()]) {
        let mut containers = Vec::new();
        read(std::slice::from_ref(&manifest)).iter().for_each(|object| wrapped(&object.value, &mut containers));
        containers.retain(|container| container.arguments[0] != "--install");
        let folder = tempfile::tempdir().unwrap();
        container_files(folder.path(), "0");
        let outcome = containers[0].outcome_in(Mesh::None, folder.path(), false);
        // If a sidecar were waited for, it would be for 15 seconds or more.
        outcome.exits(0).within(Duration::from_secs(10)).says("no sidecar to quit, as HOOK_ISTIO_SIDECAR is empty");
        if manifest != example {
            outcome.says("no sidecar to wait for, as HOOK_ISTIO_SIDECAR is empty");
        }
        outcomes.push((manifest, outcome));
    }
    let (job, outcome) = outcomes.iter().find(|(manifest, _)| manifest.ends_with("job.yaml")).unwrap();
    let shown = shown_after(job, |line| line.ends_with("In a pod without a sidecar the log is"));
    let shown: Vec<_> = shown.iter().map(|line| normal(line)).collect();
    assert_eq!(shown, outcome.stderr.lines().map(normal).collect::<Vec<_>>());
}

/// The same keys, with nothing where there are values.
fn without_values(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), without_values(value))).collect(),
        Value::Array(values) => values.iter().map(without_values).collect(),
        _ => Value::Null,
    }
}

#[test]
fn each_init_container_installs_the_wrapper() {
    if !are_tools_here() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut files = manifests();
    files.push(rendered_example(folder.path()));
    let mut containers = Vec::new();
    read(&files).iter().for_each(|object| wrapped(&object.value, &mut containers));
    containers.retain(|container| container.arguments[0] == "--install");
    assert_eq!(containers.len(), 3);
    for container in containers {
        let folder = tempfile::tempdir().unwrap();
        container_files(folder.path(), "0");
        container.outcome(folder.path(), false).exits(0);
        let installed = folder.path().join("wrapper-bin/wrapper");
        assert!(fs::read(installed).unwrap() == fs::read(wrapper()).unwrap());
    }
}

#[test]
fn another_file_than_the_one_that_was_looked_at_is_refused() {
    if !are_tools_here() {
        return;
    }
    let mut containers = Vec::new();
    read(&[examples().join("third-party-plugin.yaml")])
        .iter()
        .for_each(|object| wrapped(&object.value, &mut containers));
    let folder = tempfile::tempdir().unwrap();
    container_files(folder.path(), "0");
    fs::copy(dist("plugins/http-quit.wasm"), folder.path().join("plugins/..data/notify.wasm")).unwrap();
    containers[0].outcome(folder.path(), false).exits(125).says("has the SHA-256 digest").says("the sidecar quits");
}

#[test]
fn the_manifests_in_the_readme_are_valid_too() {
    if !are_tools_here() {
        return;
    }
    let readme = fs::read_to_string(examples().join("README.md")).unwrap();
    let blocks: Vec<_> = readme.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(!blocks.is_empty());
    let folder = tempfile::tempdir().unwrap();
    for (index, block) in blocks.iter().enumerate() {
        let file = folder.path().join(format!("{index}.yaml"));
        fs::write(&file, block).unwrap();
        let objects = read(std::slice::from_ref(&file));
        for object in &objects {
            assert!(object.refused.iter().all(|(_, why)| why.is_empty()), "{:?}", object.refused);
        }
        let verdicts = judged(&[file]);
        assert!(verdicts.iter().all(|verdict| verdict["refused"] == ""), "{verdicts:?}");
        let mut containers = Vec::new();
        objects.iter().for_each(|object| wrapped(&object.value, &mut containers));
        assert!(!containers.is_empty());
        container_files(folder.path(), "0");
        for container in containers {
            container.outcome(folder.path(), true).exits(0);
        }
    }
}

#[test]
fn a_pod_that_is_deleted_has_time_for_the_grace_and_the_hooks() {
    if !are_tools_here() {
        return;
    }
    let [job] = read(&[examples().join("job.yaml")]).try_into().unwrap();
    let mut containers = Vec::new();
    wrapped(&job.value, &mut containers);
    let seconds = |name: &str| {
        let (_, variable) = containers[0].variables.iter().find(|(variable, _)| variable == name)?;
        Some(variable["value"].as_str().unwrap().strip_suffix('s').unwrap().parse::<u64>().unwrap())
    };
    // What all hooks together have after a signal if no time limit is set, as the README says.
    let hooks = seconds("WRAPPER_HOOK_TIMEOUT").unwrap_or(20);
    let takes = seconds("WRAPPER_GRACE").unwrap() + hooks;
    let has = job.value.pointer("/spec/template/spec/terminationGracePeriodSeconds").unwrap();
    assert_eq!(has.as_u64().unwrap(), takes + 10);
}
