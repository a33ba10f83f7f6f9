//! Containers next to the job that nobody knows: they count as jobs that end by themselves, which many do not.

use crate::doctor::{
    finding::{self, Finding, Verdict},
    pod::Container,
    scene::Scene,
};

/// Ends of the names of images whose programs run for ever.
const DAEMONS: [&str; 16] = [
    "dind",
    "filebeat",
    "fluentd",
    "vector",
    "postgres",
    "mysql",
    "mariadb",
    "redis",
    "valkey",
    "memcached",
    "nginx",
    "haproxy",
    "oauth2-proxy",
    "pgbouncer",
    "promtail",
    "socat",
];

pub fn check(scene: &Scene, findings: &mut Vec<Finding>) {
    // One of them is the job. If a container is wrapped, that is it.
    let others = scene.others.iter().skip(usize::from(scene.wrapped.is_empty()));
    for container in others.filter(|container| !container.state.is_terminated()) {
        let (what, effect) = match runs_for_ever(container) {
            Some(why) => (format!("{why}, which does not end by itself"), Verdict::MayNotEnd),
            None => ("which is taken for a job that ends by itself".to_owned(), Verdict::Ends),
        };
        let says = format!("{} is not known here as a sidecar: {what}", container.name);
        let cure = "if it is no job, make it a native sidecar: an init container with restartPolicy: Always";
        findings.push(Finding::new(finding::UNKNOWN_CONTAINER, &container.name, says, cure).so(effect));
    }
}

/// Why that is likely, if it is.
fn runs_for_ever(container: &Container) -> Option<String> {
    let line = container.words().collect::<Vec<_>>().join(" ");
    let waits = ["sleep infinity", "sleep inf", "tail -f", "tail -F"].into_iter().find(|wait| line.contains(wait));
    if let Some(wait) = waits {
        return Some(format!("its command has `{wait}`"));
    }
    let name = container.image.split('@').next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
    let (name, tag) = name.split_once(':').unwrap_or((name, ""));
    let daemon = DAEMONS.into_iter().find(|daemon| name == *daemon || tag.ends_with(daemon))?;
    container.command.is_empty().then(|| format!("its image is {daemon}"))
}
