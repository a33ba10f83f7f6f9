//! `compile`: from a component to what the wrapper loads without a compiler.

use crate::{
    files::{self, say},
    own,
    progress::telling,
};
use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use rustix::process::{Resource, Rlimit, setrlimit};
use std::{path::PathBuf, time::Instant};
use wrapper::{plugin::compile_ahead_of_time, report::size, sandbox::limits::COMPILER_MEMORY};

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

    /// In a process of its own, which has no more memory than the wrapper gives a compiler
    #[arg(long, hide = true)]
    confined: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Target {
    /// The same file for every CPU but s390x, and no executable memory.
    Pulley64,
    /// The same for s390x, where numbers begin with their high byte.
    Pulley64be,
    /// Many times as fast in loops: for plugins that bring an interpreter.
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
        if !self.confined {
            return self.run_confined();
        }
        own::end_with_parent()?;
        let memory = Rlimit { current: Some(COMPILER_MEMORY), maximum: Some(COMPILER_MEMORY) };
        setrlimit(Resource::As, memory)?;
        let started = Instant::now();
        let compiled = compile_ahead_of_time(&self.input, self.target.triple())
            .map_err(|error| anyhow::anyhow!("{} {error}", self.input.display()))?;
        files::write(&self.output, &compiled)?;
        let (size, seconds) = (compiled.len(), started.elapsed().as_secs_f64());
        say!("{}: {size} bytes for {} in {seconds:.1} s\n", self.output.display(), self.target.triple());
        Ok(())
    }

    /// A few bytes may make a compiler want all the memory that there is.
    fn run_confined(&self) -> Result<()> {
        let target = self.target.to_possible_value().expect("none is hidden");
        let words = [self.input.as_os_str(), "--output".as_ref(), self.output.as_os_str(), "--target".as_ref()];
        let mut command = own::command("compile", words)?;
        command.args([target.get_name(), "--confined"]);
        let status = telling(&self.input, || command.status())?;
        match status.code() {
            Some(0) => Ok(()),
            // It has said why.
            Some(code) => std::process::exit(code),
            None => bail!(
                "{} could not be compiled: its process ended with {status}; it may have {} of address space",
                self.input.display(),
                size(COMPILER_MEMORY)
            ),
        }
    }
}
