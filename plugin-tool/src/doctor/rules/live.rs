//! What a pod in a cluster tells of itself.

use crate::doctor::{
    finding::{self, Finding, Verdict},
    pod::{Container, State},
    scene::Scene,
};
use std::time::{Duration, SystemTime};

/// So long a sidecar may drain: Linkerd's proxy without an identity takes two minutes.
const DRAIN: Duration = Duration::from_secs(120);

pub fn check(scene: &Scene, findings: &mut Vec<Finding>) {
    let pod = &scene.subject.pod;
    for container in pod.containers.iter().chain(&pod.init_containers) {
        match &container.state {
            State::Waiting { reason } => findings.extend(waiting(scene, container, reason)),
            State::Terminated { code, reason, .. } => findings.extend(ended(scene, container, *code, reason)),
            _ => {}
        }
        if let State::Terminated { code, reason, .. } = &container.last {
            findings.extend(ended(scene, container, *code, reason));
        }
    }
    if !scene.subject.has_ended() {
        left(scene, findings);
    }
}

fn waiting(scene: &Scene, container: &Container, reason: &str) -> Option<Finding> {
    if !matches!(
        reason,
        "ImagePullBackOff" | "ErrImagePull" | "InvalidImageName" | "ErrImageNeverPull" | "ImageInspectError"
    ) {
        return None;
    }
    let what = if is_sidecar(scene, container) {
        ": hooks wait for the sidecar for at most five minutes, and nobody ends it if it comes later"
    } else {
        ""
    };
    let says = format!("{} does not start: {reason} of {}{what}", container.name, container.image);
    let cure = format!("see `kubectl describe pod {}`", scene.subject.name);
    // A pod whose container never starts does not end by itself.
    Some(Finding::new(finding::IMAGE_MISSING, &container.name, says, cure).so(Verdict::MayNotEnd))
}

fn ended(scene: &Scene, container: &Container, code: i64, reason: &str) -> Option<Finding> {
    let is_wrapped = scene.wrapped.iter().any(|wrapped| wrapped.container.name == container.name);
    if reason == "OOMKilled" {
        let what = if is_wrapped { ": if the wrapper was killed with the job, no hook has run" } else { "" };
        let says = format!("{} was killed as it exceeded its memory limit{what}", container.name);
        return Some(Finding::new(
            finding::OUT_OF_MEMORY,
            &container.name,
            says,
            "raise resources.limits.memory; set activeDeadlineSeconds as a last resort",
        ));
    }
    let (means, cure) = match code {
        125 => (
            "the wrapper refused: a setting, a plugin or a before-start hook",
            "its log has the reason, in a line that begins with `wrapper:`",
        ),
        126 => (
            "the command was found and cannot be executed, or the job itself exited so",
            "see whether the file is executable and its volume is not mounted noexec",
        ),
        127 => (
            "the command was not found, or the job is a shell that did not find one",
            "see whether the file is in the image",
        ),
        128 if reason == "StartError" || reason == "ContainerCannotRun" => {
            ("the container's own command cannot be run", "see whether the wrapper is where `command` says")
        }
        _ => return None,
    };
    is_wrapped.then(|| {
        Finding::new(
            finding::NOT_STARTED,
            &container.name,
            format!("{} ended with {code}: {means}", container.name),
            cure,
        )
    })
}

/// Containers that run on when the jobs have ended.
fn left(scene: &Scene, findings: &mut Vec<Finding>) {
    let containers = &scene.subject.pod.containers;
    for container in containers.iter().filter(|container| container.state.is_running()) {
        let is_sidecar = is_sidecar(scene, container);
        if !(is_sidecar && scene.is_over() || is_alone(scene, container)) {
            continue;
        }
        let says = format!("the other containers have ended, and {} still runs", container.name);
        let finding = if is_recent(containers) {
            let says = format!("{says}; it may be draining");
            Finding::new(finding::DRAINS, &container.name, says, "look again in two minutes").so(Verdict::MayNotEnd)
        } else if is_sidecar {
            let cure = "end it with the lines below, and change the Job";
            Finding::new(finding::KEEPS_POD, &container.name, says, cure).so(Verdict::DoesNotEnd)
        } else {
            let cure = "if it is no job: end it by http-quit, if it has an HTTP endpoint for that, or make it a native \
                        sidecar, an init container with restartPolicy: Always";
            Finding::new(finding::KEEPS_POD, &container.name, says, cure).so(Verdict::MayNotEnd)
        };
        findings.push(finding);
    }
}

fn is_sidecar(scene: &Scene, container: &Container) -> bool {
    scene.plain().any(|sidecar| sidecar.container.is_some_and(|own| own.name == container.name))
}

/// Whether it is the only one that has not ended, next to a job that has. It may be a sidecar that nobody knows, or another job.
fn is_alone(scene: &Scene, container: &Container) -> bool {
    let is_wrapped = scene.wrapped.iter().any(|wrapped| wrapped.container.name == container.name);
    let mut others = scene.subject.pod.containers.iter().filter(|other| other.name != container.name);
    let have_ended = others.all(|other| other.state.is_terminated());
    let has_job = scene.jobs().any(|job| job.name != container.name);
    have_ended && has_job && !is_wrapped && !is_sidecar(scene, container)
}

/// Whether the last of those that have ended did so a moment ago.
fn is_recent(containers: &[Container]) -> bool {
    let ends = containers.iter().filter_map(|container| match &container.state {
        State::Terminated { finished_at, .. } => humantime::parse_rfc3339(finished_at.as_deref()?).ok(),
        _ => None,
    });
    let age = ends.max().map(|end| SystemTime::now().duration_since(end).unwrap_or_default());
    age.is_some_and(|age| age < DRAIN)
}
