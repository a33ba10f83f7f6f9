//! Whether the time that a pod has after SIGTERM is enough for what the wrapper does with it.

use crate::doctor::{
    finding::{self, Finding},
    pod::PreStop,
    scene::Scene,
    wrapped::{Settings, Wrapped},
};
use std::time::Duration;
use wrapper::plugin::HOOK_TIMEOUT;

pub fn check(scene: &Scene, findings: &mut Vec<Finding>) {
    // Without a sidecar that waits for them, hooks are not worth a word.
    for wrapped in &scene.wrapped {
        if let Ok(settings) = &wrapped.settings {
            findings.extend(of(scene.subject.pod.termination_seconds, wrapped, settings));
        }
    }
}

/// `preStop` + `--grace` + `--wait-all` + `--hook-timeout` < `terminationGracePeriodSeconds`
fn of(has: u64, wrapped: &Wrapped, settings: &Settings) -> Option<Finding> {
    let (sum, parts) = needed(wrapped, settings);
    if sum < Duration::from_secs(has) {
        return None;
    }
    let says = format!(
        "when the pod is deleted, {} take {} s, and terminationGracePeriodSeconds is {has}: the wrapper may be \
         killed before its hooks are done",
        parts.join(" and "),
        sum.as_secs(),
    );
    let cure = format!("set terminationGracePeriodSeconds: {}", enough(sum));
    Some(Finding::new(finding::GRACE_SHORT, &wrapped.container.name, says, cure))
}

/// Ten seconds to spare.
fn enough(sum: Duration) -> u64 {
    sum.as_secs() + 10
}

/// What all wrapped containers need, in seconds, if it is more than they have.
pub fn advised(scene: &Scene) -> Option<u64> {
    let sums = scene.wrapped.iter().filter_map(|wrapped| Some(needed(wrapped, wrapped.settings.as_ref().ok()?).0));
    sums.max().filter(|sum| *sum >= Duration::from_secs(scene.subject.pod.termination_seconds)).map(enough)
}

/// The time, and the names of what takes it.
fn needed(wrapped: &Wrapped, settings: &Settings) -> (Duration, Vec<String>) {
    let options = &settings.options;
    let pre_stop = match wrapped.container.pre_stop {
        Some(PreStop::Seconds(seconds)) => Some(Duration::from_secs(seconds.min(1 << 32))),
        _ => None,
    };
    let hooks = (!options.plugins.is_empty()).then(|| options.hook_timeout.unwrap_or(HOOK_TIMEOUT));
    let parts = [
        ("preStop", pre_stop),
        ("--grace", options.behaviour.grace),
        ("--wait-all", options.behaviour.wait_all),
        ("--hook-timeout", hooks),
    ];
    let parts = parts.into_iter().filter_map(|(name, time)| Some((name, time?)));
    let mut names: Vec<_> = parts.clone().map(|(name, time)| format!("{name} ({} s)", time.as_secs())).collect();
    if wrapped.container.pre_stop == Some(PreStop::Unknown) {
        names.insert(0, "preStop (unknown)".to_owned());
    }
    (parts.map(|(_, time)| time).sum(), names)
}
