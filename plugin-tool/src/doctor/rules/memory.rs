//! Memory: what plugins take of the container's limit, and what happens to the wrapper when the job exceeds it.

use crate::doctor::{
    finding::{self, Finding},
    scene::Scene,
    wrapped::{Wrapped, file},
};
use wrapper::report::size;

/// What compiling a small plugin takes, from `docs/languages.md`: of C or Rust, 15 to 18 MiB.
const COMPILING: u64 = 20 << 20;

/// What a built-in's hook takes: 5 MB, from `docs/kubernetes.md`.
const HOOK: u64 = 5 << 20;

pub fn check(scene: &Scene, findings: &mut Vec<Finding>) {
    for wrapped in &scene.wrapped {
        findings.extend(small(wrapped));
    }
    let has_plain = scene.plain().next().is_some();
    let limited = scene.wrapped.iter().find(|wrapped| wrapped.container.memory_limit.is_some());
    if let Some(wrapped) = limited.filter(|_| has_plain && scene.subject.pod.deadline_seconds.is_none()) {
        let says = "if the job exceeds its memory limit, a kubelet with cgroup v2 has the kernel kill all \
                    processes of the container, the \
                    wrapper too: no hook runs, and the sidecar stays";
        let cure = "set activeDeadlineSeconds as a last resort, make the sidecar native, or set \
                    singleProcessOOMKill: true in the \
                    kubelet's configuration";
        findings.push(Finding::new(finding::MEMORY_GROUP, &wrapped.container.name, says, cure));
    }
}

fn small(wrapped: &Wrapped) -> Option<Finding> {
    let limit = wrapped.container.memory_limit?;
    let needs = |plugin: &wrapper::plugin::PluginSpec| match file(plugin) {
        // It may have all that it is allowed.
        Some(_) if !plugin.source.is_compiled() => (
            plugin.grants.memory.max(COMPILING),
            "may take that much, and more while it is compiled if it brings an interpreter",
        ),
        Some(_) => (plugin.grants.memory, "may take that much"),
        None => (HOOK, "takes that much"),
    };
    let (plugin, (needed, takes)) =
        wrapped.plugins().iter().map(|plugin| (plugin, needs(plugin))).max_by_key(|(_, (needed, _))| *needed)?;
    if limit > needed {
        return None;
    }
    let says = format!(
        "the memory limit is {}, which is no more than {}, and {} {takes}",
        size(limit),
        size(needed),
        plugin.source
    );
    let cure = if file(plugin).is_some() {
        "raise the limit, lower memory=, or compile the plugin in the image build"
    } else {
        "raise the limit"
    };
    Some(Finding::new(finding::MEMORY_SMALL, &wrapped.container.name, says, cure))
}
