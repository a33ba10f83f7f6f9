//! A container of a pod: what it is told, and how it is.

use crate::doctor::field::{at, bytes, list, number, scalar, text, texts};
use serde_json::Value as Json;

/// A container.
#[derive(Debug, Default)]
pub struct Container {
    pub name: String,
    pub image: String,
    pub command: Vec<String>,
    pub args: Vec<String>,
    pub env: Vec<(String, Value)>,
    /// Whether variables come from a whole ConfigMap or Secret.
    pub has_env_from: bool,
    pub mounts: Vec<Mount>,
    pub ports: Vec<u16>,
    /// In bytes.
    pub memory_limit: Option<u64>,
    pub is_root_read_only: bool,
    pub user: Option<i64>,
    pub pre_stop: Option<PreStop>,
    /// Whether it is a native sidecar.
    pub is_native: bool,
    /// How it is, if it is in a cluster.
    pub state: State,
    /// How its last run before that ended, if the kubelet has started it again.
    pub last: State,
}

/// The value of a variable.
#[derive(Debug, PartialEq, Eq)]
pub enum Value {
    /// It is written there.
    Text(String),
    /// The downward API fills it in from this field.
    Field(String),
    /// It is in a ConfigMap or a Secret.
    Elsewhere,
}

/// Where a volume is mounted.
#[derive(Debug)]
pub struct Mount {
    pub volume: String,
    pub path: String,
    pub is_read_only: bool,
}

/// What a container does before it gets its SIGTERM.
#[derive(Debug, PartialEq, Eq)]
pub enum PreStop {
    /// It sleeps so many seconds.
    Seconds(u64),
    /// Nobody knows how long it takes.
    Unknown,
}

/// How a container is.
#[derive(Debug, Default)]
pub enum State {
    /// Nobody says.
    #[default]
    Unknown,
    /// It waits for this.
    Waiting { reason: String },
    /// It runs.
    Running,
    /// It has ended.
    Terminated { code: i64, reason: String, finished_at: Option<String> },
}

impl State {
    pub fn is_terminated(&self) -> bool {
        matches!(self, Self::Terminated { .. })
    }

    pub fn is_running(&self) -> bool {
        matches!(self, Self::Running)
    }
}

impl Container {
    pub(super) fn of(container: &Json) -> Self {
        let security = &container["securityContext"];
        let pre_stop = at(container, &["lifecycle", "preStop"]);
        Self {
            name: text(container, "name").unwrap_or_default(),
            image: text(container, "image").unwrap_or_default(),
            command: texts(container, "command"),
            args: texts(container, "args"),
            env: list(container, "env").filter_map(variable).collect(),
            has_env_from: list(container, "envFrom").next().is_some(),
            mounts: list(container, "volumeMounts").map(Mount::of).collect(),
            ports: list(container, "ports").filter_map(|port| number(port, "containerPort")?.try_into().ok()).collect(),
            memory_limit: bytes(at(container, &["resources", "limits", "memory"])),
            is_root_read_only: security["readOnlyRootFilesystem"] == true,
            user: security["runAsUser"].as_i64(),
            pre_stop: pre_stop.is_object().then(|| PreStop::of(pre_stop)),
            is_native: container["restartPolicy"] == "Always",
            state: State::Unknown,
            last: State::Unknown,
        }
    }

    /// Its command line, as far as the pod tells it.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.command.iter().chain(&self.args).map(String::as_str)
    }

    /// A variable of its own.
    pub fn variable(&self, name: &str) -> Option<&Value> {
        // Of two with one name the last counts.
        self.env.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The first two numbers of its image's tag, if that begins with such.
    pub fn version(&self) -> Option<(u64, u64)> {
        let tag = image(&self.image).1?;
        let mut numbers = tag.trim_start_matches('v').split(['.', '-']).map(str::parse);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    }

    /// Where its image's name ends with this, which may end in `*`. Registry, tag and digest do not count.
    pub fn has_image(&self, end: &str) -> bool {
        let (name, _) = image(&self.image);
        match end.strip_suffix('*') {
            Some(start) => name.rsplit('/').next().is_some_and(|last| last.starts_with(start)),
            None => name.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('/')),
        }
    }
}

/// An image's name, and its tag.
fn image(reference: &str) -> (&str, Option<&str>) {
    let name = reference.split('@').next().unwrap_or_default();
    match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (name, None),
    }
}

impl Mount {
    pub(super) fn of(mount: &Json) -> Self {
        Self {
            volume: text(mount, "name").unwrap_or_default(),
            path: text(mount, "mountPath").unwrap_or_default(),
            is_read_only: mount["readOnly"] == true,
        }
    }
}

impl PreStop {
    pub(super) fn of(hook: &Json) -> Self {
        let words = texts(&hook["exec"], "command");
        let sleep = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            [program, seconds] if program.rsplit('/').next() == Some("sleep") => seconds.parse().ok(),
            [_, "-c", script] => script.trim().strip_prefix("sleep ").and_then(|seconds| seconds.trim().parse().ok()),
            _ => number(&hook["sleep"], "seconds"),
        };
        sleep.map_or(Self::Unknown, Self::Seconds)
    }
}

impl State {
    pub(super) fn of(state: &Json) -> Self {
        let reason = |state: &Json| text(state, "reason").unwrap_or_default();
        if state["terminated"].is_object() {
            let state = &state["terminated"];
            let code = state["exitCode"].as_i64().unwrap_or_default();
            Self::Terminated { code, reason: reason(state), finished_at: text(state, "finishedAt") }
        } else if state["running"].is_object() {
            Self::Running
        } else if state["waiting"].is_object() {
            Self::Waiting { reason: reason(&state["waiting"]) }
        } else {
            Self::Unknown
        }
    }
}

fn variable(variable: &Json) -> Option<(String, Value)> {
    let name = text(variable, "name")?;
    let source = &variable["valueFrom"];
    let value = match text(&source["fieldRef"], "fieldPath") {
        Some(path) => Value::Field(path),
        None if source.is_object() => Value::Elsewhere,
        None => Value::Text(scalar(&variable["value"]).unwrap_or_default()),
    };
    Some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_images_name_is_what_is_left_without_registry_tag_and_digest() {
        let is =
            |reference: &str, end: &str| Container { image: reference.to_owned(), ..Default::default() }.has_image(end);
        assert!(is("docker.io/istio/proxyv2:1.24.0", "proxyv2"));
        assert!(is("localhost:5000/istio/proxyv2@sha256:00", "proxyv2"));
        assert!(is("cr.l5d.io/linkerd/proxy:edge-25.1.1", "linkerd/proxy") && !is("x/proxy", "linkerd/proxy"));
        assert!(is("otel/opentelemetry-collector-contrib:0.1", "opentelemetry-collector*"));
        assert!(!is("my-proxyv2", "proxyv2") && !is("", "proxyv2"));
        assert_eq!(image("localhost:5000/a"), ("localhost:5000/a", None));
    }
}
