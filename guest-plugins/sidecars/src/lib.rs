//! The built-in plugins that speak with a sidecar: they ask it to quit, wait until it is ready or
//! until its queue is empty, or tell it of the job.
//!
//! All are one component, which goes by the name that it is run under, as BusyBox does: `istio-quit` is its name `quit` for
//! the sidecar `istio` of the [`table`]. So the code that they share is in the wrapper once, and a further sidecar is a row.

mod drain;
mod late;
mod otlp;
mod quit;
mod said;
mod settings;
pub mod table;
mod target;
mod wait;

use settings::Settings;
use table::{HTTP, HTTP_QUEUE, QUEUES, Queue, SIDECARS, Sidecar};
use wrapper_hook::{ExitStatus, plugin};

/// What can be set of a sidecar's plugin; the last two of one that ends it.
const KEYS: [&str; 6] = ["URL", "METHOD", "HEADERS", "STATUS", "RETRY", "WAIT"];

/// What can be set of a plugin that waits for a queue.
const DRAIN_KEYS: [&str; 5] = ["URL", "HEADERS", "LENGTH", "PAUSE", "RETRY"];

wrapper_hook::before_start!(before_start);
wrapper_hook::after_exit!(after_exit);

fn before_start() -> Result<(), String> {
    let name = plugin::name();
    match of(&name)? {
        Plugin::Wait(sidecar) => wait::wait(sidecar, &Settings::new(&name, &KEYS[..4], "HOOK_WAIT_", &[])),
        _ => Ok(()),
    }
}

fn after_exit(status: ExitStatus) -> Result<(), String> {
    let name = plugin::name();
    match of(&name)? {
        Plugin::Wait(_) => Ok(()),
        Plugin::Quit(sidecar) => quit::quit(sidecar, &Settings::new(&name, &KEYS, "HOOK_QUIT_", &KEYS[4..])),
        Plugin::Drain(queue) => {
            drain::drain(queue, &Settings::new(&name, &DRAIN_KEYS, "HOOK_DRAIN_", &DRAIN_KEYS[4..]))
        }
        Plugin::Report => {
            let keys = ["ENDPOINT", "HEADERS", "SIGNALS", "RETRY", "SIDECAR"];
            otlp::report(&status, &Settings::new("otlp", &keys, "HOOK_REPORT_", &[]))
        }
    }
}

/// What this component is under a name.
enum Plugin {
    Wait(&'static Sidecar),
    Quit(&'static Sidecar),
    Drain(&'static Queue),
    Report,
}

fn of(name: &str) -> Result<Plugin, String> {
    let of_kind = |(sidecar, kind): (&str, &str)| {
        let found = SIDECARS.iter().chain([&HTTP]).find(|row| row.name == sidecar);
        match kind {
            "wait" => found.filter(|row| row.wait.is_some()).map(Plugin::Wait),
            "quit" => found.filter(|row| row.quit.is_some()).map(Plugin::Quit),
            "drain" => QUEUES.iter().chain([&HTTP_QUEUE]).find(|row| row.name == sidecar).map(Plugin::Drain),
            "report" if sidecar == "otlp" => Some(Plugin::Report),
            _ => None,
        }
    };
    name.rsplit_once('-').and_then(of_kind).ok_or_else(|| {
        let names: Vec<_> = table::names().into_iter().map(|(name, _)| name).collect();
        format!("this plugin is what its file is called, and '{name}' is none of {}; rename the file", names.join(", "))
    })
}
