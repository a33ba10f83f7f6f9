//! A pod, as far as it matters here.

mod container;
mod label;

pub use container::{Container, Mount, PreStop, State, Value};
pub use label::Label;

use super::field::{list, map, number, text};
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// What the pod, or the template of one, says.
#[derive(Debug)]
pub struct Pod {
    /// Its labels and annotations. Injectors read both.
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    /// `Always`, `OnFailure` or `Never`.
    pub restart_policy: String,
    /// From SIGTERM to SIGKILL, in seconds.
    pub termination_seconds: u64,
    /// After so many seconds it is ended, if at all.
    pub deadline_seconds: Option<u64>,
    /// The user of its containers, if it is named.
    pub user: Option<i64>,
    /// The group that owns its volumes, if it is named.
    pub has_group: bool,
    pub volumes: Vec<Volume>,
    pub containers: Vec<Container>,
    pub init_containers: Vec<Container>,
    /// `Succeeded`, `Running` and so on, if it is a pod in a cluster.
    pub phase: Option<String>,
}

/// A volume, and where it comes from.
#[derive(Debug)]
pub struct Volume {
    pub name: String,
    pub source: VolumeSource,
}

/// Where a volume comes from.
#[derive(Debug, PartialEq, Eq)]
pub enum VolumeSource {
    /// A folder that everybody may write to, and that lives as long as the pod.
    EmptyDir,
    /// An image, by this reference.
    Image(String),
    /// A ConfigMap, a Secret or the like, which is not written to.
    ReadOnly,
    /// Any other.
    Other,
}

impl Pod {
    /// Of a template, with what the policies for a label will make of it.
    pub fn of_template(template: &Json) -> (Self, Label) {
        let (label, wrapped) = Label::of(template);
        (Self::of(wrapped.as_ref().unwrap_or(template)), label)
    }

    /// Of an object that has `metadata` and `spec`, as a pod and its template do.
    pub fn of(template: &Json) -> Self {
        let (metadata, spec, status) = (&template["metadata"], &template["spec"], &template["status"]);
        let containers = |name: &str, statuses: &str| -> Vec<Container> {
            let with_status = |container: &Json| {
                let mut container = Container::of(container);
                let status = list(status, statuses).find(|status| status["name"] == container.name.as_str());
                if let Some(status) = status {
                    container.state = State::of(&status["state"]);
                    container.last = State::of(&status["lastState"]);
                }
                container
            };
            list(spec, name).map(with_status).collect()
        };
        let security = &spec["securityContext"];
        Self {
            labels: map(metadata, "labels"),
            annotations: map(metadata, "annotations"),
            restart_policy: text(spec, "restartPolicy").unwrap_or_else(|| "Always".to_owned()),
            termination_seconds: number(spec, "terminationGracePeriodSeconds").unwrap_or(30),
            deadline_seconds: number(spec, "activeDeadlineSeconds"),
            user: security["runAsUser"].as_i64(),
            has_group: security["fsGroup"].is_number(),
            volumes: list(spec, "volumes").map(Volume::of).collect(),
            containers: containers("containers", "containerStatuses"),
            init_containers: containers("initContainers", "initContainerStatuses"),
            phase: text(status, "phase"),
        }
    }

    /// The value of a label or of an annotation.
    pub fn mark(&self, key: &str) -> Option<&str> {
        self.annotations.get(key).or_else(|| self.labels.get(key)).map(String::as_str)
    }

    /// What the downward API would fill in; nothing for a field that is not of the metadata's maps.
    pub fn field(&self, path: &str) -> Option<&str> {
        let (map, rest) = match path.strip_prefix("metadata.annotations['") {
            Some(rest) => (&self.annotations, rest),
            None => (&self.labels, path.strip_prefix("metadata.labels['")?),
        };
        Some(map.get(rest.strip_suffix("']")?).map_or("", String::as_str))
    }

    /// The volume in which a path of this container lies, and whether the container may write there.
    pub fn volume<'a>(&'a self, container: &'a Container, path: &str) -> Option<(&'a Volume, &'a Mount)> {
        let is_below = |mount: &&Mount| {
            let folder = mount.path.trim_end_matches('/');
            path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let mount = container.mounts.iter().filter(is_below).max_by_key(|mount| mount.path.len())?;
        Some((self.volumes.iter().find(|volume| volume.name == mount.volume)?, mount))
    }
}

impl Volume {
    fn of(volume: &Json) -> Self {
        let is = |name: &str| !volume[name].is_null();
        let source = if is("emptyDir") {
            VolumeSource::EmptyDir
        } else if is("image") {
            VolumeSource::Image(text(&volume["image"], "reference").unwrap_or_default())
        } else if ["configMap", "secret", "downwardAPI", "projected"].into_iter().any(is) {
            VolumeSource::ReadOnly
        } else {
            VolumeSource::Other
        };
        Self { name: text(volume, "name").unwrap_or_default(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pod_of_odd_fields_is_a_pod() {
        for odd in [json!(null), json!(3), json!([]), json!({ "spec": [], "metadata": "x", "status": null })] {
            assert!(Pod::of(&odd).containers.is_empty());
        }
        let pod = Pod::of(&json!({
            "metadata": { "annotations": { "a": "1", "b": null }, "labels": [] },
            "spec": {
                "terminationGracePeriodSeconds": -3,
                "volumes": [null, { "name": 3 }],
                "containers": [null, "x", {
                    "name": 1,
                    "command": "sh",
                    "env": [{ "value": "x" }, { "name": "A" }],
                    "ports": [{ "containerPort": 70_000 }],
                }],
            },
            "status": { "containerStatuses": [{ "state": "x" }, 3] },
        }));
        assert_eq!((pod.containers.len(), pod.termination_seconds, pod.annotations.len()), (1, 30, 1));
        assert_eq!(pod.containers[0].variable("A"), Some(&Value::Text(String::new())));
    }

    #[test]
    fn the_longest_mount_has_the_path() {
        let pod = Pod::of(&json!({ "spec": {
            "volumes": [{ "name": "a", "emptyDir": {} }, { "name": "b", "image": { "reference": "x" } }],
            "containers": [{
                "volumeMounts": [{ "name": "a", "mountPath": "/a/" }, { "name": "b", "mountPath": "/a/b" }],
            }],
        }}));
        let volume = |path| pod.volume(&pod.containers[0], path).map(|(volume, _)| volume.name.as_str());
        assert_eq!(
            [volume("/a/x"), volume("/a/b/x"), volume("/a/bc"), volume("/ab")],
            [Some("a"), Some("b"), Some("a"), None]
        );
    }
}
