//! `compile`: from a component to what the wrapper loads without a compiler.

use crate::{
    files::{self, say},
    progress::telling,
};
use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use std::{path::PathBuf, time::Instant};
use wrapper::plugin::compile_ahead_of_time;

/// Compile a plugin ahead of time, in an image build
///
/// The wrapper loads what comes out in less than a millisecond, and the slim wrapper takes nothing else. It trusts it: a
/// .cwasm is code, and belongs into the image like any other program. It fits the wrapper of the same version only.
#[derive(Debug, Args)]
pub struct Compile {
    /// The component
    #[arg(value_name = "PLUGIN.wasm")]
    input: PathBuf,

    /// The file to write
    #[arg(short, long, value_name = "PLUGIN.cwasm")]
    output: PathBuf,

    /// What to compile for: bytecode that is interpreted, or one CPU's machine code
    #[arg(long, value_enum, default_value_t = Target::Pulley64)]
    target: Target,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Target {
    /// The same file for every CPU but s390x, and no executable memory.
    Pulley64,
    /// The same for s390x, where numbers begin with their high byte.
    Pulley64be,
    /// Some 24 times as fast in loops: for plugins that bring an interpreter.
    #[value(name = "x86_64")]
    X86_64,
    /// The same for arm64.
    Aarch64,
}

impl Target {
    fn triple(self) -> &'static str {
        match self {
            Self::Pulley64 => "pulley64",
            Self::Pulley64be => "pulley64be",
            Self::X86_64 => "x86_64-unknown-linux-gnu",
            Self::Aarch64 => "aarch64-unknown-linux-gnu",
        }
    }
}

impl Compile {
    /// Compiles, and writes the result whole or not at all.
    pub fn run(self) -> Result<()> {
        if self.output.extension().is_none_or(|ending| ending != "cwasm") {
            bail!("{} does not end in .cwasm, by which the wrapper knows a compiled plugin", self.output.display());
        }
        let started = Instant::now();
        let compiled = telling(&self.input, || compile_ahead_of_time(&self.input, self.target.triple()))
            .map_err(|error| anyhow::anyhow!("{} {error}", self.input.display()))?;
        files::write(&self.output, &compiled)?;
        let (size, seconds) = (compiled.len(), started.elapsed().as_secs_f64());
        say!("{}: {size} bytes for {} in {seconds:.1} s\n", self.output.display(), self.target.triple());
        Ok(())
    }
}
