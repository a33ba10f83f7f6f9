//! What the policies of `examples/kubernetes/inject` make of pods of all shapes, by the API server's own word; and what that costs.

use serde_json::{Value, json};
use wrapper_tests::cluster::{Cluster, within};

/// A shape of a pod, and what is to become of it.
struct Shape {
    what: &'static str,
    /// What is other than in an ordinary one.
    change: fn(&mut Value),
    becomes: Becomes,
}

/// What the API server makes of a pod.
#[derive(Debug, PartialEq, Eq)]
enum Becomes {
    /// These containers are wrapped, with these plugins.
    Wrapped(&'static [(&'static str, &'static str)]),
    /// All containers are.
    Many,
    /// It is what it was.
    Unchanged,
    /// It is refused, and this is a part of the reason.
    Refused(&'static str),
}

use Becomes::{Many, Refused, Unchanged, Wrapped};

const RECOMMENDED: &str = "istio-wait:istio-quit";

const SHAPES: [Shape; 39] = [
    Shape { what: "one container with a command", change: |_| {}, becomes: Wrapped(&[("my-job", RECOMMENDED)]) },
    Shape {
        what: "the label's value `image`",
        change: |pod| label(pod, "image"),
        becomes: Wrapped(&[("my-job", RECOMMENDED)]),
    },
    Shape { what: "no label", change: |pod| drop(pod["metadata"]["labels"].take()), becomes: Unchanged },
    Shape { what: "the label's value `false`", change: |pod| label(pod, "false"), becomes: Unchanged },
    Shape {
        what: "the label's value `yes`",
        change: |pod| label(pod, "yes"),
        becomes: Refused("must be \"install\", \"image\" or \"false\""),
    },
    Shape {
        what: "no command",
        change: |pod| drop(container(pod, 0)["command"].take()),
        becomes: Refused("the ENTRYPOINT of its image is not known here"),
    },
    Shape {
        what: "`args` without a command",
        change: |pod| {
            container(pod, 0)["args"] = json!(["serve"]);
            container(pod, 0)["command"].take();
        },
        becomes: Refused("set `command` of my-job"),
    },
    Shape {
        what: "a command of one word",
        change: |pod| container(pod, 0)["command"] = json!(["/my-job"]),
        becomes: Wrapped(&[("my-job", RECOMMENDED)]),
    },
    Shape {
        what: "volumes, mounts and variables of its own",
        change: |pod| {
            pod["spec"]["volumes"] = json!([{ "name": "data", "emptyDir": {} }]);
            container(pod, 0)["volumeMounts"] = json!([{ "name": "data", "mountPath": "/data" }]);
            container(pod, 0)["env"] = json!([{ "name": "A", "value": "b" }]);
        },
        becomes: Wrapped(&[("my-job", RECOMMENDED)]),
    },
    Shape {
        what: "`WRAPPER_PLUGIN_PATH` of its own",
        change: |pod| container(pod, 0)["env"] = json!([{ "name": "WRAPPER_PLUGIN_PATH", "value": "http-quit" }]),
        becomes: Wrapped(&[("my-job", "http-quit")]),
    },
    Shape {
        what: "`HOOK_ISTIO_SIDECAR` of its own",
        change: |pod| container(pod, 0)["env"] = json!([{ "name": "HOOK_ISTIO_SIDECAR", "value": "true" }]),
        becomes: Wrapped(&[("my-job", RECOMMENDED)]),
    },
    Shape {
        what: "plugins for Linkerd by the annotation",
        change: |pod| annotate(pod, "plugins", "linkerd-wait:linkerd-quit"),
        becomes: Wrapped(&[("my-job", "linkerd-wait:linkerd-quit")]),
    },
    Shape {
        what: "plugins `none` by the annotation",
        change: |pod| annotate(pod, "plugins", "none"),
        becomes: Wrapped(&[("my-job", "none")]),
    },
    Shape { what: "two containers", change: second, becomes: Wrapped(&[("my-job", RECOMMENDED)]) },
    Shape {
        what: "two containers, both named",
        change: |pod| {
            second(pod);
            annotate(pod, "containers", "second, my-job");
        },
        becomes: Wrapped(&[("my-job", "none"), ("second", RECOMMENDED)]),
    },
    Shape {
        what: "the second container named",
        change: |pod| {
            second(pod);
            annotate(pod, "containers", "second");
        },
        becomes: Wrapped(&[("second", RECOMMENDED)]),
    },
    Shape {
        what: "a name that is no container",
        change: |pod| annotate(pod, "containers", "my-job,absent"),
        becomes: Refused("which is left alone: absent"),
    },
    Shape {
        what: "a named container without a command",
        change: |pod| {
            second(pod);
            container(pod, 1)["command"].take();
            annotate(pod, "containers", "my-job,second");
        },
        becomes: Refused("set `command` of second"),
    },
    Shape {
        what: "a command that begins with a wrapper",
        change: |pod| container(pod, 0)["command"] = json!(["/wrapper", "/my-job"]),
        becomes: Unchanged,
    },
    Shape {
        what: "a command that is `/wrapper`, and the rest in `args`",
        change: |pod| {
            container(pod, 0)["command"] = json!(["/wrapper"]);
            container(pod, 0)["args"] = json!(["/my-job"]);
        },
        becomes: Unchanged,
    },
    Shape {
        what: "a program of its own called `wrapper`",
        change: |pod| container(pod, 0)["command"] = json!(["/opt/wrapper", "run"]),
        becomes: Wrapped(&[("my-job", RECOMMENDED)]),
    },
    Shape {
        what: "a command that begins with an option",
        change: |pod| container(pod, 0)["command"] = json!(["--version"]),
        becomes: Wrapped(&[("my-job", RECOMMENDED)]),
    },
    Shape {
        what: "a volume `wrapper-bin` that has the wrapper",
        change: |pod| {
            pod["spec"]["volumes"] = json!([{ "name": "wrapper-bin", "emptyDir": {} }]);
            container(pod, 0)["command"] = json!(["/wrapper-bin/wrapper", "/my-job"]);
        },
        becomes: Unchanged,
    },
    Shape {
        what: "a volume `wrapper-bin` for something else",
        change: |pod| pod["spec"]["volumes"] = json!([{ "name": "wrapper-bin", "emptyDir": {} }]),
        becomes: Refused("rename the volume"),
    },
    Shape {
        what: "a mount of its own below /wrapper-bin",
        change: |pod| {
            pod["spec"]["volumes"] = json!([{ "name": "data", "emptyDir": {} }]);
            container(pod, 0)["volumeMounts"] = json!([{ "name": "data", "mountPath": "/wrapper-bin/data" }]);
        },
        becomes: Refused("use another path"),
    },
    Shape {
        what: "blank names of containers",
        change: |pod| annotate(pod, "containers", " , "),
        becomes: Wrapped(&[("my-job", RECOMMENDED)]),
    },
    Shape {
        what: "an init container named",
        change: |pod| {
            pod["spec"]["initContainers"] = json!([{ "name": "first", "image": "busybox:1.37", "command": ["true"] }]);
            annotate(pod, "containers", "first");
        },
        becomes: Refused("or an init container, which is left alone: first"),
    },
    Shape {
        what: "a plugin that is misspelt",
        change: |pod| annotate(pod, "plugins", "istio-wait:istio-qiut"),
        becomes: Refused("no built-in plugin: istio-qiut"),
    },
    Shape {
        what: "a plugin with keys, and one that is a file",
        change: |pod| annotate(pod, "plugins", "/plugins/notify.wasm,port=8080:istio-quit,on=success"),
        becomes: Wrapped(&[("my-job", "/plugins/notify.wasm,port=8080:istio-quit,on=success")]),
    },
    Shape {
        what: "`restartPolicy: OnFailure`",
        change: |pod| pod["spec"]["restartPolicy"] = "OnFailure".into(),
        becomes: Wrapped(&[("my-job", "istio-wait:istio-quit,on=success")]),
    },
    Shape {
        what: "a container with a restartPolicy of its own",
        change: |pod| container(pod, 0)["restartPolicy"] = "OnFailure".into(),
        becomes: Refused("must not end the sidecar"),
    },
    Shape {
        what: "a user of the pod's: root",
        change: |pod| pod["spec"]["securityContext"] = json!({ "runAsUser": 0 }),
        becomes: Wrapped(&[("my-job", RECOMMENDED)]),
    },
    Shape {
        what: "`HOOK_SIDECAR` of its own",
        change: |pod| container(pod, 0)["env"] = json!([{ "name": "HOOK_SIDECAR", "value": "true" }]),
        becomes: Wrapped(&[("my-job", RECOMMENDED)]),
    },
    Shape { what: "60 containers with 200 variables each, all of them named", change: many, becomes: Many },
    Shape {
        what: "`command: []`",
        change: |pod| container(pod, 0)["command"] = json!([]),
        becomes: Refused("set `command` of my-job"),
    },
    Shape {
        what: "init containers of its own, a native sidecar among them",
        change: |pod| {
            pod["spec"]["initContainers"] = json!([
                { "name": "first", "image": "busybox:1.37", "command": ["true"] },
                { "name": "proxy", "image": "busybox:1.37", "command": ["sleep", "60"], "restartPolicy": "Always" },
            ])
        },
        becomes: Wrapped(&[("my-job", RECOMMENDED)]),
    },
    Shape {
        what: "`restartPolicy: Always`",
        change: |pod| pod["spec"]["restartPolicy"] = "Always".into(),
        becomes: Refused("must not end the sidecar"),
    },
    Shape {
        what: "`restartPolicy: Always`, and plugins `none`",
        change: |pod| {
            pod["spec"]["restartPolicy"] = "Always".into();
            annotate(pod, "plugins", "none");
        },
        becomes: Wrapped(&[("my-job", "none")]),
    },
    Shape {
        what: "for Windows",
        change: |pod| pod["spec"]["os"] = json!({ "name": "windows" }),
        becomes: Refused("this pod is for Windows"),
    },
];

fn pod() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": "shape", "labels": { "wrapper.example.com/inject": "install" } },
        "spec": { "restartPolicy": "Never", "containers": [{ "name": "my-job", "image": "busybox:1.37", "command": ["sh", "-c", "true"] }] },
    })
}

fn container(pod: &mut Value, number: usize) -> &mut Value {
    &mut pod["spec"]["containers"][number]
}

fn label(pod: &mut Value, value: &str) {
    pod["metadata"]["labels"]["wrapper.example.com/inject"] = value.into();
}

fn annotate(pod: &mut Value, name: &str, value: &str) {
    pod["metadata"]["annotations"][format!("wrapper.example.com/{name}")] = value.into();
}

fn many(pod: &mut Value) {
    let variables: Vec<_> = (0..200).map(|number| json!({ "name": format!("V{number}"), "value": "x" })).collect();
    let containers: Vec<_> = (0..60)
        .map(|number| json!({ "name": format!("c{number}"), "image": "busybox:1.37", "command": ["true"], "env": variables }))
        .collect();
    let names: Vec<_> = (0..60).map(|number| format!("c{number}")).collect();
    pod["spec"]["containers"] = containers.into();
    annotate(pod, "containers", &names.join(","));
}

fn second(pod: &mut Value) {
    let second = json!({ "name": "second", "image": "busybox:1.37", "command": ["sleep", "1"] });
    pod["spec"]["containers"].as_array_mut().unwrap().push(second);
}

/// What the API server would store, or its reason not to.
fn submitted(cluster: &Cluster, pod: &Value) -> Result<Value, String> {
    let text =
        cluster.try_kubectl(&["create", "--dry-run=server", "--output=json", "--filename=-"], &pod.to_string())?;
    Ok(serde_json::from_str(&text).unwrap())
}

/// A policy holds some moments after it was made.
pub fn wait_until_policies_hold(cluster: &Cluster) {
    let mut wrong = pod();
    label(&mut wrong, "yes");
    let holds = || {
        submitted(cluster, &wrong).is_err()
            && submitted(cluster, &pod()).is_ok_and(|pod| pod["spec"]["volumes"].to_string().contains("wrapper-bin"))
    };
    assert!(within(60, holds), "{:?}", submitted(cluster, &pod()));
}

/// All shapes, as a table.
pub fn table(cluster: &Cluster) -> String {
    let mut table =
        "\n## What the policies make of a pod\n\n| the pod | what the API server makes of it |\n|---|---|\n".to_owned();
    for Shape { what, change, becomes } in &SHAPES {
        let mut before = pod();
        change(&mut before);
        let after = submitted(cluster, &before);
        let says = match (becomes, &after) {
            (Refused(why), Err(error)) if error.contains(why) => {
                let (_, says) = error.split_once("denied request: ").unwrap_or_else(|| panic!("{what}: {error}"));
                format!("refused: {}", says.trim())
            }
            (Unchanged, Ok(after)) if wrapped(after).iter().all(|(name, _)| is_wrapped(&before, name)) => {
                "left alone".to_owned()
            }
            (Many, Ok(after)) if wrapped(after).len() == 60 => {
                is_whole(&before, after);
                "wrapped, all of them".to_owned()
            }
            (Wrapped(containers), Ok(after)) if wrapped(after) == *containers => {
                is_whole(&before, after);
                let list: Vec<_> =
                    containers.iter().map(|(name, plugins)| format!("`{name}` with `{plugins}`")).collect();
                format!("wrapped: {}", list.join(", "))
            }
            _ => panic!("{what}: {becomes:?} is not what came of it: {after:#?}"),
        };
        table += &format!("| {what} | {says} |\n");
    }
    table + &cost(cluster)
}

/// The containers whose command begins with the wrapper, and their plugins.
fn wrapped(pod: &Value) -> Vec<(&str, &str)> {
    let containers = pod["spec"]["containers"].as_array().unwrap();
    containers
        .iter()
        .filter(|container| {
            ["/wrapper", "/wrapper-bin/wrapper"].iter().any(|wrapper| container["command"][0] == *wrapper)
        })
        .map(|container| {
            let variables = container["env"].as_array().map_or(&[][..], Vec::as_slice);
            let path = variables.iter().find(|variable| variable["name"] == "WRAPPER_PLUGIN_PATH");
            (container["name"].as_str().unwrap(), path.map_or("", |path| path["value"].as_str().unwrap()))
        })
        .collect()
}

fn is_wrapped(pod: &Value, name: &str) -> bool {
    wrapped(pod).iter().any(|(wrapped, _)| *wrapped == name)
}

/// What was there is there, in its order, and each wrapped container has what it needs.
fn is_whole(before: &Value, after: &Value) {
    let is_image = before["metadata"]["labels"]["wrapper.example.com/inject"] == "image";
    let (was, is) = (&before["spec"], &after["spec"]);
    let volume =
        is["volumes"].as_array().unwrap().iter().find(|volume| volume["name"] == "wrapper-bin").expect("the volume");
    assert_eq!(volume["image"].is_object(), is_image, "{volume}");
    let init: Vec<_> =
        is["initContainers"].as_array().into_iter().flatten().map(|container| &container["name"]).collect();
    let mut expected: Vec<Value> = Vec::new();
    expected.extend((!is_image).then(|| json!("wrapper-install")));
    expected.extend(was["initContainers"].as_array().into_iter().flatten().map(|container| container["name"].clone()));
    assert_eq!(init, expected.iter().collect::<Vec<_>>());
    for (was, is) in was["containers"].as_array().unwrap().iter().zip(is["containers"].as_array().unwrap()) {
        assert_eq!(was["name"], is["name"]);
        let is_wrapped = is["command"][0] == "/wrapper-bin/wrapper";
        assert_eq!(
            is["command"].as_array().map(|words| words[2 * usize::from(is_wrapped)..].to_vec()),
            was["command"].as_array().cloned()
        );
        for (field, key) in [("env", "name"), ("volumeMounts", "mountPath")] {
            let has = |container: &Value| -> Vec<Value> { container[field].as_array().cloned().unwrap_or_default() };
            // Each once, and those that were there as they were.
            assert!(has(was).iter().all(|entry| has(is).contains(entry)), "{is}");
            let mut keys: Vec<_> = has(is).iter().map(|entry| entry[key].to_string()).collect();
            let count = keys.len();
            keys.sort();
            keys.dedup();
            assert_eq!(keys.len(), count, "{is}");
        }
        if is_wrapped {
            assert_eq!(is["command"][1], "--");
            let variables = is["env"].to_string();
            let knows = variables.contains("_SIDECAR\"");
            assert!(knows || !variables.contains("istio-") && !variables.contains("linkerd-"), "{is}");
            assert!(is["volumeMounts"].to_string().contains("\"/wrapper-bin\""), "{is}");
        }
    }
}

/// From the API server's own metrics: what a decision costs.
fn cost(cluster: &Cluster) -> String {
    const PODS: usize = 200;
    let spent = || {
        let metrics = cluster.kubectl(&["get", "--raw", "/metrics"], "");
        ["Mutating", "Validating"].map(|kind| {
            let controller = format!(
                "_duration_seconds_sum{{name=\"{kind}AdmissionPolicy\",operation=\"CREATE\",rejected=\"false\""
            );
            let line = metrics.lines().find(|line| line.contains(&controller)).expect("the metric");
            line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()
        })
    };
    let pods: Vec<_> = (0..PODS)
        .map(|number| {
            let mut pod = pod();
            pod["metadata"]["name"] = format!("shape-{number}").into();
            pod
        })
        .collect();
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": pods }).to_string();
    let before = spent();
    cluster.kubectl(&["create", "--dry-run=server", "--output=name", "--filename=-"], &list);
    let after = spent();
    let [mutating, validating] = [0, 1].map(|kind| (after[kind] - before[kind]) * 1e3 / PODS as f64);
    assert!(mutating < 20.0 && validating < 5.0, "{mutating} ms, {validating} ms");
    format!(
        "\nBy the API server's own metrics, for {PODS} pods: the mutating policy takes {mutating:.2} ms for a pod that it wraps, the \
         validating one {validating:.2} ms.\n"
    )
}
