//! `component`: from what a language's linker makes, a core module, to a component.
//!
//! Three things may be missing in a module, and each is added where it is: the description of the world it was written for
//! (told from its exports), WASI 0.2 under the functions of preview 1 that it imports, and data in few pieces.

mod data;

use crate::files::{self, say};
use anyhow::{Context as _, Result, bail};
use clap::Args;
use std::path::PathBuf;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME as PREVIEW1, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER as ADAPTER,
};
use wasmparser::{Encoding, Parser, Payload};
use wit_bindgen_core::wit_parser::Resolve;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

/// The contract. It uses no other package, so that this file is all of it.
pub const WIT: &str = include_str!("../../wit/hook.wit");

/// Make a component of a core module, which is what most compilers leave
///
/// The module exports hooks of the contract (`wrapper:hook/after-exit@0.1.0#run`), as bindings make them. Where it imports
/// WASI preview 1, as Go does, that is adapted to WASI 0.2.
#[derive(Debug, Args)]
pub struct Component {
    /// The core module
    #[arg(value_name = "MODULE.wasm")]
    input: PathBuf,

    /// The file to write
    #[arg(short, long, value_name = "PLUGIN.wasm")]
    output: PathBuf,
}

impl Component {
    /// Makes it, and writes it whole or not at all.
    pub fn run(self) -> Result<()> {
        let module = files::read(&self.input)?;
        let component = component(module).with_context(|| self.input.display().to_string())?;
        files::write(&self.output, &component)?;
        say!("{}: {} bytes\n", self.output.display(), component.len());
        Ok(())
    }
}

/// What is to be known of a core module.
#[derive(Debug, Default)]
pub struct Module {
    /// It exports a hook of this name.
    pub before_start: bool,
    /// The same.
    pub after_exit: bool,
    /// It imports functions of WASI preview 1.
    pub preview1: bool,
    /// It is a program, with a `main`.
    pub command: bool,
    /// It carries the description of its world.
    pub described: bool,
}

impl Module {
    /// Looks into a module.
    pub fn of(bytes: &[u8]) -> Result<Self> {
        let mut module = Self::default();
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::Version { encoding: Encoding::Component, .. } => bail!("it is a component already"),
                Payload::ExportSection(section) => {
                    for export in section {
                        match export?.name {
                            "wrapper:hook/before-start@0.1.0#run" => module.before_start = true,
                            "wrapper:hook/after-exit@0.1.0#run" => module.after_exit = true,
                            "_start" => module.command = true,
                            _ => {}
                        }
                    }
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        module.preview1 |= import?.module == PREVIEW1;
                    }
                }
                Payload::CustomSection(section) => module.described |= section.name().starts_with("component-type"),
                _ => {}
            }
        }
        Ok(module)
    }

    /// The world that its hooks show.
    fn world(&self) -> Result<&'static str> {
        Ok(match (self.before_start, self.after_exit) {
            (true, true) => "lifecycle",
            (true, false) => "gate",
            (false, true) => "hook",
            (false, false) if self.command => bail!(
                "it is a program with a main function, not a hook; build it as a library (Go: -buildmode=c-shared, \
                 C: -nostdlib -Wl,--no-entry, Rust: crate-type = [\"cdylib\"])"
            ),
            (false, false) => bail!(
                "it exports no hook: wrapper:hook/after-exit@0.1.0#run or wrapper:hook/before-start@0.1.0#run, as bindings \
                 make them; `wrapper-plugin new` begins a project that has one"
            ),
        })
    }
}

fn component(mut bytes: Vec<u8>) -> Result<Vec<u8>> {
    if bytes.get(..4) != Some(b"\0asm") {
        bail!("it is not WebAssembly");
    }
    let module = Module::of(&bytes).context("it is no valid module")?;
    if !module.described {
        let mut resolve = Resolve::default();
        let package = resolve.push_str("hook.wit", WIT)?;
        let world = resolve.select_world(&[package], Some(module.world()?))?;
        embed_component_metadata(&mut bytes, &resolve, world, StringEncoding::UTF8)?;
    }
    if let Some(merged) = data::merge(&bytes)? {
        bytes = merged;
    }
    let mut encoder = ComponentEncoder::default().validate(true).module(&bytes)?;
    if module.preview1 {
        encoder = encoder.adapter(PREVIEW1, ADAPTER)?;
    }
    encoder.encode()
}
