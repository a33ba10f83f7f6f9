//! Options and the environment. The option wins over the variable, the variable over the default; an empty variable
//! counts as unset.

use crate::{
    plugin::PluginSpec,
    process::{Behaviour, ExitMap, Mapping, Signal, code},
    report::{self, LogFormat, LogLevel},
};
use clap::Parser;
use std::{env, ffi::OsString, fmt::Display, path::PathBuf, str::FromStr, time::Duration};

/// Runs COMMAND as a container's entrypoint, and sandboxed WebAssembly hooks around it.
///
/// Signals are passed on to COMMAND, its exit code becomes the wrapper's, and when it has ended each plugin's hook is run
/// in a sandbox that reaches HTTP on localhost and nothing else.
#[derive(Debug, Parser)]
#[command(name = "wrapper", version, max_term_width = 100, override_usage = USAGE, after_help = EXIT_CODES)]
struct Arguments {
    /// A plugin to run: a built-in (istio-quit, echo) or a path to a .wasm component, with its settings; repeatable, run
    /// in order; `none` for no hooks [env: WRAPPER_PLUGIN_PATH, `:` between] [default: istio-quit]
    ///
    /// SOURCE[,KEY=VALUE]... with the keys timeout=DUR, port=N (only these ports of localhost), env=NAME (a variable it may
    /// see beside HOOK_*), memory=SIZE (default 64MiB), sha256=HEX (of the file), native=true
    /// (machine code).
    #[arg(long = "plugin", value_name = "SPEC")]
    plugins: Vec<String>,

    /// Deadline of all hooks after the exit together [env: WRAPPER_HOOK_TIMEOUT] [default: 20s]
    #[arg(long, value_name = "DUR", value_parser = parse_duration)]
    hook_timeout: Option<Duration>,

    /// Deadline of compiling plugin files and of all hooks before the start together [env: WRAPPER_START_TIMEOUT] [default: 60s]
    #[arg(long, value_name = "DUR", value_parser = parse_duration)]
    start_timeout: Option<Duration>,

    /// What a failed hook does to the exit code: nothing, or make it 125 where the job itself exited 0
    /// [env: WRAPPER_ON_HOOK_FAILURE] [default: ignore]
    #[arg(long, value_name = "ignore|fail", hide_possible_values = true)]
    on_hook_failure: Option<OnHookFailure>,

    /// Send signals to the job's whole process group [env: WRAPPER_GROUP]
    #[arg(short, long)]
    group: bool,

    /// Reap orphans though not PID 1, as a subreaper [env: WRAPPER_SUBREAPER]
    #[arg(short, long)]
    subreaper: bool,

    /// Signal that the job gets when the wrapper itself is killed [env: WRAPPER_PDEATHSIG]
    #[arg(short, long, value_name = "SIG")]
    pdeathsig: Option<Signal>,

    /// Report exit code FROM as TO, or as 0 without TO; repeatable [env: WRAPPER_MAP_EXIT, `,` between]
    #[arg(short = 'e', long, value_name = "FROM[=TO]")]
    map_exit: Vec<Mapping>,

    /// SIGKILL the job this long after the first SIGTERM or SIGINT passed on to it [env: WRAPPER_GRACE]
    #[arg(long, value_name = "DUR", value_parser = parse_duration)]
    grace: Option<Duration>,

    /// When the job has ended, SIGTERM the processes that it left, wait for them, and SIGKILL them after this long; makes
    /// the wrapper a subreaper [env: WRAPPER_WAIT_ALL]
    #[arg(long, value_name = "DUR", value_parser = parse_duration)]
    wait_all: Option<Duration>,

    /// Load and check every plugin, say what each imports and whether it is granted, and exit with 0, or with 125 where one
    /// cannot be used
    #[arg(long)]
    check: bool,

    /// Copy this binary to PATH, with mode 0755, and exit
    #[arg(long, value_name = "PATH", conflicts_with = "command")]
    install: Option<PathBuf>,

    /// With --install: overwrite PATH even where it is not a wrapper
    #[arg(long, requires = "install")]
    force: bool,

    /// Form of the log on stderr [env: WRAPPER_LOG_FORMAT] [default: text]
    #[arg(long, value_name = "text|json", hide_possible_values = true)]
    log_format: Option<LogFormat>,

    /// The least of what is logged: error, warn, info or debug [env: WRAPPER_LOG] [default: info]
    #[arg(long, value_name = "LEVEL", hide_possible_values = true)]
    log_level: Option<LogLevel>,

    /// The program to run, and its arguments. Options of the wrapper end here.
    #[arg(value_names = ["COMMAND", "ARG"], trailing_var_arg = true, required_unless_present_any = ["install", "check"])]
    command: Vec<OsString>,
}

const USAGE: &str = "wrapper [OPTIONS] [--] COMMAND [ARG]...\n       wrapper --check [--plugin SPEC]...\n       \
                     wrapper --install PATH [--force]";

const EXIT_CODES: &str = "Exit code: COMMAND's own; 128+N where signal N killed it; 127 not found, 126 found but not \
                          executable; 125 where the wrapper refuses.";

/// The variables that the wrapper reads.
const VARIABLES: [&str; 12] = [
    "WRAPPER_PLUGIN_PATH",
    "WRAPPER_HOOK_TIMEOUT",
    "WRAPPER_START_TIMEOUT",
    "WRAPPER_ON_HOOK_FAILURE",
    "WRAPPER_GROUP",
    "WRAPPER_SUBREAPER",
    "WRAPPER_PDEATHSIG",
    "WRAPPER_MAP_EXIT",
    "WRAPPER_GRACE",
    "WRAPPER_WAIT_ALL",
    "WRAPPER_LOG_FORMAT",
    "WRAPPER_LOG",
];

/// What a failed after-exit hook does to the exit code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum OnHookFailure {
    /// Nothing.
    #[default]
    Ignore,
    /// It becomes 125, where the job itself exited 0.
    Fail,
}

impl FromStr for OnHookFailure {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        clap::ValueEnum::from_str(text, true).map_err(|_| format!("'{text}' is neither ignore nor fail"))
    }
}

/// What the user asked for.
#[derive(Debug)]
pub enum Invocation {
    /// To run a program.
    Run(Command, Box<Options>),
    /// To look into the plugins.
    Check(Box<Options>),
    /// To copy the wrapper.
    Install {
        /// To where.
        path: PathBuf,
        /// Whatever is there.
        force: bool,
    },
}

/// The program to run, and its arguments.
#[derive(Clone, Debug)]
pub struct Command {
    /// A path, or a name to be looked for in `PATH`.
    pub program: OsString,
    /// Without the name.
    pub arguments: Vec<OsString>,
}

impl Command {
    /// The file name of the program, for lines of log.
    pub fn name(&self) -> String {
        let name = std::path::Path::new(&self.program).file_name().unwrap_or(&self.program);
        report::printable(&name.to_string_lossy())
    }
}

/// How it is to be run.
#[derive(Debug)]
pub struct Options {
    /// The plugins, in the order in which their hooks run.
    pub plugins: Vec<PluginSpec>,
    /// Deadline of all after-exit hooks together.
    pub hook_timeout: Duration,
    /// Deadline of all before-start hooks together.
    pub start_timeout: Duration,
    /// What a failed after-exit hook does to the exit code.
    pub on_hook_failure: OnHookFailure,
    /// How the init behaves.
    pub behaviour: Behaviour,
    /// Exit codes that are to be reported as others.
    pub map_exit: ExitMap,
    /// Form of the log.
    pub log_format: LogFormat,
    /// The least of what is logged.
    pub log_level: LogLevel,
}

impl Invocation {
    /// Reads the arguments and the environment. Where there is nothing to do, says why on stderr (or the help that was
    /// asked for on stdout) and returns the exit code.
    pub fn read() -> Result<Self, u8> {
        let arguments = match Arguments::try_parse() {
            Ok(arguments) => arguments,
            Err(answer) if !answer.use_stderr() => {
                // Nothing can be done about a closed stdout.
                drop(answer.print());
                return Err(0);
            }
            Err(error) => {
                refuse(likely_format(None), &usage_error(&error.render().to_string()));
                return Err(code::REFUSED);
            }
        };
        if let Some(path) = arguments.install {
            return Ok(Self::Install { path, force: arguments.force });
        }
        let format = likely_format(arguments.log_format);
        let mut command = arguments.command.clone().into_iter();
        let program = if arguments.check { None } else { command.next() };
        let options = Options::with_environment(arguments, |name| env::var_os(name)).map_err(|error| {
            refuse(format, &error);
            code::REFUSED
        })?;
        let options = Box::new(options);
        Ok(match program {
            Some(program) => Self::Run(Command { program, arguments: command.collect() }, options),
            None => Self::Check(options),
        })
    }
}

/// The form of the log, as far as it can be told where the options are not understood.
fn likely_format(option: Option<LogFormat>) -> LogFormat {
    let arguments: Vec<_> = env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
    let given = || match arguments.iter().position(|argument| argument.starts_with("--log-format"))? {
        at if arguments[at].contains('=') => arguments[at].split_once('=')?.1.parse().ok(),
        at => arguments.get(at + 1)?.parse().ok(),
    };
    let variable = || env::var("WRAPPER_LOG_FORMAT").ok()?.parse().ok();
    option.or_else(given).or_else(variable).unwrap_or_default()
}

/// Says why nothing is done: one line, on a stderr that cannot hold it up.
fn refuse(format: LogFormat, why: &str) {
    report::init(format, LogLevel::Error);
    tracing::error!("{}", report::one_line(why));
}

/// The sentence among the lines that clap makes of a mistake, and its tip.
fn usage_error(text: &str) -> String {
    let lines = text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:"));
    let lines: Vec<_> = lines.filter(|line| !line.is_empty() && !line.starts_with("For more information")).collect();
    lines.join(" ").trim_start_matches("error: ").to_owned() + "; see --help"
}

impl Options {
    fn with_environment(arguments: Arguments, variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, String> {
        let text = |name: &str| {
            let value = variable(name).filter(|value| !value.is_empty());
            value
                .map(|value| value.into_string().map_err(|value| format!("{name}: {value:?} is not UTF-8")))
                .transpose()
        };
        Ok(Self {
            plugins: match (arguments.plugins.as_slice(), text("WRAPPER_PLUGIN_PATH")?) {
                ([], None) => parse_plugins(["istio-quit"], "default")?,
                ([], Some(path)) => {
                    parse_plugins(path.split(':').filter(|spec| !spec.is_empty()), "WRAPPER_PLUGIN_PATH")?
                }
                (specs, _) => parse_plugins(specs.iter().map(String::as_str), "--plugin")?,
            },
            hook_timeout: setting(arguments.hook_timeout, "WRAPPER_HOOK_TIMEOUT", &text, parse_duration)?
                .unwrap_or(Duration::from_secs(20)),
            start_timeout: setting(arguments.start_timeout, "WRAPPER_START_TIMEOUT", &text, parse_duration)?
                .unwrap_or(Duration::from_secs(60)),
            on_hook_failure: setting(arguments.on_hook_failure, "WRAPPER_ON_HOOK_FAILURE", &text, str::parse)?
                .unwrap_or_default(),
            behaviour: Behaviour {
                group: switch(arguments.group, "WRAPPER_GROUP", &text)?,
                subreaper: switch(arguments.subreaper, "WRAPPER_SUBREAPER", &text)?,
                parent_death: setting(arguments.pdeathsig, "WRAPPER_PDEATHSIG", &text, str::parse)?,
                grace: setting(arguments.grace, "WRAPPER_GRACE", &text, parse_duration)?,
                wait_all: setting(arguments.wait_all, "WRAPPER_WAIT_ALL", &text, parse_duration)?,
            },
            map_exit: match arguments.map_exit {
                none if none.is_empty() => setting(None, "WRAPPER_MAP_EXIT", &text, str::parse)?.unwrap_or_default(),
                mappings => mappings.into(),
            },
            log_format: setting(arguments.log_format, "WRAPPER_LOG_FORMAT", &text, str::parse)?.unwrap_or_default(),
            log_level: setting(arguments.log_level, "WRAPPER_LOG", &text, str::parse)?.unwrap_or_default(),
        })
    }
}

/// The option's value, or else the variable's.
fn setting<T, E: Display>(
    option: Option<T>,
    variable: &str,
    text: &impl Fn(&str) -> Result<Option<String>, String>,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Option<T>, String> {
    match (option, text(variable)?) {
        (None, Some(value)) => parse(&value).map(Some).map_err(|error| format!("{variable}: {error}")),
        (option, _) => Ok(option),
    }
}

/// Whether a switch is on, by option or by variable.
fn switch(
    option: bool,
    variable: &str,
    text: &impl Fn(&str) -> Result<Option<String>, String>,
) -> Result<bool, String> {
    let parse = |value: &str| match value.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "0" | "false" | "no" | "off" => Ok(false),
        _ => Err(format!("'{value}' is neither true nor false")),
    };
    Ok(setting(option.then_some(true), variable, text, parse)?.unwrap_or(false))
}

fn parse_plugins<'a>(specs: impl IntoIterator<Item = &'a str>, origin: &str) -> Result<Vec<PluginSpec>, String> {
    let specs: Vec<_> = specs.into_iter().collect();
    match specs.as_slice() {
        ["none"] => Ok(Vec::new()),
        [] => Err(format!("{origin}: names no plugin; for no hooks say none")),
        specs if specs.contains(&"none") => Err(format!("{origin}: 'none' stands alone, it means no hooks")),
        specs => specs.iter().map(|spec| spec.parse().map_err(|error| format!("{origin}: {error}"))).collect(),
    }
}

/// A duration such as `20s` or `1m30s`. It is more than nothing and at most a year, so that it can be added to a clock.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err(format!("'{text}' is no time at all; write it as 20s or 1m30s")),
        Ok(duration) if duration > YEAR => Err(format!("'{text}' is more than a year")),
        Ok(duration) => Ok(duration),
        Err(_) => Err(format!("'{text}' is not a duration; write it as 20s or 1m30s")),
    }
}

/// Warns of variables that are one typo away from one that the wrapper reads. Others are left alone: for a Service named
/// `wrapper` Kubernetes sets `WRAPPER_SERVICE_HOST` and the like.
pub fn warn_of_typos() {
    for (name, _) in env::vars_os() {
        if let Some(meant) = name.to_str().and_then(meant) {
            tracing::warn!("{} is not a variable of the wrapper; is {meant} meant?", name.to_string_lossy());
        }
    }
}

fn meant(name: &str) -> Option<&'static str> {
    if !name.starts_with("WRAPPER_") || VARIABLES.contains(&name) {
        return None;
    }
    match name {
        // What the options' own names lead to.
        "WRAPPER_LOG_LEVEL" => Some("WRAPPER_LOG"),
        "WRAPPER_PLUGIN" | "WRAPPER_PLUGINS" => Some("WRAPPER_PLUGIN_PATH"),
        _ => VARIABLES.into_iter().find(|known| strsim::osa_distance(name, known) == 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Options, String> {
        let arguments =
            Arguments::try_parse_from([&["wrapper"], arguments].concat()).map_err(|error| error.to_string())?;
        Options::with_environment(arguments, |name| {
            environment.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        })
    }

    fn names(options: &Options) -> Vec<String> {
        options.plugins.iter().map(|plugin| plugin.source.to_string()).collect()
    }

    #[test]
    fn the_commands_own_options_are_not_the_wrappers() {
        let all = ["wrapper", "--log-level", "warn", "ls", "-l", "--log-level", "x", "--", "-h"];
        let arguments = Arguments::try_parse_from(all).unwrap();
        assert_eq!(arguments.command, ["ls", "-l", "--log-level", "x", "--", "-h"]);
        assert_eq!(options(&all[1..], &[]).unwrap().log_level, LogLevel::Warn);
    }

    #[test]
    fn two_dashes_end_the_options() {
        let arguments = Arguments::try_parse_from(["wrapper", "--", "-odd-name", "-l"]).unwrap();
        assert_eq!(arguments.command, ["-odd-name", "-l"]);
    }

    #[test]
    fn an_unknown_option_is_not_taken_for_the_command() {
        assert!(options(&["--hook-timeuot", "1s", "ls"], &[]).unwrap_err().contains("'--hook-timeout'"));
        assert!(options(&["-l"], &[]).is_err());
        assert!(options(&[], &[]).is_err());
    }

    #[test]
    fn the_option_wins_over_the_variable_and_the_variable_over_the_default() {
        let environment = [("WRAPPER_HOOK_TIMEOUT", "5s"), ("WRAPPER_PLUGIN_PATH", "echo:/a.wasm,port=1:")];
        let options = |arguments| options(arguments, &environment).unwrap();
        assert_eq!(options(&["ls"]).hook_timeout, Duration::from_secs(5));
        assert_eq!(options(&["--hook-timeout", "1m30s", "ls"]).hook_timeout, Duration::from_secs(90));
        assert_eq!(names(&options(&["ls"])), ["echo", "/a.wasm"]);
        assert_eq!(names(&options(&["--plugin", "istio-quit", "--plugin", "echo", "ls"])), ["istio-quit", "echo"]);
        assert_eq!(names(&options(&["--plugin", "none", "ls"])), [""; 0]);
    }

    #[test]
    fn the_inits_letters_are_those_of_tini() {
        let options = options(&["-g", "-s", "-p", "KILL", "-e", "143", "-e", "1=3", "ls"], &[]).unwrap();
        assert!(options.behaviour.group && options.behaviour.subreaper);
        assert_eq!(options.behaviour.parent_death, Some(Signal::KILL));
        assert_eq!([143, 1, 2].map(|code| options.map_exit.apply(code)), [0, 3, 2]);
    }

    #[test]
    fn the_inits_variables_do_the_same() {
        let environment = [("WRAPPER_GROUP", "true"), ("WRAPPER_SUBREAPER", "0"), ("WRAPPER_MAP_EXIT", "143,1=3")];
        let options = options(&["ls"], &environment).unwrap();
        assert!(options.behaviour.group && !options.behaviour.subreaper);
        assert_eq!([143, 1].map(|code| options.map_exit.apply(code)), [0, 3]);
    }

    #[test]
    fn an_empty_variable_counts_as_unset() {
        let options = options(&["ls"], &VARIABLES.map(|name| (name, ""))).unwrap();
        assert_eq!(options.hook_timeout, Duration::from_secs(20));
        assert_eq!(names(&options), ["istio-quit"]);
    }

    #[test]
    fn a_bad_value_is_named_with_its_origin() {
        for (name, value, error) in [
            ("WRAPPER_HOOK_TIMEOUT", "20", "WRAPPER_HOOK_TIMEOUT: '20' is not a duration; write it as 20s or 1m30s"),
            ("WRAPPER_GRACE", "0s", "WRAPPER_GRACE: '0s' is no time at all; write it as 20s or 1m30s"),
            ("WRAPPER_HOOK_TIMEOUT", "99999y", "WRAPPER_HOOK_TIMEOUT: '99999y' is more than a year"),
            ("WRAPPER_ON_HOOK_FAILURE", "retry", "WRAPPER_ON_HOOK_FAILURE: 'retry' is neither ignore nor fail"),
            ("WRAPPER_LOG_FORMAT", "xml", "WRAPPER_LOG_FORMAT: 'xml' is not a log format; write text or json"),
            ("WRAPPER_GROUP", "maybe", "WRAPPER_GROUP: 'maybe' is neither true nor false"),
            ("WRAPPER_PDEATHSIG", "DIE", "WRAPPER_PDEATHSIG: 'DIE' is not a signal; write SIGTERM, TERM or 15"),
            (
                "WRAPPER_MAP_EXIT",
                "143,300",
                "WRAPPER_MAP_EXIT: '300' is not FROM=TO with exit codes from 0 to 255, such as 143=0",
            ),
            ("WRAPPER_LOG", "loud", "WRAPPER_LOG: 'loud' is not a log level; write error, warn, info or debug"),
            ("WRAPPER_PLUGIN_PATH", ":", "WRAPPER_PLUGIN_PATH: names no plugin; for no hooks say none"),
            ("WRAPPER_PLUGIN_PATH", "none:echo", "WRAPPER_PLUGIN_PATH: 'none' stands alone, it means no hooks"),
        ] {
            assert_eq!(options(&["ls"], &[(name, value)]).unwrap_err(), error);
        }
    }

    #[test]
    fn a_variable_one_typo_away_is_noticed_and_a_services_is_not() {
        assert_eq!(meant("WRAPPER_HOOK_TIMOUT"), Some("WRAPPER_HOOK_TIMEOUT"));
        assert_eq!(meant("WRAPPER_PLUGINS_PATH"), Some("WRAPPER_PLUGIN_PATH"));
        assert_eq!(meant("WRAPPER_LOG_LEVEL"), Some("WRAPPER_LOG"));
        assert_eq!(meant("WRAPPER_PLUGIN"), Some("WRAPPER_PLUGIN_PATH"));
        assert_eq!(meant("WRAPPER_SERVICE_HOST"), None);
        assert_eq!(meant("WRAPPER_LOG"), None);
        assert_eq!(meant("PATH"), None);
    }
}
