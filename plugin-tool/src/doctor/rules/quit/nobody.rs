//! A plain sidecar that no hook asks to quit, and why none does.

use crate::doctor::{
    finding::{self, Finding, Verdict},
    scene::Scene,
    sidecar::Sidecar,
    wrapped::{Wrapped, file},
};

pub fn of(scene: &Scene, sidecar: &Sidecar, row: &str) -> Option<Finding> {
    if scene.wrapped.is_empty() {
        return Some(no_wrapper(scene, sidecar, row));
    }
    // Rejected settings have a finding of their own, and so have those that are unknown.
    let is_rejected = scene.wrapped.iter().all(|wrapped| wrapped.settings.is_err());
    if is_rejected || scene.wrapped.iter().any(Wrapped::are_plugins_unknown) {
        return None;
    }
    Some(another(scene, sidecar, row).unwrap_or_else(|| no_quit(scene, sidecar, row)))
}

/// How long it runs.
fn lasts(sidecar: &Sidecar) -> String {
    let runs = if sidecar.container.is_some() { "runs for ever" } else { "will run for ever" };
    let native = if sidecar.can_become_native() { " unless its injector makes it native" } else { "" };
    format!("{} {runs}{native}", sidecar.title())
}

fn no_wrapper(scene: &Scene, sidecar: &Sidecar, row: &str) -> Finding {
    // The image may begin with the wrapper, whose default ends this one.
    let is_hidden = row == "istio" && scene.others.iter().any(|job| job.command.is_empty());
    let hidden = if is_hidden { "; the ENTRYPOINT of an image is not known here, and may be the wrapper" } else { "" };
    let effect = if is_hidden || sidecar.can_become_native() { Verdict::MayNotEnd } else { Verdict::DoesNotEnd };
    let says = format!("{}, and no container of the pod is under the wrapper{hidden}", lasts(sidecar));
    let cure = match scene.others.first() {
        Some(job) => format!("run {} under the wrapper with {row}-quit, or make the sidecar native", job.name),
        None => "make the sidecar native".to_owned(),
    };
    Finding::new(finding::NO_WRAPPER, sidecar.name(), says, cure).so(effect)
}

/// There is a plugin of which nobody knows what it does.
fn another(scene: &Scene, sidecar: &Sidecar, row: &str) -> Option<Finding> {
    let known = wrapper::plugin::built_ins();
    let mut plugins = scene.wrapped.iter().flat_map(Wrapped::plugins);
    let plugin = plugins.find(|plugin| file(plugin).is_some() && !known.contains(&plugin.source.name().as_str()))?;
    let name = sidecar.name();
    let says = format!("no built-in plugin asks {name} to quit, and whether {} does is not known here", plugin.source);
    let cure = format!("if {} does not end it, add {row}-quit", plugin.source);
    Some(Finding::new(finding::PLUGIN_UNKNOWN, name, says, cure).so(Verdict::MayNotEnd))
}

fn no_quit(scene: &Scene, sidecar: &Sidecar, row: &str) -> Finding {
    let plugins = scene.wrapped.iter().flat_map(Wrapped::plugins);
    let plugins: Vec<_> = plugins.map(|plugin| plugin.source.to_string()).collect();
    let why = if plugins.is_empty() {
        "the wrapper has no hooks, and nothing asks it to quit".to_owned()
    } else {
        format!("none of the wrapper's hooks asks it to quit: {}", plugins.join(", "))
    };
    let is_elsewhere = scene.wrapped.iter().any(|wrapped| {
        let is_option = wrapped.settings.as_ref().is_ok_and(|settings| settings.are_plugins_options);
        wrapped.container.has_env_from && !is_option && wrapped.container.variable("WRAPPER_PLUGIN_PATH").is_none()
    });
    let elsewhere = if is_elsewhere { ", unless envFrom sets WRAPPER_PLUGIN_PATH" } else { "" };
    let effect = if is_elsewhere || sidecar.can_become_native() { Verdict::MayNotEnd } else { Verdict::DoesNotEnd };
    let says = format!("{}: {why}{elsewhere}", lasts(sidecar));
    let cure = format!("add {row}-quit to WRAPPER_PLUGIN_PATH");
    Finding::new(finding::NO_QUIT, sidecar.name(), says, cure).so(effect)
}
