//! Write hooks for `wrapper`, the container entrypoint, in Rust.
//!
//! A hook is one function and one macro line. This is a whole plugin, which posts how the job ended to a service on
//! this host and is content if there is none:
//!
//! ```
//! use wrapper_hook::{ExitStatus, job, localhost, log};
//!
//! wrapper_hook::after_exit!(report);
//!
//! fn report(status: ExitStatus) -> Result<(), localhost::Error> {
//!     let outcome = format!("{} {status}", job::name());
//!     match localhost::Request::post(8080, "/outcome").body(outcome).send() {
//!         Ok(response) => log::info!("reported: {}", response.status),
//!         Err(localhost::Error::Refused) => log::info!("nobody to report to"),
//!         Err(error) => return Err(error),
//!     }
//!     Ok(())
//! }
//! ```
//!
//! Its `Cargo.toml` says `crate-type = ["cdylib"]`. Two targets work:
//!
//! * `wasm32-unknown-unknown` makes a core module that imports what the hook uses and nothing else;
//!   `wasm-tools component new` turns it into a component.
//! * `wasm32-wasip2` makes a component at once. Its standard library imports more of WASI than the hook uses, which the
//!   wrapper offers as empty rooms: no files, no sockets, no names.
//!
//! What a hook can reach is in [`job`], [`plugin`], [`sidecar`], [`log`], [`localhost`], [`mod@env`], [`sleep`], [`now`] and [`random`]. A panic is logged as an error
//! with its place in the source, and ends the hook; the job's exit code stays what it was.

mod bindings;
pub mod env;
pub mod job;
pub mod localhost;
pub mod log;
pub mod plugin;
pub mod sidecar;
mod status;

pub use bindings::ExitStatus;

use std::time::{Duration, SystemTime};

/// Waits. The hook's deadline goes on running.
pub fn sleep(duration: Duration) {
    let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    bindings::wasi::clocks::monotonic_clock::subscribe_duration(nanoseconds).block();
}

/// The time of day.
pub fn now() -> SystemTime {
    let now = bindings::wasi::clocks::wall_clock::now();
    SystemTime::UNIX_EPOCH + Duration::new(now.seconds, now.nanoseconds)
}

/// A number that nobody can guess.
pub fn random() -> u64 {
    bindings::wasi::random::random::get_random_u64()
}

/// Makes a function the hook that runs when the job has ended.
///
/// The function takes an [`ExitStatus`] and returns `Result<(), E>`, where `E` prints as a sentence for the log. It is
/// called once, however the job ended, also where it never started.
#[macro_export]
macro_rules! after_exit {
    ($run:path) => {
        const _: () = {
            struct Hook;
            impl $crate::__private::after_exit::exports::wrapper::hook::after_exit::Guest for Hook {
                fn run(status: $crate::ExitStatus) -> ::std::result::Result<(), ::std::string::String> {
                    $crate::__private::log_panics();
                    $run(status).map_err(|error| ::std::string::ToString::to_string(&error))
                }
            }
    $crate::__private::after_exit::export!(Hook with_types_in $crate::__private::after_exit);
        };
    };
}

/// Makes a function the hook that runs before the job starts. The job starts when it returns `Ok`.
///
/// The function takes nothing and returns `Result<(), E>`, where `E` prints as a sentence that says why the job must not
/// start. A plugin may use this macro and [`after_exit!`] both.
#[macro_export]
macro_rules! before_start {
    ($run:path) => {
        const _: () = {
            struct Hook;
            impl $crate::__private::before_start::exports::wrapper::hook::before_start::Guest for Hook {
                fn run() -> ::std::result::Result<(), ::std::string::String> {
                    $crate::__private::log_panics();
                    $run().map_err(|error| ::std::string::ToString::to_string(&error))
                }
            }
    $crate::__private::before_start::export!(Hook with_types_in $crate::__private::before_start);
        };
    };
}

/// What the macros expand to. Not part of the interface.
#[doc(hidden)]
pub mod __private {
    pub use crate::bindings::{after_exit, before_start};

    /// The default panic message goes to a stderr that `wasm32-unknown-unknown` does not have.
    pub fn log_panics() {
        std::panic::set_hook(Box::new(|panic| crate::log::error!("{panic}")));
    }
}
