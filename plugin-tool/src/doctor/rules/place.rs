//! Files: where the wrapper and its plugins come from, and where it writes.

use crate::doctor::{
    finding::{self, Finding, Verdict},
    pod::{Container, Label, VolumeSource},
    scene::Scene,
    wrapped::{Wrapped, file, installs},
};
use std::path::Path;

/// Since Kubernetes 1.36 programs run from an image volume: the minor version.
const EXECUTABLE: u32 = 36;

pub fn check(scene: &Scene, findings: &mut Vec<Finding>) {
    let pod = &scene.subject.pod;
    let has_plain = scene.plain().next().is_some();
    let keeps = |effect| if has_plain { effect } else { Verdict::Ends };
    for container in pod.init_containers.iter().filter(|container| !container.is_native) {
        if let Some(path) = installs(container) {
            findings.extend(install(scene, container, &path).map(|finding| {
                let effect = keeps(finding.effect);
                finding.so(effect)
            }));
        }
    }
    findings.extend(label(&scene.subject.label));
    for wrapped in &scene.wrapped {
        findings.extend(program(scene, wrapped).map(|finding| {
            let effect = keeps(finding.effect);
            finding.so(effect)
        }));
        findings.extend(report(scene, wrapped));
        pinned(scene, wrapped, findings);
    }
}

/// What comes of the label by which the cluster's policies add the wrapper.
fn label(label: &Label) -> Option<Finding> {
    match label {
        Label::None => None,
        Label::Wraps => {
            let says = "the label wrapper.example.com/inject asks for the wrapper, which the cluster's policies add";
            let cure = "see that the cluster has the policies: kubectl get mutatingadmissionpolicies";
            Some(Finding::new(finding::LABELLED, "", says, cure))
        }
        Label::Refused(why) => {
            let says = format!("the policies of the label wrapper.example.com/inject refuse this pod: {why}");
            Some(
                Finding::new(finding::LABEL_REFUSED, "", says, "correct it, or take the label away")
                    .so(Verdict::MayNotEnd),
            )
        }
        Label::Misplaced => {
            let says = "the label wrapper.example.com/inject is on the object itself, where no policy looks";
            let cure = "put it on the pod's template, in spec.template.metadata.labels";
            Some(Finding::new(finding::LABEL_MISPLACED, "", says, cure))
        }
    }
}

/// The target must be in a volume that keeps it, and that the user may write to.
fn install(scene: &Scene, container: &Container, path: &Path) -> Option<Finding> {
    let pod = &scene.subject.pod;
    let name = &container.name;
    let target = path.to_str()?;
    let lost = |why: &str| {
        Finding::new(
            finding::INSTALL_LOST,
            name,
            format!("the wrapper is installed to {target}, {why}"),
            "mount an emptyDir there, in this container and in the job's",
        )
        .so(Verdict::DoesNotEnd)
    };
    let Some((volume, mount)) = pod.volume(container, target) else {
        return Some(lost("which is in no volume: the job's container does not have it"));
    };
    if mount.is_read_only || volume.source == VolumeSource::ReadOnly || matches!(volume.source, VolumeSource::Image(_))
    {
        return Some(lost("which is read-only"));
    }
    let user = container.user.or(pod.user);
    if volume.source == VolumeSource::Other && !pod.has_group && user != Some(0) {
        let says = format!(
            "the wrapper is installed into the volume {}, which the user of {name} may not be able to write to: \
             it is no emptyDir",
            volume.name
        );
        return Some(
            Finding::new(
                finding::INSTALL_OWNER,
                name,
                says,
                "use an emptyDir, or set fsGroup in the pod's securityContext",
            )
            .so(Verdict::MayNotEnd),
        );
    }
    None
}

/// Where the wrapper itself comes from.
fn program(scene: &Scene, wrapped: &Wrapped) -> Option<Finding> {
    let pod = &scene.subject.pod;
    let program = wrapped.program?;
    let (volume, _) = pod.volume(wrapped.container, program)?;
    let name = &wrapped.container.name;
    match &volume.source {
        VolumeSource::Image(_) => {
            let volume = &volume.name;
            let finding = match scene.subject.oldest_kubelet {
                Some(minor) if minor >= EXECUTABLE => return None,
                Some(minor) => {
                    let says = format!(
                        "the wrapper {program} comes from the image volume {volume}, and a node has Kubernetes 1.{minor}, which \
                         mounts it noexec: the wrapper is not started there"
                    );
                    let cure = "copy the wrapper into the image, or install it by an init container";
                    Finding::new(finding::NOEXEC_VOLUME, name, says, cure).so(Verdict::DoesNotEnd)
                }
                None => {
                    let says = format!(
                        "the wrapper {program} comes from the image volume {volume}, which needs Kubernetes 1.36"
                    );
                    let cure = "have the nodes looked at too: kubectl get node,job,pod -o json";
                    Finding::new(finding::IMAGE_VOLUME, name, says, cure)
                }
            };
            Some(finding)
        }
        VolumeSource::EmptyDir => {
            let fills = |container: &Container| container.mounts.iter().any(|mount| mount.volume == volume.name);
            let is_filled = pod.init_containers.iter().any(fills);
            let says = format!(
                "{program} is in the empty volume {}, and no init container mounts that to install the wrapper",
                volume.name
            );
            (!is_filled).then(|| {
                Finding::new(finding::WRAPPER_MISSING, name, says, "add the init container with --install")
                    .so(Verdict::DoesNotEnd)
            })
        }
        _ => None,
    }
}

/// A report that cannot be written is a warning in the log.
fn report(scene: &Scene, wrapped: &Wrapped) -> Option<Finding> {
    let path = wrapped.settings.as_ref().ok()?.report.as_ref()?.to_str()?;
    let container = wrapped.container;
    let is_system = ["/dev/", "/proc/"].iter().any(|folder| path.starts_with(folder));
    if is_system || !path.starts_with('/') {
        return None;
    }
    let why = match scene.subject.pod.volume(container, path) {
        Some((volume, mount))
            if mount.is_read_only || matches!(volume.source, VolumeSource::ReadOnly | VolumeSource::Image(_)) =>
        {
            "a volume that is read-only"
        }
        Some(_) => return None,
        None if container.is_root_read_only => "the container's file system, which is read-only",
        None => return None,
    };
    let says = format!("the account of the run goes to {path}, in {why}");
    Some(Finding::new(finding::REPORT_LOST, &container.name, says, "use /dev/termination-log, or a volume"))
}

/// A file in the image is what the image is. One in a volume may be replaced.
fn pinned(scene: &Scene, wrapped: &Wrapped, findings: &mut Vec<Finding>) {
    for plugin in wrapped.plugins() {
        let Some(path) = file(plugin) else { continue };
        let Some((volume, _)) = scene.subject.pod.volume(wrapped.container, path) else { continue };
        if plugin.source.is_compiled() && matches!(volume.source, VolumeSource::Image(_)) {
            let says = format!(
                "{path} is in an image volume, which Kubernetes before 1.36 mounts noexec: bytecode is read \
                 there, machine code is not run"
            );
            findings.push(Finding::new(
                finding::NOEXEC_CODE,
                &wrapped.container.name,
                says,
                "compile it without --target",
            ));
        }
        let why = match &volume.source {
            _ if plugin.sha256.is_some() => continue,
            VolumeSource::Image(reference) if reference.contains("@sha256:") => continue,
            VolumeSource::Image(_) => "an image volume whose tag can be moved",
            _ => "a volume whose files can be replaced",
        };
        let says = format!("{path} has no sha256= and is in {why}");
        findings.push(Finding::new(
            finding::NOT_PINNED,
            &wrapped.container.name,
            says,
            "add sha256= with what sha256sum prints, or name the image by its digest",
        ));
    }
}
