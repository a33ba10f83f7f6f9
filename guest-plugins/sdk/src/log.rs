//! Log lines, under the plugin's name on the wrapper's stderr. The macros take what [`format!`] takes.

use crate::bindings::wrapper::hook::log;
pub use log::Level;

/// Writes one line. Control characters are escaped.
pub fn log(level: Level, message: &str) {
    log::log(level, message);
}

/// Logs what is of use when looking for a fault. Not shown by default.
#[doc(inline)]
pub use crate::__log_debug as debug;
/// Logs that the hook could not do its work.
#[doc(inline)]
pub use crate::__log_error as error;
/// Logs one thing that happened.
#[doc(inline)]
pub use crate::__log_info as info;
/// Logs that something is not as it should be, and the hook went on.
#[doc(inline)]
pub use crate::__log_warn as warn;

#[doc(hidden)]
#[macro_export]
macro_rules! __log_debug {
    ($($part:tt)*) => { $crate::log::log($crate::log::Level::Debug, &::std::format!($($part)*)) };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __log_info {
    ($($part:tt)*) => { $crate::log::log($crate::log::Level::Info, &::std::format!($($part)*)) };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __log_warn {
    ($($part:tt)*) => { $crate::log::log($crate::log::Level::Warn, &::std::format!($($part)*)) };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __log_error {
    ($($part:tt)*) => { $crate::log::log($crate::log::Level::Error, &::std::format!($($part)*)) };
}
