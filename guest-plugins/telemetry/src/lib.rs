//! The built-in plugins that see to a job's logs and telemetry when it has ended: they wait until a queue is empty, or tell a
//! collector of the job.
//!
//! All are one component, which goes by the name that it is run under, as `sidecars` does.

mod drain;
mod otlp;

use sidecars_common::{
    settings::Settings,
    table::{HTTP_QUEUE, QUEUES, is_not_one_of},
};
use wrapper_hook::{ExitStatus, plugin};

/// What can be set of a plugin that waits for a queue; the last of all of them at once.
const DRAIN_KEYS: [&str; 5] = ["URL", "HEADERS", "LENGTH", "PAUSE", "RETRY"];

/// What can be set of `otlp-report`.
const REPORT_KEYS: [&str; 5] = ["ENDPOINT", "HEADERS", "SIGNALS", "RETRY", "SIDECAR"];

wrapper_hook::after_exit!(after_exit);

fn after_exit(status: ExitStatus) -> Result<(), String> {
    let name = plugin::name();
    if name == "otlp-report" {
        return otlp::report(&status, &Settings::new("otlp", &REPORT_KEYS, "HOOK_REPORT_", &[]));
    }
    let queue = name.strip_suffix("-drain");
    let queue = queue.and_then(|queue| QUEUES.iter().chain([&HTTP_QUEUE]).find(|row| row.name == queue));
    let queue = queue.ok_or_else(|| is_not_one_of(&name))?;
    drain::drain(queue, &Settings::new(&name, &DRAIN_KEYS, "HOOK_DRAIN_", &DRAIN_KEYS[4..]))
}
