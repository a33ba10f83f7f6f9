//! Is there a sidecar? A variable tells, which the downward API fills in from what the injector wrote:
//!
//! ```yaml
//! env:
//! - name: HOOK_ISTIO_SIDECAR
//!   valueFrom: { fieldRef: { fieldPath: "metadata.annotations['sidecar.istio.io/status']" } }
//! ```
//!
//! | value | meaning |
//! |---|---|
//! | empty, `false`, `no`, `off` or `0` | there is none |
//! | anything else, such as `true` or what the injector wrote | there is one |
//! | unset | nobody knows |
//!
//! `HOOK_ISTIO_SIDECAR` is for `istio-wait` and `istio-quit`; `HOOK_SIDECAR` is for all plugins that wait for a sidecar, drain it
//! or ask it to quit, if their own variable is unset.

use crate::sandbox::Presence;
use std::{ffi::OsString, time::Duration};

/// The variable for all.
const ALL: &str = "HOOK_SIDECAR";

/// The endings of the plugins for which that counts. What one sidecar's plugins have in common is before the ending.
const KINDS: [&str; 3] = ["-wait", "-quit", "-drain"];

/// What a person may write for "there is none". No injector writes one of these.
const NONE: [&str; 4] = ["false", "no", "off", "0"];

/// What the environment says of the sidecar of the plugin with this name.
pub fn presence(plugin: &str, variable: impl Fn(&str) -> Option<OsString>) -> Presence {
    let all = KINDS.iter().any(|kind| plugin.ends_with(kind)).then(|| ALL.to_owned());
    let set = [Some(own_variable(plugin)), all].into_iter().flatten().find_map(|name| Some((variable(&name)?, name)));
    let Some((value, name)) = set else { return Presence::Unknown };
    match value.to_string_lossy().trim() {
        "" => Presence::Absent(format!("{name} is empty")),
        text if NONE.iter().any(|none| text.eq_ignore_ascii_case(none)) => {
            Presence::Absent(format!("{name} is {text}"))
        }
        _ => Presence::Present(format!("{name} says that there is one")),
    }
}

/// How late a sidecar may start if nobody says whether there is one: after the job's start, and after its end.
///
/// A kubelet starts the containers of a pod one after the other. On a node that started 50 pods at once, sidecars came 0.2
/// to 8.9 s after the job; one whose image had to be pulled came after 50 s. A person who names a plugin mostly has the
/// sidecar. The default plugin also runs where there is none, so it holds a pod up less, and least outside of Kubernetes: there
/// no kubelet starts a sidecar later. The kubelet sets the variable in every container.
/// <https://kubernetes.io/docs/concepts/containers/container-environment/>
///
/// Only a sidecar that nobody quits keeps a pod running. So the plugins that do not quit one wait less.
pub fn lateness(plugin: &str, is_default: bool, variable: impl Fn(&str) -> Option<OsString>) -> (Duration, Duration) {
    let is_in_a_pod = || variable("KUBERNETES_SERVICE_HOST").is_some();
    let seconds = match plugin.ends_with("-quit") {
        true if !is_default => (60, 5),
        true if is_in_a_pod() => (15, 3),
        _ => (3, 0),
    };
    (Duration::from_secs(seconds.0), Duration::from_secs(seconds.1))
}

/// The same as [`presence`] when `waited`, a plugin of this run, has found its sidecar ready; and whether that is the sidecar of this plugin.
pub fn seen(plugin: &str, presence: Presence, waited: &str) -> (Presence, bool) {
    match presence {
        Presence::Unknown | Presence::Present(_) if waited.ends_with("-wait") && of(plugin) == of(waited) => {
            (Presence::Present(format!("{waited} found it ready")), true)
        }
        presence => (presence, false),
    }
}

/// The sidecar's name: `istio` of `istio-quit`.
fn of(plugin: &str) -> &str {
    KINDS.iter().chain(&["-report"]).find_map(|kind| plugin.strip_suffix(kind)).unwrap_or(plugin)
}

/// `HOOK_ISTIO_SIDECAR`.
pub fn own_variable(plugin: &str) -> String {
    let letter = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_uppercase() } else { '_' };
    format!("HOOK_{}_SIDECAR", of(plugin).chars().map(letter).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use Presence::{Absent, Present, Unknown};

    fn of_environment(plugin: &str, environment: &[(&str, &str)]) -> String {
        let variable = |name: &str| environment.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into());
        match presence(plugin, variable) {
            Unknown => "unknown".to_owned(),
            Absent(why) => format!("absent: {why}"),
            Present(why) => format!("present: {why}"),
        }
    }

    #[test]
    fn the_plugins_own_variable_counts_before_the_one_for_all() {
        let present = "present: HOOK_ISTIO_SIDECAR says that there is one";
        for (environment, expected) in [
            (&[][..], "unknown"),
            (&[("HOOK_ISTIO_SIDECAR", "{\"initContainers\":null}")], present),
            (&[("HOOK_ISTIO_SIDECAR", "true"), ("HOOK_SIDECAR", "")], present),
            (&[("HOOK_ISTIO_SIDECAR", ""), ("HOOK_SIDECAR", "true")], "absent: HOOK_ISTIO_SIDECAR is empty"),
            (&[("HOOK_ISTIO_SIDECAR", " \n")], "absent: HOOK_ISTIO_SIDECAR is empty"),
            (&[("HOOK_SIDECAR", "False")], "absent: HOOK_SIDECAR is False"),
            (&[("HOOK_SIDECAR", "0")], "absent: HOOK_SIDECAR is 0"),
            (&[("HOOK_SIDECAR", "injected")], "present: HOOK_SIDECAR says that there is one"),
            (&[("HOOK_LINKERD_SIDECAR", "true")], "unknown"),
        ] {
            assert_eq!(of_environment("istio-quit", environment), expected, "{environment:?}");
            assert_eq!(of_environment("istio-wait", environment), expected, "{environment:?}");
        }
    }

    #[test]
    fn a_sidecar_that_keeps_the_pod_may_be_late_in_a_pod_and_if_the_user_named_the_plugin() {
        let late = |plugin, is_default, is_in_a_pod: bool| {
            let (start, end) = lateness(plugin, is_default, |_| is_in_a_pod.then(|| "10.96.0.1".into()));
            (start.as_secs(), end.as_secs())
        };
        assert_eq!(late("istio-quit", false, true), (60, 5));
        assert_eq!(late("istio-quit", false, false), (60, 5));
        assert_eq!(late("istio-quit", true, true), (15, 3));
        assert_eq!(late("istio-quit", true, false), (3, 0));
        assert_eq!(late("otlp-report", false, true), (3, 0));
    }

    #[test]
    fn each_plugin_has_its_variable() {
        for (plugin, name) in [
            ("istio-envoy-quit", "HOOK_ISTIO_ENVOY_SIDECAR"),
            ("fluentbit-drain", "HOOK_FLUENTBIT_SIDECAR"),
            ("otlp-report", "HOOK_OTLP_SIDECAR"),
            ("my.own_plugin", "HOOK_MY_OWN_PLUGIN_SIDECAR"),
        ] {
            assert_eq!(of_environment(plugin, &[(name, "1")]), format!("present: {name} says that there is one"));
        }
        assert_eq!(of_environment("otlp-report", &[("HOOK_SIDECAR", "true")]), "unknown");
    }

    #[test]
    fn a_wait_that_found_it_ready_counts_where_nobody_says() {
        let seen = |presence| seen("istio-quit", presence, "istio-wait");
        for presence in [Unknown, Present("so".to_owned())] {
            assert!(matches!(seen(presence), (Present(why), true) if why == "istio-wait found it ready"));
        }
        assert!(matches!(seen(Absent("so".to_owned())), (Absent(_), false)));
        assert!(matches!(super::seen("linkerd-quit", Unknown, "istio-wait"), (Unknown, false)));
    }
}
