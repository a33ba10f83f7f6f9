//! What the wrapper itself would say to its settings.

use crate::doctor::{
    advice::PLACEHOLDER,
    finding::{self, Finding, Verdict},
    scene::Scene,
    wrapped::file,
};
use wrapper::cli::meant;

pub fn check(scene: &Scene, findings: &mut Vec<Finding>) {
    // Without a sidecar the job fails, and the pod ends.
    let has_plain = scene.plain().next().is_some();
    let keeps = |effect| if has_plain { effect } else { Verdict::Ends };
    for wrapped in &scene.wrapped {
        let container = &wrapped.container.name;
        if let Err(error) = &wrapped.settings {
            let says = format!("the wrapper rejects its settings, the exit code is 125 and no hook runs: {error}");
            findings.push(
                Finding::new(finding::SETTINGS_REJECTED, container, says, "correct it").so(keeps(Verdict::DoesNotEnd)),
            );
        }
        if wrapped.container.words().any(|word| word == PLACEHOLDER) {
            let says = "the command still has the placeholder of a patch: the program is not found";
            let cure = "write the words of the image's own ENTRYPOINT, as `docker inspect` prints them";
            findings.push(Finding::new(finding::PLACEHOLDER, container, says, cure));
        }
        let is_slim = wrapped.program.is_some_and(|program| program.ends_with("wrapper-slim"));
        let text = wrapped.plugins().iter().find(|plugin| file(plugin).is_some() && !plugin.source.is_compiled());
        if let Some(plugin) = text.filter(|_| is_slim) {
            let says = format!(
                "wrapper-slim has no compiler and takes no .wasm: {} is rejected, the exit code is 125",
                plugin.source
            );
            findings.push(Finding::new(
                finding::SETTINGS_REJECTED,
                container,
                says,
                "compile the plugin in the image build, or take the full wrapper",
            ));
        }
        for name in &wrapped.unknown {
            // Which hooks there are decides; how long they take does not.
            let effect = if name == "WRAPPER_PLUGIN_PATH" && wrapped.are_plugins_unknown() {
                keeps(Verdict::MayNotEnd)
            } else {
                Verdict::Ends
            };
            let says = format!("{name} comes from a ConfigMap, a Secret or the like, and its value is not known here");
            findings.push(
                Finding::new(
                    finding::SETTING_UNKNOWN,
                    container,
                    says,
                    format!("write the value of {name} into the manifest"),
                )
                .so(effect),
            );
        }
        for (name, _) in &wrapped.container.env {
            if let Some(meant) = meant(name) {
                let says = format!("{name} is not a variable of the wrapper, which does not read it");
                findings.push(Finding::new(finding::VARIABLE_TYPO, container, says, format!("write {meant}")));
            }
        }
    }
    let (kind, policy) = (scene.subject.kind.as_str(), scene.subject.pod.restart_policy.as_str());
    if matches!(kind, "Job" | "CronJob") && !matches!(policy, "OnFailure" | "Never") {
        let says = "a Job's template must have restartPolicy: OnFailure or Never";
        findings.push(Finding::new(finding::RESTART_POLICY, "", says, "set restartPolicy: Never"));
    }
}
