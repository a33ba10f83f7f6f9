//! What the built-in plugins share: who the sidecars are, what can be set of a plugin, and how a sidecar is asked.

pub mod late;
pub mod said;
pub mod settings;
pub mod table;
pub mod target;
