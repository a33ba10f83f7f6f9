//! The settings that end a sidecar: hooks, the variable that tells of it, and what opens its quit endpoint.

use super::patch::Patch;
use crate::doctor::{
    pod::{Container, Value},
    rules::endpoint::written,
    scene::Scene,
    sidecar::Sidecar,
    wrapped::Wrapped,
    yaml::{list, quoted},
};
use wrapper::plugin::own_variable;
use wrapper_guest_build::{marks::Setting, table::SIDECARS};

/// Stands for what nobody knows here. No image has such a program.
pub const PLACEHOLDER: &str = "<ENTRYPOINT of the image>";

/// Hooks for the sidecars that nobody asks to quit, in the container whose job there is.
pub fn hooks(scene: &Scene, unasked: &[&Sidecar], patch: &mut Patch) {
    let Some(job) = scene.jobs().next() else { return };
    let wrapped = scene.wrapped.first();
    match wrapped {
        None => command(job, patch),
        Some(wrapped) if wrapped.settings.as_ref().is_ok_and(|settings| settings.are_plugins_options) => {
            patch.notes.push("Take --plugin out of the command: it wins over WRAPPER_PLUGIN_PATH.".to_owned());
        }
        _ => {}
    }
    // What the others need is the first to be waited for and the last to quit.
    let mut sidecars: Vec<_> = scene.plain().filter(|sidecar| sidecar.quit().is_some()).collect();
    sidecars.sort_by_key(|sidecar| !sidecar.is_injected());
    let is_meant = |sidecar: &&&Sidecar| {
        unasked.iter().any(|other| other.name() == sidecar.name()) || scene.quits(sidecar).next().is_some()
    };
    let sidecars: Vec<_> = sidecars.iter().filter(is_meant).collect();
    let rows: Vec<_> = sidecars.iter().flat_map(|sidecar| sidecar.marks.rows).copied().collect();
    let waits = sidecars
        .iter()
        .filter(|sidecar| sidecar.is_injected())
        .filter_map(|sidecar| Some(format!("{}-wait", sidecar.wait()?.0)));
    // A job that failed runs again next to the same sidecar.
    let on = if scene.subject.pod.restart_policy == "OnFailure" { ",on=success" } else { "" };
    let quits = sidecars.iter().rev().filter_map(|sidecar| Some(format!("{}-quit{on}", sidecar.quit()?.0)));
    let kept = match job.variable("WRAPPER_PLUGIN_PATH") {
        Some(Value::Text(text)) => text.as_str(),
        _ => "",
    };
    // Those of a sidecar that the pod does not have are left out too.
    let of_sidecar = |row: &str| rows.contains(&row) || SIDECARS.iter().any(|sidecar| sidecar.name == row);
    let is_another = |spec: &&str| {
        let name = spec.split(',').next().unwrap_or_default();
        !spec.is_empty()
            && name != "none"
            && !["-wait", "-quit"].iter().any(|kind| name.strip_suffix(kind).is_some_and(of_sidecar))
    };
    let kept = kept.split(':').map(str::trim).filter(is_another).map(str::to_owned);
    let plugins: Vec<_> = waits.chain(kept).chain(quits).collect();
    let change = patch.container(&job.name);
    for sidecar in &sidecars {
        if let Some((row, _)) = sidecar.quit() {
            change.set(own_variable(&format!("{row}-quit")), presence(sidecar));
        }
    }
    change.set("WRAPPER_PLUGIN_PATH".to_owned(), format!("value: {}", quoted(&plugins.join(":"))));
}

/// Its plugins, of which those that end a sidecar run only after a job that succeeded.
pub fn after_success(scene: &Scene, wrapped: &Wrapped) -> Option<String> {
    let path = match wrapped.container.variable("WRAPPER_PLUGIN_PATH") {
        Some(Value::Text(path)) => path.as_str(),
        None => "istio-quit",
        _ => return None,
    };
    let is_option = wrapped.settings.as_ref().is_ok_and(|settings| settings.are_plugins_options);
    let rows: Vec<_> = scene.plain().flat_map(|sidecar| sidecar.marks.rows).collect();
    let spec = |spec: &str| {
        let quits =
            spec.split(',').next().and_then(|name| name.strip_suffix("-quit")).is_some_and(|row| rows.contains(&&row));
        if quits && !spec.contains(",on=") { format!("{spec},on=success") } else { spec.to_owned() }
    };
    (!is_option).then(|| path.split(':').map(spec).collect::<Vec<_>>().join(":"))
}

/// What follows another program that ends a sidecar: the wrapper takes its place.
fn without_launcher<'a>(words: &'a [&'a str]) -> &'a [&'a str] {
    let after = match words.first().and_then(|word| word.rsplit('/').next()) {
        Some("scuttle") => &words[1..],
        Some("linkerd-await") => match words.iter().position(|word| *word == "--") {
            Some(at) => &words[at + 1..],
            None => words,
        },
        _ => words,
    };
    if after.is_empty() { words } else { after }
}

/// The wrapper in front of the job's command.
fn command(job: &Container, patch: &mut Patch) {
    patch
        .notes
        .push("/wrapper must be in the image, or an init container installs it: see docs/kubernetes.md.".to_owned());
    if job.command.is_empty() {
        patch.notes.push(format!("Write the words of the image's ENTRYPOINT in place of {PLACEHOLDER}."));
    }
    let words: Vec<_> = job.command.iter().map(String::as_str).collect();
    let own = if words.is_empty() { &[PLACEHOLDER][..] } else { without_launcher(&words) };
    patch.container(&job.name).command = Some(list([&["/wrapper"], own].concat()));
}

/// Its variable, as the rest of an item.
pub fn presence(sidecar: &Sidecar) -> String {
    if sidecar.is_injected() {
        format!("valueFrom: {{ fieldRef: {{ fieldPath: {} }} }}", quoted(sidecar.marks.written))
    } else {
        "value: \"true\"".to_owned()
    }
}

/// What opens the quit endpoint, in the way that changes least.
pub fn open(sidecar: &Sidecar, patch: &mut Patch) {
    let mut settings = sidecar.marks.opened.iter();
    let can_be_set = |setting: &&Setting| match setting {
        Setting::Mark(..) => sidecar.is_injected(),
        _ => sidecar.container.is_some() && !sidecar.is_injected(),
    };
    match (settings.find(can_be_set), sidecar.container) {
        (Some(Setting::Mark(key, value)), _) => patch.annotations.push(((*key).to_owned(), (*value).to_owned())),
        (Some(Setting::Variable(name, value)), Some(own)) => {
            patch.container(&own.name).set((*name).to_owned(), format!("value: {}", quoted(value)));
        }
        (Some(Setting::Flag(flag)), Some(own)) => {
            let args: Vec<_> = own.args.iter().map(String::as_str).chain([*flag]).collect();
            patch.container(&own.name).args = Some(list(args));
        }
        _ => patch.notes.push(format!(
            "For {}: {}.",
            sidecar.title(),
            sidecar.marks.opened.iter().map(written).collect::<Vec<_>>().join(" or ")
        )),
    }
}
