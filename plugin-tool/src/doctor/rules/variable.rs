//! Whether the wrapper knows that there is a sidecar.

use crate::doctor::{
    finding::{self, Finding, Verdict},
    pod::Value,
    scene::Scene,
    sidecar::Sidecar,
    wrapped::Wrapped,
};
use std::ffi::OsString;
use wrapper::{
    plugin::{PluginSpec, own_variable, presence},
    sandbox::Presence,
};

/// The variable for all sidecars.
const ALL: &str = "HOOK_SIDECAR";

pub fn check(scene: &Scene, findings: &mut Vec<Finding>) {
    for sidecar in scene.plain() {
        for (wrapped, plugin) in scene.quits(sidecar) {
            findings.extend(of(scene, sidecar, wrapped, plugin));
        }
    }
}

fn of(scene: &Scene, sidecar: &Sidecar, wrapped: &Wrapped, plugin: &PluginSpec) -> Option<Finding> {
    let name = plugin.source.name();
    let own = own_variable(&name);
    let container = wrapped.container;
    let (_, call) = sidecar.quit()?;
    let set = [own.as_str(), ALL].into_iter().find_map(|name| Some((name, container.variable(name)?)));
    // What an operator sets tells it as well.
    if set.is_none() && call.operator.0.iter().any(|name| container.variable(name).is_some()) {
        return None;
    }
    // The sidecar is there before the job is over.
    let has_come = sidecar.container.is_some_and(|own| own.state.is_running() || own.state.is_terminated());
    let effect = |effect| if has_come { Verdict::Ends } else { effect };
    let should = source(sidecar);
    let Some((variable, value)) = set else {
        let missing = missing(sidecar, wrapped, plugin, &own, &should);
        let decides = effect(missing.effect);
        return Some(missing.so(decides));
    };
    let text = match value {
        Value::Elsewhere => {
            let says = format!("{variable} comes from a ConfigMap or a Secret, and its value is not known here");
            return Some(Finding::new(finding::SETTING_UNKNOWN, &container.name, says, format!("set it {should}")));
        }
        Value::Field(path) if *path == sidecar.marks.written => return None,
        Value::Field(path) => scene.subject.pod.field(path)?.to_owned(),
        Value::Text(text) => text.clone(),
    };
    let value_of = |asked: &str| (asked == variable).then(|| OsString::from(&text));
    let wrong = match presence(&name, value_of) {
        Presence::Absent(_) => {
            let what = match value {
                Value::Field(path) => format!("is filled in from {path}, which the pod does not have"),
                _ => format!("says that there is no {}", sidecar.title()),
            };
            let says = format!("{variable} {what}: if {} is late, nobody asks it to quit", sidecar.name());
            Finding::new(finding::VARIABLE_WRONG, &container.name, says, format!("set it {should}"))
                .so(effect(Verdict::MayNotEnd))
        }
        _ => match value {
            // What somebody wished is there whether or not it was done.
            Value::Field(path) if sidecar.is_injected() => Finding::new(
                finding::VARIABLE_WRONG,
                &container.name,
                format!("{variable} is filled in from {path}, which is there in a pod without {} too", sidecar.title()),
                format!("set it {should}"),
            ),
            _ => return None,
        },
    };
    Some(wrong)
}

/// How the variable is to be set.
fn source(sidecar: &Sidecar) -> String {
    if sidecar.is_injected() {
        format!("by the downward API, fieldPath: \"{}\"", sidecar.marks.written)
    } else {
        "to true".to_owned()
    }
}

fn missing(sidecar: &Sidecar, wrapped: &Wrapped, plugin: &PluginSpec, own: &str, should: &str) -> Finding {
    let name = plugin.source.name();
    let waits = |plugin: &PluginSpec| {
        plugin.required
            && plugin.source.name().strip_suffix("-wait").is_some_and(|row| sidecar.marks.rows.contains(&row))
    };
    let container = &wrapped.container.name;
    let cure = format!("set {own} {should}");
    if wrapped.plugins().iter().any(waits) {
        let says = format!(
            "{own} is not set: a sidecar that takes longer than 60 s to be ready makes the job fail, and so does \
             a pod without one"
        );
        return Finding::new(finding::VARIABLE_MISSING, container, says, cure);
    }
    let unknown = if wrapped.container.has_env_from { ", unless envFrom sets it" } else { "" };
    let until = if plugin.is_default { 15 } else { 60 };
    let says = format!(
        "{own} is not set{unknown}: if {} starts more than {until} s after a short job, {name} has given up, and \
         nobody asks it to quit",
        sidecar.name()
    );
    Finding::new(finding::VARIABLE_MISSING, container, says, cure).so(Verdict::MayNotEnd)
}
