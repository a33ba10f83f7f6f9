//! `wrapper-plugin`: for authors of plugins, and for image builds.

mod compile;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// For authors of plugins for the container entrypoint `wrapper`, and for image builds.
#[derive(Debug, Parser)]
#[command(name = "wrapper-plugin", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Compile(compile::Compile),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Compile(compile) => compile.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("wrapper-plugin: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
