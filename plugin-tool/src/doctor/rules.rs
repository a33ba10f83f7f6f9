//! The rules, one family a file. Each looks at the whole pod and adds what it finds.

pub mod endpoint;
mod live;
mod memory;
mod place;
mod quit;
mod settings;
pub mod time;
mod variable;

use super::{
    finding::{self, Finding, Verdict},
    scene::Scene,
};

/// All that is found in a pod, the gravest first.
pub fn check(scene: &Scene) -> Vec<Finding> {
    let mut findings = Vec::new();
    live::check(scene, &mut findings);
    // How a pod that has ended would have ended does not matter any more.
    if scene.subject.has_ended() {
        findings.iter_mut().for_each(|finding| finding.effect = Verdict::Ends);
        return findings;
    }
    for rule in
        [quit::check, endpoint::check, variable::check, settings::check, time::check, place::check, memory::check]
    {
        rule(scene, &mut findings);
    }
    // It is the last resort, for a pod that needs one.
    if let Some(seconds) = scene.subject.pod.deadline_seconds
        && findings.iter().any(|finding| finding.effect != Verdict::Ends)
    {
        let says = format!("activeDeadlineSeconds ends the pod after {seconds} s, and the Job has failed then");
        findings.push(Finding::new(finding::DEADLINE, "", says, ""));
    }
    // A sidecar that cannot be asked by anybody is not to be asked.
    let is_out = |findings: &[Finding], name: &Option<String>| {
        findings.iter().any(|finding| finding.kind.id == "no-endpoint" && finding.container == *name)
    };
    let out: Vec<_> = findings
        .iter()
        .filter(|finding| is_out(&findings, &finding.container))
        .map(|finding| finding.container.clone())
        .collect();
    findings.retain(|finding| {
        !matches!(finding.kind.id, "no-wrapper" | "no-quit" | "plugin-unknown") || !out.contains(&finding.container)
    });
    findings.sort_by_key(|finding| (finding.kind.level, std::cmp::Reverse(finding.effect)));
    findings
}
