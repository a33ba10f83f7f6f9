//! What the tests share: the binary run as a user runs it, servers that answer well or badly, and a network of one's own.
//!
//! The binary is `target/dist/wrapper`, as `make build` leaves it, or the one that the variable `WRAPPER` names.

#[cfg(target_arch = "x86_64")]
pub mod clock;
pub mod cluster;
mod containers;
pub mod guests;
mod network;
mod run;
mod running;
mod server;
mod sidecar;
mod skip;
#[cfg(target_arch = "x86_64")]
pub mod steps;
mod terminal;

pub use containers::{Image, Podman};
pub use network::own_network;
pub use run::{MODES, Outcome, Run, dist, init, run, run_program, tool, wrapper};
pub use running::{Running, children, is_alive, wait_until};
pub use server::{Answer, Request, Server};
pub use sidecar::{Program, Sidecar, TOOLS};
pub use skip::{skip, skip_unless_ci};
pub use terminal::on_a_terminal;

/// The component that does what `HOOK_BEFORE` and `HOOK_AFTER` tell it.
pub const HOSTILE: &str = env!("HOSTILE_PLUGIN");

/// The same with DWARF and names.
pub const HOSTILE_DEBUG: &str = env!("HOSTILE_PLUGIN_DEBUG");
