//! The command line, as clap reads it and `--help` tells it.

use super::{OnHookFailure, parse_duration};
use crate::{
    plugin,
    process::{Mapping, Signal, Words},
    report::{LogFormat, LogLevel},
};
use clap::Parser;
use std::{ffi::OsString, path::PathBuf, time::Duration};

/// Runs COMMAND as a container's entrypoint, and sandboxed WebAssembly hooks around it.
///
/// Signals are passed on to COMMAND, its exit code becomes the wrapper's, and when it has ended each plugin's hook is run
/// in a sandbox that reaches HTTP on localhost and nothing else.
#[derive(Debug, Default, Parser)]
#[command(name = "wrapper", version, max_term_width = 100, override_usage = USAGE, after_help = after_help())]
pub(super) struct Arguments {
    /// A plugin to run: a built-in (listed below) or a path to a .wasm component or a .cwasm, with its settings; repeatable,
    /// run in order; `none` for no hooks [env: WRAPPER_PLUGIN_PATH, `:` between] [default: istio-quit]
    ///
    /// SOURCE[,KEY=VALUE]... with the keys on=success|failure|always (after which jobs it runs), timeout=DUR, port=N (only
    /// these ports of localhost), env=NAME (a variable it may see beside HOOK_*), memory=SIZE (default 64MiB), sha256=HEX
    /// (of the file), native=true (machine code), required=false (the job starts though its hook failed).
    #[arg(long = "plugin", value_name = "SPEC")]
    pub plugins: Vec<String>,

    /// Time limit of all hooks after the exit together; if it is not set, a hook whose sidecar may still come can take minutes
    /// (HOOK_SIDECAR) [env: WRAPPER_HOOK_TIMEOUT] [default: 20s]
    #[arg(long, value_name = "DUR", value_parser = parse_duration)]
    pub hook_timeout: Option<Duration>,

    /// Time limit of checking plugin files and of all hooks before the start together; if it is not set, a hook whose sidecar
    /// is known to come (HOOK_SIDECAR) can take five minutes [env: WRAPPER_START_TIMEOUT] [default: 60s]
    #[arg(long, value_name = "DUR", value_parser = parse_duration)]
    pub start_timeout: Option<Duration>,

    /// What a failed hook does to the exit code: nothing, or make it 125 where the job itself exited 0
    /// [env: WRAPPER_ON_HOOK_FAILURE] [default: ignore]
    #[arg(long, value_name = "ignore|fail", hide_possible_values = true)]
    pub on_hook_failure: Option<OnHookFailure>,

    /// Send signals to the job's whole process group [env: WRAPPER_GROUP]
    #[arg(short, long)]
    pub group: bool,

    /// Reap orphans though not PID 1, as a subreaper [env: WRAPPER_SUBREAPER]
    #[arg(short, long)]
    pub subreaper: bool,

    /// Signal that the job gets when the wrapper itself is killed [env: WRAPPER_PDEATHSIG]
    #[arg(short, long, value_name = "SIG")]
    pub pdeathsig: Option<Signal>,

    /// Report exit code FROM as TO, or as 0 without TO; repeatable [env: WRAPPER_MAP_EXIT, `,` between]
    #[arg(short = 'e', long, value_name = "FROM[=TO]")]
    pub map_exit: Vec<Mapping>,

    /// SIGKILL the job this long after the first SIGTERM or SIGINT passed on to it [env: WRAPPER_GRACE]
    #[arg(long, value_name = "DUR", value_parser = parse_duration)]
    pub grace: Option<Duration>,

    /// When the job has ended, SIGTERM the processes that it left, wait for them, and SIGKILL them after this long; makes
    /// the wrapper a subreaper [env: WRAPPER_WAIT_ALL]
    #[arg(long, value_name = "DUR", value_parser = parse_duration)]
    pub wait_all: Option<Duration>,

    /// Keep compiled plugins in this folder from run to run, which must be this user's own [env: WRAPPER_CACHE]
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,

    /// Write an account of the run there when it is over, as JSON, such as to /dev/termination-log [env: WRAPPER_REPORT]
    #[arg(long, value_name = "PATH")]
    pub report: Option<PathBuf>,

    /// Load and check every plugin, say what each imports and whether it is granted, and exit with 0, or with 125 where one
    /// cannot be used
    #[arg(long)]
    pub check: bool,

    /// Copy this binary to PATH, with mode 0755, and exit
    #[arg(long, value_name = "PATH", conflicts_with = "command")]
    pub install: Option<PathBuf>,

    /// With --install: overwrite PATH even where it is not a wrapper
    #[arg(long, requires = "install")]
    pub force: bool,

    /// Form of the log on stderr [env: WRAPPER_LOG_FORMAT] [default: text]
    #[arg(long, value_name = "text|json", hide_possible_values = true)]
    pub log_format: Option<LogFormat>,

    /// The least of what is logged: error, warn, info or debug [env: WRAPPER_LOG] [default: info]
    #[arg(long, value_name = "LEVEL", hide_possible_values = true)]
    pub log_level: Option<LogLevel>,

    /// The program to run, and its arguments. Options of the wrapper end here.
    #[arg(value_names = ["COMMAND", "ARG"], trailing_var_arg = true, required_unless_present_any = ["install", "check"])]
    pub command: Vec<OsString>,
}

impl Arguments {
    /// What the words say, and at which of them the command begins.
    pub fn of(words: Words) -> Result<(Self, usize), clap::Error> {
        /// What clap is given at first: it copies all of it, and a command can be millions of bytes.
        const FEW: usize = 64;
        if let Some(at) = command_alone(words) {
            return Ok((Self::default(), at));
        }
        let mut count = FEW;
        loop {
            let is_all = count >= words.count();
            match Self::try_parse_from(words.iter().take(count)) {
                Ok(arguments) if is_all || !arguments.command.is_empty() => {
                    let at = count.min(words.count()) - arguments.command.len();
                    return Ok((arguments, at));
                }
                Err(error) if is_all || !error.use_stderr() => return Err(error),
                _ => count *= FEW,
            }
        }
    }
}

/// Where the command begins, where there are no options before it, as in most containers: clap would take longer to set itself up
/// for this than starting the job does.
fn command_alone(words: Words) -> Option<usize> {
    let first = words.get(1)?;
    let at = if first == "--" { 2 } else { 1 };
    let is_option = first != "--" && first.as_encoded_bytes().starts_with(b"-");
    (words.count() > at && !is_option).then_some(at)
}

const USAGE: &str = "wrapper [OPTIONS] [--] COMMAND [ARG]...\n       wrapper --check [--plugin SPEC]...\n       \
                     wrapper --install PATH [--force]";

fn after_help() -> String {
    format!(
        "Built-in plugins: {}.\n\nExit code: COMMAND's own; 128+N where signal N killed it; 127 not found, 126 found but not \
         executable; 125 where the wrapper refuses.",
        plugin::built_ins().join(", ")
    )
}
