//! Containers next to the job that nobody knows: they count as jobs that end by themselves, which many do not.

use crate::doctor::{
    finding::{self, Finding, Verdict},
    pod::Container,
    scene::{Scene, ports},
};
use wrapper_guest_build::table::{SIDECARS, Sidecar};

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

/// The sidecar that alone has one of the container's ports, and the port.
fn by_port(container: &Container) -> Option<(&'static Sidecar, u16)> {
    let has = |sidecar: &&Sidecar, port: u16| sidecar.quit.iter().flat_map(ports).any(|own| own == port);
    container.ports.iter().find_map(|&port| {
        let mut all = SIDECARS.iter().filter(|sidecar| has(sidecar, port));
        Some((all.next().filter(|_| all.next().is_none())?, port))
    })
}

/// Why that is likely, if it is.
fn runs_for_ever(container: &Container) -> Option<String> {
    if let Some((sidecar, port)) = by_port(container) {
        return Some(format!("its port {port} is the one on which {}-quit asks {}", sidecar.name, sidecar.title));
    }
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
