//! The built-in plugins that speak with a sidecar: they ask it to quit, wait until it is ready, or tell it of the job.
//!
//! All are one component, which goes by the name that it is run under, as BusyBox does: `istio-quit` is its name `quit` for
//! the sidecar `istio` of the [`table`]. So the code that they share is in the wrapper once, and a further sidecar is a row.

mod otlp;
mod quit;
mod settings;
pub mod table;
mod target;
mod wait;

use settings::Settings;
use table::{HTTP, Kind, SIDECARS, Sidecar};
use wrapper_hook::{ExitStatus, plugin};

/// What can be set of a sidecar's plugin; the last two of one that ends it.
const KEYS: [&str; 6] = ["URL", "METHOD", "HEADERS", "STATUS", "RETRY", "WAIT"];

wrapper_hook::before_start!(before_start);
wrapper_hook::after_exit!(after_exit);

fn before_start() -> Result<(), String> {
    let name = plugin::name();
    match of(&name)? {
        (Kind::Wait, Some(sidecar)) => wait::wait(sidecar, &Settings::new(&name, "HOOK_WAIT_", &KEYS[..4])),
        _ => Ok(()),
    }
}

fn after_exit(status: ExitStatus) -> Result<(), String> {
    let name = plugin::name();
    match of(&name)? {
        (Kind::Quit, Some(sidecar)) => quit::quit(sidecar, &Settings::new(&name, "HOOK_QUIT_", &KEYS)),
        (Kind::Report, _) => {
            otlp::report(&status, &Settings::new("otlp", "HOOK_OTLP_", &["ENDPOINT", "HEADERS", "SIGNALS", "RETRY"]))
        }
        _ => Ok(()),
    }
}

/// What this is under a name.
fn of(name: &str) -> Result<(Kind, Option<&'static Sidecar>), String> {
    let sidecar = |suffix| {
        let name = name.strip_suffix(suffix)?;
        SIDECARS.iter().chain([&HTTP]).find(|sidecar| sidecar.name == name)
    };
    if name == "otlp-report" {
        return Ok((Kind::Report, None));
    }
    if let Some(sidecar) = sidecar("-wait").filter(|sidecar| sidecar.wait.is_some()) {
        return Ok((Kind::Wait, Some(sidecar)));
    }
    if let Some(sidecar) = sidecar("-quit").filter(|sidecar| sidecar.quit.is_some()) {
        return Ok((Kind::Quit, Some(sidecar)));
    }
    let names: Vec<_> = table::names().into_iter().map(|(name, _)| name).collect();
    Err(format!(
        "this plugin is what its file is called, and '{name}' is none of {}; rename the file",
        names.join(", ")
    ))
}
