//! The built-in plugins that wait until a sidecar is ready and ask it to quit.
//!
//! All are one component, which goes by the name that it is run under, as BusyBox does: `istio-quit` is its name `quit` for
//! the sidecar `istio` of the table. So the code that they share is in the wrapper once, and a further sidecar is a row. What
//! else is told to a sidecar is a component of its own, `telemetry`: a hook takes longer to start the more there is in it.

mod quit;
mod wait;

use sidecars_common::{
    settings::Settings,
    table::{HTTP, SIDECARS, Sidecar, is_not_one_of},
};
use wrapper_hook::{ExitStatus, plugin};

/// What can be set of a sidecar's plugin; the last two of one that ends it.
const KEYS: [&str; 6] = ["URL", "METHOD", "HEADERS", "STATUS", "RETRY", "WAIT"];

wrapper_hook::before_start!(before_start);
wrapper_hook::after_exit!(after_exit);

fn before_start() -> Result<(), String> {
    let name = plugin::name();
    match of(&name)? {
        Plugin::Wait(sidecar) => wait::wait(sidecar, &Settings::new(&name, &KEYS[..4], "HOOK_WAIT_", &[])),
        Plugin::Quit(_) => Ok(()),
    }
}

fn after_exit(_: ExitStatus) -> Result<(), String> {
    let name = plugin::name();
    match of(&name)? {
        Plugin::Wait(_) => Ok(()),
        Plugin::Quit(sidecar) => quit::quit(sidecar, &Settings::new(&name, &KEYS, "HOOK_QUIT_", &KEYS[4..])),
    }
}

/// What this component is under a name.
enum Plugin {
    Wait(&'static Sidecar),
    Quit(&'static Sidecar),
}

fn of(name: &str) -> Result<Plugin, String> {
    let of_kind = |(sidecar, kind): (&str, &str)| {
        let row = SIDECARS.iter().chain([&HTTP]).find(|row| row.name == sidecar)?;
        match kind {
            "wait" => row.wait.is_some().then_some(Plugin::Wait(row)),
            "quit" => row.quit.is_some().then_some(Plugin::Quit(row)),
            _ => None,
        }
    };
    name.rsplit_once('-').and_then(of_kind).ok_or_else(|| is_not_one_of(name))
}
