//! One hook of a module that has several.
//!
//! A module carries a description of each world that it was written for, and becomes a component that exports all of them.
//! Without the description of a hook its function is an export like any other, and no hook.

use wasm_encoder::{CustomSection, Module, RawSection};
use wasmparser::{Parser, Payload};

/// What a plugin exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// `before-start`.
    BeforeStart,
    /// `after-exit`.
    AfterExit,
}

impl Hook {
    /// The module without the other hook.
    pub(crate) fn alone(self, module: &[u8]) -> anyhow::Result<Vec<u8>> {
        let other = match self {
            Self::BeforeStart => "after-exit",
            Self::AfterExit => "before-start",
        };
        let mut alone = Module::new();
        for payload in Parser::new(0).parse_all(module) {
            let payload = payload?;
            match &payload {
                Payload::CustomSection(section) if is_description(section.name(), other) => {}
                Payload::CustomSection(section) => {
                    alone.section(&CustomSection { name: section.name().into(), data: section.data().into() });
                }
                payload => {
                    if let Some((id, range)) = payload.as_section() {
                        alone.section(&RawSection { id, data: &module[range] });
                    }
                }
            }
        }
        Ok(alone.finish())
    }
}

/// As `wit-bindgen` calls them: the name has that of the world, which in the SDK is the hook's.
fn is_description(section: &str, hook: &str) -> bool {
    section.starts_with("component-type:") && section.contains(&format!(":{hook}:"))
}
