//! What to change: a patch of the template to paste, and how to end the pod that hangs now.

mod hooks;
mod now;
mod patch;

use super::{
    finding::Finding,
    rules::time,
    scene::{Scene, ports, url_variable},
    subject::{CRON_JOB, JOB, Subject},
    wrapped::Wrapped,
    yaml::quoted,
};
pub use hooks::PLACEHOLDER;
use hooks::{after_success, hooks, open, presence};
use now::now;
use patch::{Patch, write};
use wrapper::plugin::own_variable;

/// What there is to be changed.
#[derive(Debug, Default)]
pub struct Advice {
    /// What the patch is for, such as `job/my-job`.
    pub target: String,
    /// YAML to be merged into that.
    pub patch: Option<String>,
    /// Lines of shell that end the sidecars of a pod that hangs.
    pub now: Vec<String>,
}

/// What the findings lead to.
pub fn of(scene: &Scene, findings: &[Finding]) -> Advice {
    let subject = scene.subject;
    // Nothing is to be changed for a pod that has ended.
    if subject.has_ended() {
        return Advice::default();
    }
    let mut patch = Patch::default();
    let has = |id: &str| findings.iter().any(|finding| finding.kind.id == id);
    let of = |id: &str, container: &str| {
        findings.iter().any(|finding| finding.kind.id == id && finding.container.as_deref() == Some(container))
    };
    let unasked: Vec<_> = scene
        .plain()
        .filter(|sidecar| {
            sidecar.quit().is_some()
                && !of("no-endpoint", sidecar.name())
                && scene.quits(sidecar).next().is_none()
                && !of("plugin-unknown", sidecar.name())
        })
        .collect();
    let is_settled = has("settings-rejected") || scene.wrapped.iter().any(Wrapped::are_plugins_unknown);
    if !unasked.is_empty() && !is_settled {
        hooks(scene, &unasked, &mut patch);
    }
    for sidecar in scene.plain().filter(|sidecar| of("endpoint-off", sidecar.name())) {
        open(sidecar, &mut patch);
    }
    for sidecar in scene.plain() {
        for (wrapped, plugin) in scene.quits(sidecar) {
            let name = &wrapped.container.name;
            let plugin = plugin.source.name();
            if of("variable-missing", name) || of("variable-wrong", name) {
                patch.container(name).set(own_variable(&plugin), presence(sidecar));
            }
            if let (true, Some((row, call)), Some(port)) =
                (of("other-port", name), sidecar.quit(), sidecar.port(subject))
                && plugin == format!("{row}-quit")
                && ports(call).all(|known| known != port)
            {
                patch.container(name).set(
                    url_variable(&plugin),
                    format!("value: {}", quoted(&format!("http://localhost:{port}{}", call.path))),
                );
            }
        }
    }
    if has("native-asked") && scene.plain().next().is_none() {
        for wrapped in scene.wrapped.iter().filter(|wrapped| of("native-asked", &wrapped.container.name)) {
            if wrapped.settings.as_ref().is_ok_and(|settings| !settings.are_plugins_options)
                && wrapped.plugins().iter().all(|plugin| plugin.source.name().ends_with("-quit"))
            {
                patch
                    .container(&wrapped.container.name)
                    .set("WRAPPER_PLUGIN_PATH".to_owned(), "value: none".to_owned());
            }
        }
    }
    for wrapped in scene.wrapped.iter().filter(|wrapped| of("quit-before-retry", &wrapped.container.name)) {
        if let Some(path) = after_success(scene, wrapped) {
            patch
                .container(&wrapped.container.name)
                .set("WRAPPER_PLUGIN_PATH".to_owned(), format!("value: {}", quoted(&path)));
        }
    }
    if has("grace-short") {
        patch.termination_seconds = time::advised(scene);
    }
    let (target, path) = target(subject);
    let patch = path.and_then(|path| write(patch, path));
    Advice { target, patch, now: now(scene, findings) }
}

/// What is to be changed, and the fields there that lead to the pod's template; none if it is not known where that is.
fn target(subject: &Subject) -> (String, Option<&'static [&'static str]>) {
    let own = (format!("{}/{}", subject.kind.to_lowercase(), subject.name), Some(subject.path));
    let Some((kind, name)) = &subject.owner else { return (own.0, own.1.filter(|_| subject.part.is_none())) };
    let path = match kind.as_str() {
        "Job" => Some(JOB),
        "CronJob" => Some(CRON_JOB),
        // A Job can be changed, whatever made it; a pod cannot.
        _ if subject.path.is_empty() => None,
        _ => return own,
    };
    (format!("{}/{name}", kind.to_lowercase()), path)
}
