//! Who ends each sidecar.

mod nobody;
mod unknown;

use crate::doctor::{
    finding::{self, Finding, Verdict},
    pod::Container,
    scene::Scene,
    sidecar::Sidecar,
    wrapped::Wrapped,
};
use wrapper::plugin::{On, PluginSpec, own_variable};

/// A hook that asks the sidecar to quit, and the container that has it.
type Quit<'a> = (&'a Wrapped<'a>, &'a PluginSpec);

pub fn check(scene: &Scene, findings: &mut Vec<Finding>) {
    for sidecar in &scene.sidecars {
        if sidecar.container.is_none() {
            findings.push(will_come(sidecar));
        }
        if sidecar.is_native {
            native(scene, sidecar, findings);
        } else {
            plain(scene, sidecar, findings);
        }
    }
    for wrapped in &scene.wrapped {
        if wrapped.program.is_none() {
            findings.push(hidden(wrapped));
        }
        findings.extend(no_sidecar(scene, wrapped));
    }
    unknown::check(scene, findings);
}

fn will_come(sidecar: &Sidecar) -> Finding {
    let native = if sidecar.can_become_native() {
        "; its version and the cluster decide whether that is a native one"
    } else {
        ""
    };
    let says = format!("an injector will add the sidecar of {}{native}", sidecar.title());
    Finding::new(finding::INJECTED, sidecar.name(), says, "")
}

/// The kubelet ends it, and starts it again if something else did.
fn native(scene: &Scene, sidecar: &Sidecar, findings: &mut Vec<Finding>) {
    let asks = |(wrapped, plugin): Quit| {
        let says = format!(
            "{} asks {} to quit, which is a native sidecar: the kubelet ends it, and may start it again while other \
             containers of the pod run",
            plugin.source,
            sidecar.name()
        );
        let cure = "set WRAPPER_PLUGIN_PATH=none, or take this plugin out of it";
        Finding::new(finding::NATIVE_ASKED, &wrapped.container.name, says, cure)
    };
    let asked: Vec<_> = scene.quits(sidecar).map(asks).collect();
    if asked.is_empty() {
        let says = format!("{} is a native sidecar, and the kubelet ends it", sidecar.title());
        findings.push(Finding::new(finding::NATIVE, sidecar.name(), says, ""));
    }
    findings.extend(asked);
}

fn plain(scene: &Scene, sidecar: &Sidecar, findings: &mut Vec<Finding>) {
    let Some((row, _)) = sidecar.quit() else { return };
    let quits: Vec<_> = scene.quits(sidecar).collect();
    let own_line = scene.jobs().find(|job| ends_it_itself(job, sidecar));
    findings.extend(own_line.map(|job| itself(job, sidecar, row, quits.is_empty())));
    let Some(&first) = quits.first() else {
        if own_line.is_none() {
            findings.extend(nobody::of(scene, sidecar, row));
        }
        return;
    };
    findings.extend(several(&quits, sidecar));
    findings.extend(retried(scene, &quits, sidecar));
    if !quits.iter().any(|(_, plugin)| plugin.on == On::Always) {
        findings.extend(conditional(scene, first, sidecar));
    }
    findings.extend(quits.iter().find_map(|quit| left_out(scene, *quit, sidecar)));
}

/// The job's command has the request in it, or begins with another program that sends it.
fn itself(job: &Container, sidecar: &Sidecar, row: &str, is_alone: bool) -> Finding {
    let says = format!(
        "the command itself is to end {}; it does not if the job is killed, or ends before that line",
        sidecar.name()
    );
    let (cure, effect) = if is_alone {
        (format!("take that out, and run the job under the wrapper with {row}-quit"), Verdict::MayNotEnd)
    } else {
        let why = "the hook cannot tell a sidecar that has ended from one that has not come";
        (format!("take that out: {why}"), Verdict::Ends)
    };
    Finding::new(finding::QUITS_ITSELF, &job.name, says, cure).so(effect)
}

fn ends_it_itself(job: &Container, sidecar: &Sidecar) -> bool {
    let path = sidecar.quit().map_or("", |(_, call)| call.path);
    let is_sent = path.len() > 1 && job.words().any(|word| word.contains(path));
    let row = match job.words().next().and_then(|word| word.rsplit('/').next()) {
        Some("scuttle") => "istio",
        Some("linkerd-await") if job.words().any(|word| word == "--shutdown" || word == "-S") => "linkerd",
        _ => "",
    };
    is_sent || sidecar.marks.rows.contains(&row)
}

fn several(quits: &[Quit], sidecar: &Sidecar) -> Option<Finding> {
    let mut names: Vec<_> = quits.iter().map(|(wrapped, _)| wrapped.container.name.as_str()).collect();
    names.dedup();
    let [first, .., _] = names[..] else { return None };
    let says = format!(
        "{} ask {} to quit: the container that ends first takes the sidecar from the others",
        names.join(" and "),
        sidecar.name()
    );
    let cure = "leave the plugin to the container that ends last, and set WRAPPER_PLUGIN_PATH=none in the others";
    Some(Finding::new(finding::SEVERAL_QUIT, first, says, cure))
}

/// The kubelet does not start a sidecar again that has exited with 0.
fn retried(scene: &Scene, quits: &[Quit], sidecar: &Sidecar) -> Option<Finding> {
    let (wrapped, plugin) = quits.iter().find(|(_, plugin)| plugin.on == On::Always)?;
    let says = format!(
        "with restartPolicy: OnFailure a job that failed runs again in the same pod, and {} has ended {} by then",
        plugin.source,
        sidecar.name()
    );
    let finding = Finding::new(
        finding::QUIT_BEFORE_RETRY,
        &wrapped.container.name,
        says,
        format!("write {},on=success", plugin.source),
    );
    (scene.subject.pod.restart_policy == "OnFailure").then_some(finding)
}

fn conditional(scene: &Scene, (wrapped, plugin): Quit, sidecar: &Sidecar) -> Option<Finding> {
    let (after, left) = match plugin.on {
        On::Always => return None,
        // The job runs again until it succeeds, or its pod is deleted.
        On::Success if scene.subject.pod.restart_policy == "OnFailure" => return None,
        On::Success => ("succeeded", "failed"),
        On::Failure => ("failed", "succeeded"),
    };
    let says = format!(
        "{} has {} and runs only after a job that {after}: a job that {left} leaves {} running",
        plugin.source,
        plugin.on,
        sidecar.name()
    );
    let cure = format!("take {} out; on=success is for restartPolicy: OnFailure", plugin.on);
    Some(Finding::new(finding::QUIT_CONDITIONAL, &wrapped.container.name, says, cure).so(Verdict::MayNotEnd))
}

/// The plugin may not reach the port.
fn left_out(scene: &Scene, (wrapped, plugin): Quit, sidecar: &Sidecar) -> Option<Finding> {
    let (_, call) = sidecar.quit()?;
    let port = sidecar.port(scene.subject).unwrap_or(call.port).to_string();
    let allowed = &plugin.grants.ports;
    let is_own = plugin.source.name().strip_suffix("-quit").is_some_and(|row| sidecar.marks.rows.first() == Some(&row));
    if !is_own || allowed.is_empty() || allowed.iter().any(|allowed| allowed.to_string() == port) {
        return None;
    }
    let says = format!("port= of {} leaves out port {port}, on which {} is asked", plugin.source, sidecar.name());
    let cure = format!("add port={port}");
    Some(Finding::new(finding::OTHER_PORT, &wrapped.container.name, says, cure).so(Verdict::DoesNotEnd))
}

fn hidden(wrapped: &Wrapped) -> Finding {
    let says = "the container has variables for the wrapper and no command: what is told here holds if the \
                ENTRYPOINT of its \
                image is the wrapper";
    let cure = "see `docker inspect --format '{{.Config.Entrypoint}}' IMAGE`";
    Finding::new(finding::ENTRYPOINT_HIDDEN, &wrapped.container.name, says, cure)
}

/// A hook that looks for a sidecar of which nothing is to be seen. In a manifest that may be the namespace's affair, unless another
/// sidecar is there.
fn no_sidecar(scene: &Scene, wrapped: &Wrapped) -> Option<Finding> {
    let container = wrapped.container;
    if container.has_env_from || !wrapped.unknown.is_empty() {
        return None;
    }
    let is_told = |name: &str| {
        [own_variable(name).as_str(), "HOOK_SIDECAR"].iter().any(|name| container.variable(name).is_some())
    };
    let looks =
        |name: &str| ["-quit", "-wait"].iter().any(|kind| name.strip_suffix(kind).is_some_and(|row| row != "http"));
    let is_there = |name: &str| {
        let row = name.trim_end_matches("-quit").trim_end_matches("-wait");
        scene.sidecars.iter().any(|sidecar| sidecar.marks.rows.contains(&row))
    };
    let (name, plugin) = wrapped
        .plugins()
        .iter()
        .map(|plugin| (plugin.source.name(), plugin))
        .find(|(name, _)| looks(name) && !is_told(name) && !is_there(name))?;
    let seen = if scene.subject.pod.phase.is_some() {
        "the pod has no such sidecar"
    } else {
        "the manifest shows no such sidecar"
    };
    let costs = match (name.ends_with("-wait"), plugin.is_default) {
        (true, _) => "waits for one for 60 s, and then the job is not started",
        (false, true) => "asks for one until 15 s after the job's start",
        (false, false) => "asks for one until 60 s after the job's start",
    };
    let says = format!("{seen}, and nobody tells the wrapper so: {name} {costs}");
    let cure = format!("set {} by the downward API, or WRAPPER_PLUGIN_PATH=none", own_variable(&name));
    let is_in_vain = name.ends_with("-wait") && !scene.sidecars.is_empty();
    let kind = if is_in_vain { finding::WAITS_IN_VAIN } else { finding::NO_SIDECAR };
    Some(Finding::new(kind, &container.name, says, cure))
}
