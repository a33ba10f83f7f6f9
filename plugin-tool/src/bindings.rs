//! `bindings`: the contract in the terms of a language, for those whose own tools do not make that themselves.

mod c;
mod go;
mod rust;

use crate::{World, files};
use anyhow::Result;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Write the contract in the terms of a language, as its Makefile asks for
///
/// JavaScript and Python need none: their own tools read wit/hook.wit.
#[derive(Debug, Args)]
pub struct Bindings {
    /// The language
    #[arg(value_enum)]
    language: Language,

    /// The world that the plugin is written for; it makes a difference in C
    #[arg(long, value_enum, default_value_t)]
    world: World,

    /// The folder to write them to
    #[arg(short, long, value_name = "FOLDER")]
    output: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Language {
    /// The crate `wrapper-hook`
    Rust,
    /// hook.h and hook.c, and what C needs where there is no libc
    C,
    /// The package hook
    Go,
}

impl Bindings {
    /// Writes them, over what an earlier version may have left.
    pub fn run(self) -> Result<()> {
        let files = match self.language {
            Language::Rust => rust::files(),
            Language::C => c::generate(self.world.name())?,
            Language::Go => go::files(&self.output)?,
        };
        files::write_all(&self.output, &files)
    }
}
