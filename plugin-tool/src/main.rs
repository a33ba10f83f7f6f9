//! `wrapper-plugin`: for authors of plugins, for image builds, and for those who look into a pod that does not end.

mod bindings;
mod check;
mod compile;
mod component;
mod doctor;
mod files;
mod new;
mod own;
mod progress;
mod run;
mod templates;

use anyhow::Result;
use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use files::say;
use std::{fmt, io::Write as _, process::ExitCode};
use wrapper::{process::Signals, report::printable};

/// For authors of plugins for the container entrypoint `wrapper`, and for image builds.
#[derive(Debug, Parser)]
#[command(name = "wrapper-plugin", version, max_term_width = 100, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    New(new::New),
    Check(check::Check),
    Run(run::Run),
    Compile(compile::Compile),
    Component(component::Component),
    Bindings(bindings::Bindings),
    Doctor(doctor::Doctor),
    /// Print the completions for a shell, such as `wrapper-plugin completions bash > /etc/bash_completion.d/wrapper-plugin`
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page, such as `wrapper-plugin man > /usr/share/man/man1/wrapper-plugin.1`
    Man,
    /// The other side of `run`, in a process of its own.
    #[command(hide = true)]
    Hooks(run::hooks::Hooks),
    /// The other side of `check`, in a process of its own.
    #[command(hide = true)]
    Inspect(check::inspect::Inspect),
}

/// A world of the contract: which hooks a plugin has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum World {
    /// After the job has ended
    #[default]
    Hook,
    /// Before the job starts, which it decides
    Gate,
    /// Both
    Lifecycle,
}

impl World {
    /// Its name in the contract.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hook => "hook",
            Self::Gate => "gate",
            Self::Lifecycle => "lifecycle",
        }
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn main() -> ExitCode {
    let command = Arguments::parse().command;
    // They are blocked since before this, as the wrapper needs it. Who looks after hooks takes them over; here Ctrl-C is to work.
    if !matches!(command, Command::Hooks(_) | Command::Inspect(_)) {
        Signals::take().release();
    }
    match run(command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("wrapper-plugin: error: {}", printable(&format!("{error:#}")));
            ExitCode::FAILURE
        }
    }
}

/// Does it, and returns whether the plugin, or the pods, are as they should be.
fn run(command: Command) -> Result<bool> {
    match command {
        Command::New(new) => new.run()?,
        Command::Check(check) => return check.run(),
        Command::Run(run) => return run.run(),
        Command::Compile(compile) => compile.run()?,
        Command::Component(component) => component.run()?,
        Command::Bindings(bindings) => bindings.run()?,
        Command::Doctor(doctor) => return doctor.run(),
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "wrapper-plugin", &mut text);
            say!("{}", String::from_utf8(text)?);
        }
        Command::Man => manual()?,
        Command::Hooks(hooks) => hooks.run()?,
        Command::Inspect(inspect) => inspect.run()?,
    }
    Ok(true)
}

/// One page, with a section for each command.
fn manual() -> Result<()> {
    let command = Arguments::command();
    let page = clap_mangen::Man::new(command.clone());
    let mut text = Vec::new();
    page.render_title(&mut text)?;
    page.render_name_section(&mut text)?;
    page.render_synopsis_section(&mut text)?;
    page.render_description_section(&mut text)?;
    page.render_subcommands_section(&mut text)?;
    for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        let name = format!("wrapper-plugin {}", command.get_name());
        writeln!(text, ".SH \"{}\"", name.to_uppercase())?;
        let page = clap_mangen::Man::new(command.clone().bin_name(name).disable_help_flag(true));
        page.render_description_section(&mut text)?;
        page.render_options_section(&mut text)?;
    }
    say!("{}", String::from_utf8(text)?);
    Ok(())
}
