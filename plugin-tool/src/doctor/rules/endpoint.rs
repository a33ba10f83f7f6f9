//! Whether a sidecar can be asked to quit, as far as the pod tells, and on which port.

use crate::doctor::{
    finding::{self, Finding, Verdict},
    pod::Value,
    scene::{Scene, has_port, ports, url_variable},
    sidecar::{Sidecar, has},
};
use wrapper_guest_build::marks::{Marks, Setting};

pub fn check(scene: &Scene, findings: &mut Vec<Finding>) {
    for sidecar in scene.plain() {
        let finding = none(sidecar).or_else(|| closed(scene, sidecar)).or_else(|| off(scene, sidecar));
        findings.extend(finding.or_else(|| elsewhere(scene, sidecar)));
        findings.extend(token(scene, sidecar));
        findings.extend(version(sidecar));
    }
}

/// It has no such endpoint.
fn none(sidecar: &Sidecar) -> Option<Finding> {
    if sidecar.quit().is_some() {
        return None;
    }
    let (unless, effect) = if sidecar.can_become_native() {
        (" unless its injector makes it native", Verdict::MayNotEnd)
    } else {
        ("", Verdict::DoesNotEnd)
    };
    let says = format!("{} has no quit endpoint and runs for ever{unless}", sidecar.title());
    let cure = "make it a native sidecar: an init container with restartPolicy: Always";
    Some(Finding::new(finding::NO_ENDPOINT, sidecar.name(), says, cure).so(effect))
}

/// Something in the pod takes it away.
fn closed(scene: &Scene, sidecar: &Sidecar) -> Option<Finding> {
    let fits = |setting: &Setting| has(setting, scene.subject, sidecar.container).is_some();
    let (_, why, cure) = sidecar.marks.closed.iter().find(|(setting, ..)| fits(setting))?;
    let says = format!("{} cannot be asked to quit: {why}", sidecar.title());
    Some(Finding::new(finding::NO_ENDPOINT, sidecar.name(), says, *cure).so(Verdict::DoesNotEnd))
}

/// Its version would tell, and is not told.
fn version(sidecar: &Sidecar) -> Option<Finding> {
    let decides = |setting: &&Setting| matches!(setting, Setting::Since(..));
    let since = sidecar.marks.closed.iter().map(|(setting, ..)| setting).find(decides)?;
    if sidecar.container.is_some_and(|own| own.version().is_some()) {
        return None;
    }
    let says =
        format!("{} cannot be asked to quit in {}, and its version is not known here", sidecar.title(), written(since));
    Some(Finding::new(finding::VERSION_UNKNOWN, sidecar.name(), says, "if it is that version, make the sidecar native"))
}

/// It is off by default, and nothing in the pod turns it on.
fn off(scene: &Scene, sidecar: &Sidecar) -> Option<Finding> {
    let Marks { opened, opened_elsewhere, .. } = sidecar.marks;
    let fits = |setting: &Setting| has(setting, scene.subject, sidecar.container).is_some();
    if opened.is_empty() || opened.iter().any(fits) {
        return None;
    }
    // A variable of the sidecar that says otherwise settles it.
    let is_said = opened.iter().any(|setting| match setting {
        Setting::Variable(name, _) => {
            sidecar.container.is_some_and(|own| matches!(own.variable(name), Some(Value::Text(_))))
        }
        _ => false,
    });
    let wanted: Vec<_> = opened.iter().filter(|setting| can_be_set(setting, sidecar)).map(written).collect();
    let mut cure = format!("set {}", wanted.join(" or "));
    let mut says =
        format!("the quit endpoint of {} is off by default, and nothing in the pod turns it on", sidecar.title());
    let mut effect = Verdict::DoesNotEnd;
    if is_said {
        says = format!("the quit endpoint of {} is off", sidecar.title());
    } else if !opened_elsewhere.is_empty() {
        effect = Verdict::MayNotEnd;
        cure += &format!(", if it is not on by {opened_elsewhere}");
    }
    Some(Finding::new(finding::ENDPOINT_OFF, sidecar.name(), says, cure).so(effect))
}

/// The variables of a sidecar that an injector adds are the injector's.
fn can_be_set(setting: &Setting, sidecar: &Sidecar) -> bool {
    !(sidecar.is_injected() && matches!(setting, Setting::Variable(..)))
}

/// A setting in words.
pub fn written(setting: &Setting) -> String {
    match setting {
        Setting::Mark(key, value) => format!("the annotation {key}: \"{value}\""),
        Setting::Flag(flag) => format!("the option {flag}"),
        Setting::Variable(name, value) => format!("its variable {name}={value}"),
        Setting::Image(end) => format!("the image {end}"),
        Setting::Since(major, minor) => format!("version {major}.{minor} or later"),
    }
}

/// It is on, and the plugin asks another port.
fn elsewhere(scene: &Scene, sidecar: &Sidecar) -> Option<Finding> {
    let (row, call) = sidecar.quit()?;
    let port = sidecar.port(scene.subject)?;
    if ports(call).any(|known| known == port) {
        return None;
    }
    let name = format!("{row}-quit");
    let (wrapped, _) = scene.quits(sidecar).find(|(_, plugin)| plugin.source.name() == name)?;
    let is_right = |name: &str| match wrapped.container.variable(name) {
        Some(Value::Text(url)) => has_port(url, port) || url.trim() == port.to_string(),
        value => value.is_some(),
    };
    let (urls, own_port) = call.operator;
    if is_right(&url_variable(&name)) || urls.iter().copied().chain(own_port).any(is_right) {
        return None;
    }
    let asked: Vec<_> = ports(call).map(|port| port.to_string()).collect();
    let says =
        format!("{} takes the request on port {port}, and {name} asks port {}", sidecar.name(), asked.join(", then "));
    let cure = format!("set {}=http://localhost:{port}{}", url_variable(&name), call.path);
    Some(Finding::new(finding::OTHER_PORT, &wrapped.container.name, says, cure).so(Verdict::DoesNotEnd))
}

/// It asks for a token, which the injector gives to the sidecar alone.
fn token(scene: &Scene, sidecar: &Sidecar) -> Option<Finding> {
    let (row, call) = sidecar.quit()?;
    let (_, variables) = call.token?;
    let asks = |setting: &Setting| has(setting, scene.subject, sidecar.container).is_some();
    if !sidecar.marks.token.iter().any(asks) {
        return None;
    }
    let name = format!("{row}-quit");
    let (wrapped, _) = scene.quits(sidecar).find(|(_, plugin)| plugin.source.name() == name)?;
    let container = wrapped.container;
    if container.has_env_from || variables.iter().any(|name| container.variable(name).is_some()) {
        return None;
    }
    let says = format!("{} asks for the token of its API, and {} does not have it", sidecar.title(), container.name);
    let cure = format!("set {} from the Secret that has the token", variables[0]);
    Some(Finding::new(finding::TOKEN_MISSING, &container.name, says, cure).so(Verdict::DoesNotEnd))
}
