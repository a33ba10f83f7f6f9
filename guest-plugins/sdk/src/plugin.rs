//! Facts about the plugin itself.

use crate::bindings::wrapper::hook::plugin;
use std::time::Duration;

/// Its name, as in its log lines: a built-in's, or a file's without folder and ending.
pub fn name() -> String {
    plugin::name()
}

/// Until this hook is stopped, to the millisecond. A request ends 100 ms before that, or a tenth of the hook's time where that
/// is less, so that the hook can say why it failed.
pub fn time_left() -> Duration {
    Duration::from_millis(plugin::time_left())
}
