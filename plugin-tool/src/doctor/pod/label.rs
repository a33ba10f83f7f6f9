//! The label by which the policies of `examples/kubernetes/inject` put a pod under the wrapper: what they make of a template. They run
//! in the cluster, so a manifest does not show it.

use crate::doctor::field::{list, map, texts};
use serde_json::{Value as Json, json};
use wrapper::plugin::own_variable;
use wrapper_guest_build::marks::MARKS;

const LABEL: &str = "wrapper.example.com/inject";
const CONTAINERS: &str = "wrapper.example.com/containers";
const PLUGINS: &str = "wrapper.example.com/plugins";

/// What a container gets if the pod names no plugins, and if its job may run again beside the same sidecar.
const RECOMMENDED: [&str; 2] = ["istio-wait:istio-quit", "istio-wait:istio-quit,on=success"];

/// The endings of the plugins that look whether there is a sidecar.
const KINDS: [&str; 3] = ["-wait", "-quit", "-drain"];

/// The first words of commands that are left alone.
const WRAPPERS: [&str; 3] = ["wrapper", "/wrapper", "/wrapper-bin/wrapper"];

/// The volume that has the wrapper.
const VOLUME: &str = "wrapper-bin";

/// What the label makes of a template.
#[derive(Debug, PartialEq, Eq)]
pub enum Label {
    /// There is none, or it leaves the pod alone.
    None,
    /// The policies put it under the wrapper.
    Wraps,
    /// The policies refuse the pod.
    Refused(String),
    /// It is on the object that makes the pod, where no policy looks.
    Misplaced,
}

impl Label {
    /// Of a template; and the template as the policies change it, if they do.
    pub fn of(template: &Json) -> (Self, Option<Json>) {
        let labels = map(&template["metadata"], "labels");
        let way = match labels.get(LABEL).map(String::as_str) {
            None | Some("false" | "disabled" | "") => return (Self::None, None),
            Some(way) => way,
        };
        if !["install", "image"].contains(&way) {
            return (Self::Refused(format!("it is {way:?}, and must be \"install\", \"image\" or \"false\"")), None);
        }
        let Some(wrapped) = wrapped(template, way == "install") else { return (Self::None, None) };
        let is_left = |name: &str| {
            list(&wrapped["spec"], "containers").any(|container| {
                container["name"] == name && texts(container, "command").first().is_none_or(|word| !is_ours(word))
            })
        };
        match names(template).iter().find(|name| is_left(name)) {
            Some(name) => (
                Self::Refused(format!("container {name} has no command, and its image's ENTRYPOINT is not known")),
                None,
            ),
            None => (Self::Wraps, Some(wrapped)),
        }
    }

    /// Whether an object has the label on itself.
    pub fn is_on(object: &Json) -> bool {
        map(&object["metadata"], "labels").contains_key(LABEL)
    }
}

fn is_ours(word: &str) -> bool {
    WRAPPERS.contains(&word)
}

/// The containers that are to be wrapped.
fn names(template: &Json) -> Vec<String> {
    let annotations = map(&template["metadata"], "annotations");
    let named = annotations.get(CONTAINERS).map_or("", String::as_str);
    let names: Vec<_> = named.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
    if !names.is_empty() {
        return names;
    }
    let first = list(&template["spec"], "containers").next();
    first.and_then(|first| first["name"].as_str()).map(str::to_owned).into_iter().collect()
}

/// The template as the policies change it. None if they leave it alone.
fn wrapped(template: &Json, is_copied: bool) -> Option<Json> {
    let (metadata, spec) = (&template["metadata"], &template["spec"]);
    if list(spec, "volumes").any(|volume| volume["name"] == VOLUME) {
        return None;
    }
    let annotations = map(metadata, "annotations");
    let recommended = RECOMMENDED[usize::from(spec["restartPolicy"] == "OnFailure")];
    let plugins = annotations.get(PLUGINS).map_or(recommended, String::as_str);
    let names = names(template);
    let mut pod = template.clone();
    for container in pod["spec"]["containers"].as_array_mut()? {
        let at = names.iter().position(|name| container["name"] == name.as_str());
        let is_to_be = texts(container, "command").first().is_some_and(|word| !is_ours(word));
        if let Some(at) = at.filter(|_| is_to_be) {
            put_under(container, if at == 0 { plugins } else { "none" });
        }
    }
    let source = if is_copied {
        let init = json!({
            "name": "wrapper-install", "image": "registry.example.com/wrapper", "args": ["--install", "/wrapper-bin/wrapper"],
            "volumeMounts": [{ "name": VOLUME, "mountPath": "/wrapper-bin" }],
        });
        push(&mut pod["spec"], "initContainers", init);
        json!({ "name": VOLUME, "emptyDir": {} })
    } else {
        json!({ "name": VOLUME, "image": { "reference": "registry.example.com/wrapper" } })
    };
    push(&mut pod["spec"], "volumes", source);
    Some(pod)
}

/// The wrapper before the command, its volume, and the variables that the container does not have.
fn put_under(container: &mut Json, plugins: &str) {
    if let Some(words) = container["command"].as_array_mut() {
        words.splice(..0, ["/wrapper-bin/wrapper".into(), "--".into()]);
    }
    push(container, "volumeMounts", json!({ "name": VOLUME, "mountPath": "/wrapper-bin", "readOnly": true }));
    let own = list(container, "env").find(|variable| variable["name"] == "WRAPPER_PLUGIN_PATH");
    let plugins = match own {
        Some(own) => own["value"].as_str().unwrap_or(plugins).to_owned(),
        None => {
            push(container, "env", json!({ "name": "WRAPPER_PLUGIN_PATH", "value": plugins }));
            plugins.to_owned()
        }
    };
    for plugin in plugins.split(':') {
        let is_of = |row: &&str| KINDS.iter().any(|kind| plugin.starts_with(&format!("{row}{kind}")));
        let marks = MARKS.iter().find(|marks| !marks.written.is_empty() && marks.rows.iter().any(is_of));
        let name = own_variable(plugin.split(',').next().unwrap_or_default());
        let is_known = list(container, "env")
            .any(|variable| variable["name"] == "HOOK_SIDECAR" || variable["name"] == name.as_str());
        if let Some(marks) = marks.filter(|_| !is_known) {
            push(
                container,
                "env",
                json!({ "name": name, "valueFrom": { "fieldRef": { "fieldPath": marks.written } } }),
            );
        }
    }
}

/// Adds an item to a list, which may not be there.
fn push(holder: &mut Json, name: &str, item: Json) {
    if let Some(holder) = holder.as_object_mut() {
        match holder.entry(name).or_insert_with(|| json!([])) {
            Json::Array(items) => items.push(item),
            other => *other = json!([item]),
        }
    }
}
