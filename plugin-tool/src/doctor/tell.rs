//! What comes of it, for people and as JSON.

use super::{
    advice::Advice,
    finding::{Finding, KINDS, Level, Verdict},
    scene::Scene,
    subject::{BY_ITS_PODS, Skipped, Subject},
};
use crate::files::say;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use wrapper::report::printable;

/// A pod, and all that is told of it.
pub struct Told<'a> {
    pub scene: Scene<'a>,
    pub verdict: Verdict,
    pub findings: Vec<Finding>,
    pub advice: Advice,
}

/// Prints it for people. Notes are named; with `notes` they are told.
pub fn text(told: &[Told], skipped: &[Skipped], notes: bool) {
    let mut patches = BTreeSet::new();
    for told in told {
        let is_new = patches.insert((&told.advice.target, &told.scene.subject.namespace, &told.advice.patch));
        pod(told, notes, is_new);
    }
    for skipped in skipped.iter().filter(|skipped| skipped.why != BY_ITS_PODS) {
        say!("{}: {}\n", title(&skipped.kind, &skipped.name, skipped.namespace.as_deref(), None), skipped.why);
    }
    let count = |verdict| told.iter().filter(|told| told.verdict == verdict).count();
    let pods = if told.len() == 1 { "1 pod" } else { &format!("{} pods", told.len()) };
    let verdicts = [Verdict::Ends, Verdict::MayNotEnd, Verdict::DoesNotEnd];
    let counts: Vec<_> = verdicts.into_iter().map(|verdict| format!("{verdict} {}", count(verdict))).collect();
    say!("{pods}: {}\n", counts.join(", "));
}

fn pod(told: &Told, notes: bool, is_new: bool) {
    let Told { scene, verdict, findings, advice } = told;
    let subject = scene.subject;
    let is_shown = |finding: &&Finding| notes || finding.kind.level != Level::Note || finding.effect != Verdict::Ends;
    let hidden: Vec<_> = findings.iter().filter(|finding| !is_shown(finding)).map(|finding| finding.kind.id).collect();
    let mut hidden: Vec<_> = hidden.into_iter().map(str::to_owned).collect();
    hidden.dedup();
    let more = if hidden.is_empty() { String::new() } else { format!("  (--notes: {})", hidden.join(", ")) };
    say!(
        "{}: {verdict}{more}\n",
        title(&subject.kind, &subject.name, subject.namespace.as_deref(), subject.part.as_deref())
    );
    for finding in findings.iter().filter(is_shown) {
        let container = finding.container.as_deref().map(|name| container(scene, name)).unwrap_or_default();
        say!("  {} {}{}: {}\n", finding.kind.level, finding.kind.id, printable(&container), printable(&finding.says));
        if !finding.cure.is_empty() {
            say!("    do: {}\n", printable(&finding.cure));
        }
    }
    if let Some(patch) = &advice.patch {
        let again = if is_new { "" } else { " the same as above" };
        say!("  to be merged into {}:{again}\n", printable(&advice.target));
        patch.lines().filter(|_| is_new).for_each(|line| say!("    {line}\n"));
    }
    if !advice.now.is_empty() {
        say!("  to end this pod now:\n");
        advice.now.iter().for_each(|line| say!("    {line}\n"));
    }
}

/// The container and its image, in brackets.
fn container(scene: &Scene, name: &str) -> String {
    let pod = &scene.subject.pod;
    let own = pod.containers.iter().chain(&pod.init_containers).find(|container| container.name == name);
    match own.map(|own| own.image.as_str()) {
        Some("") | None => format!(" ({name})"),
        Some(image) => format!(" ({name}, image {image})"),
    }
}

fn title(kind: &str, name: &str, namespace: Option<&str>, part: Option<&str>) -> String {
    let part = part.map(|part| format!(", template {part}")).unwrap_or_default();
    let namespace = namespace.map(|namespace| format!(" in namespace {namespace}")).unwrap_or_default();
    printable(&format!("{}/{name}{part}{namespace}", kind.to_lowercase()))
}

/// Prints it as one JSON object.
pub fn json(told: &[Told], skipped: &[Skipped]) {
    let count = |verdict| told.iter().filter(|told| told.verdict == verdict).count();
    let skipped: Vec<_> = skipped
        .iter()
        .map(|Skipped { kind, namespace, name, why }| json!({ "kind": kind, "namespace": namespace, "name": name, "why": why }))
        .collect();
    let summary = json!({
        "pods": told.len(),
        "end": count(Verdict::Ends),
        "may-not-end": count(Verdict::MayNotEnd),
        "do-not-end": count(Verdict::DoesNotEnd),
    });
    let pods: Vec<_> = told.iter().map(pod_json).collect();
    say!("{}\n", json!({ "version": 1, "pods": pods, "skipped": skipped, "summary": summary }));
}

fn pod_json(told: &Told) -> Value {
    let Told { scene, verdict, findings, advice } = told;
    let Subject { kind, namespace, name, part, owner, .. } = scene.subject;
    let sidecars: Vec<_> = scene
        .sidecars
        .iter()
        .map(|sidecar| {
            json!({
                "container": sidecar.name(),
                "image": sidecar.container.map(|own| own.image.as_str()),
                "sidecar": sidecar.marks.rows.first(),
                "native": sidecar.is_native,
                "injected-later": sidecar.container.is_none(),
            })
        })
        .collect();
    let wrapped: Vec<_> = scene.wrapped.iter().map(|wrapped| wrapped.container.name.as_str()).collect();
    let findings: Vec<_> = findings
        .iter()
        .map(|finding| {
            json!({
                "id": finding.kind.id,
                "level": finding.kind.level.to_string(),
                "container": finding.container,
                "says": finding.says,
                "do": (!finding.cure.is_empty()).then_some(&finding.cure),
                "effect": finding.effect.to_string(),
            })
        })
        .collect();
    json!({
        "kind": kind,
        "namespace": namespace,
        "name": name,
        "template": part,
        "owner": owner.as_ref().map(|(kind, name)| format!("{kind}/{name}")),
        "verdict": verdict.to_string(),
        "wrapped": wrapped,
        "sidecars": sidecars,
        "findings": findings,
        "patch": advice.patch,
        "patch-of": advice.patch.as_ref().map(|_| &advice.target),
        "now": advice.now,
    })
}

/// Prints every kind of finding.
pub fn kinds() {
    KINDS.iter().for_each(|kind| say!("{}\t{}\t{}\n", kind.id, kind.level, kind.means));
}
