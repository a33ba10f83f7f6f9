//! Options and the environment. The option wins over the variable, the variable over the default; an empty variable
//! counts as unset.

mod arguments;
mod environment;
mod preview;

pub use environment::{meant, warn_of_typos};
pub use preview::Preview;

use crate::{
    plugin::PluginSpec,
    process::{Behaviour, Command, ExitMap, Words, code},
    report::{self, LogFormat, LogLevel},
};
use arguments::Arguments;
use environment::{setting, switch};
use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

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
        /// Form of the log.
        format: LogFormat,
    },
}

/// How it is to be run.
#[derive(Debug)]
pub struct Options {
    /// The plugins, in the order in which their hooks run.
    pub plugins: Vec<PluginSpec>,
    /// The time limit of all after-exit hooks together, if the user set one.
    pub hook_timeout: Option<Duration>,
    /// The time limit of checking plugin files and of all before-start hooks together, if the user set one.
    pub start_timeout: Option<Duration>,
    /// What a failed after-exit hook does to the exit code.
    pub on_hook_failure: OnHookFailure,
    /// How the init behaves.
    pub behaviour: Behaviour,
    /// Exit codes that are to be reported as others.
    pub map_exit: ExitMap,
    /// Where compiled plugins are kept.
    pub cache: Option<PathBuf>,
    /// Where an account of the run is to be written, or why it cannot be.
    pub report: Option<Result<PathBuf, String>>,
    /// Form of the log.
    pub log_format: LogFormat,
    /// The least of what is logged.
    pub log_level: LogLevel,
}

impl Invocation {
    /// Reads the arguments and the environment. Where there is nothing to do, says why on stderr (or the help that was
    /// asked for on stdout) and returns the exit code.
    pub fn read(words: Words) -> Result<Self, u8> {
        let (arguments, command_at) = match Arguments::of(words) {
            Ok(parsed) => parsed,
            Err(answer) if !answer.use_stderr() => {
                // Nothing can be done about a closed stdout.
                drop(answer.print());
                return Err(0);
            }
            Err(error) => {
                refuse(likely_format(None, words.iter()), &usage_error(&error.render().to_string()));
                return Err(code::REFUSED);
            }
        };
        let format = likely_format(arguments.log_format, words.iter().take(command_at));
        if let Some(path) = arguments.install {
            return Ok(Self::Install { path, force: arguments.force, format });
        }
        let command = if arguments.check { None } else { words.command(command_at) };
        let options = Options::with_environment(arguments, environment::variable).map_err(|error| {
            refuse(format, &error);
            code::REFUSED
        })?;
        let options = Box::new(options);
        Ok(match command {
            Some(command) => Self::Run(command, options),
            None => Self::Check(options),
        })
    }
}

/// The form of the log, as far as it can be told where the options are not understood.
fn likely_format<'a>(option: Option<LogFormat>, words: impl Iterator<Item = &'a OsStr>) -> LogFormat {
    let mut words = words.filter_map(OsStr::to_str).take_while(|word| *word != "--");
    let given = || match words.find(|word| word.starts_with("--log-format"))?.split_once('=') {
        Some((_, value)) => value.parse().ok(),
        None => words.next()?.parse().ok(),
    };
    let variable = || environment::variable("WRAPPER_LOG_FORMAT")?.to_str()?.trim().parse().ok();
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
        // What a file or a manifest has around a value, such as the end of its line, is no part of it.
        let text = |name: &str| {
            let value = variable(name).map(OsString::into_string).transpose();
            let value = value.map_err(|value| format!("{name}: {value:?} is not UTF-8"))?;
            Ok::<_, String>(value.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty()))
        };
        let report = setting(arguments.report, "WRAPPER_REPORT", &text, path)?.map(|path| absolute(&path));
        Ok(Self {
            plugins: match (arguments.plugins.as_slice(), text("WRAPPER_PLUGIN_PATH")?) {
                ([], None) => {
                    let mut plugins = parse_plugins(["istio-quit"], "default")?;
                    plugins.iter_mut().for_each(|plugin| plugin.is_default = true);
                    plugins
                }
                ([], Some(path)) => parse_plugins(
                    path.split(':').map(str::trim).filter(|spec| !spec.is_empty()),
                    "WRAPPER_PLUGIN_PATH",
                )?,
                (specs, _) => parse_plugins(specs.iter().map(String::as_str), "--plugin")?,
            },
            hook_timeout: setting(arguments.hook_timeout, "WRAPPER_HOOK_TIMEOUT", &text, parse_duration)?,
            start_timeout: setting(arguments.start_timeout, "WRAPPER_START_TIMEOUT", &text, parse_duration)?,
            on_hook_failure: setting(arguments.on_hook_failure, "WRAPPER_ON_HOOK_FAILURE", &text, str::parse)?
                .unwrap_or_default(),
            behaviour: Behaviour {
                group: switch(arguments.group, "WRAPPER_GROUP", &text)?,
                subreaper: switch(arguments.subreaper, "WRAPPER_SUBREAPER", &text)?,
                parent_death: setting(arguments.pdeathsig, "WRAPPER_PDEATHSIG", &text, str::parse)?,
                grace: setting(arguments.grace, "WRAPPER_GRACE", &text, parse_duration)?,
                wait_all: setting(arguments.wait_all, "WRAPPER_WAIT_ALL", &text, parse_duration)?,
                lets_go: true,
                written_at_the_end: report.as_ref().and_then(|path| path.clone().ok()),
            },
            map_exit: match arguments.map_exit {
                none if none.is_empty() => setting(None, "WRAPPER_MAP_EXIT", &text, str::parse)?.unwrap_or_default(),
                mappings => mappings.into(),
            },
            cache: setting(arguments.cache, "WRAPPER_CACHE", &text, path)?,
            report,
            log_format: setting(arguments.log_format, "WRAPPER_LOG_FORMAT", &text, str::parse)?.unwrap_or_default(),
            log_level: setting(arguments.log_level, "WRAPPER_LOG", &text, str::parse)?.unwrap_or_default(),
        })
    }
}

fn path(text: &str) -> Result<PathBuf, String> {
    Ok(PathBuf::from(text))
}

/// A path that stays the same when the wrapper moves to `/`, or why there is none, such as in a folder that was removed: that is
/// no reason not to start a job.
fn absolute(path: &Path) -> Result<PathBuf, String> {
    let why = |error| format!("{}: there is no working directory: {}", path.display(), report::os_words(&error));
    std::path::absolute(path).map_err(why)
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

#[cfg(test)]
mod tests {
    use super::{environment::VARIABLES, *};
    use crate::process::Signal;
    use clap::Parser as _;

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

    /// What becomes of a command line: the options, and the command.
    fn read(words: &[&str]) -> (String, Vec<String>) {
        let words = Words::of(&[&["wrapper"], words].concat());
        let (mut arguments, at) = Arguments::of(words).unwrap();
        arguments.command.clear();
        (format!("{arguments:?}"), words.iter().skip(at).map(|word| word.to_str().unwrap().into()).collect())
    }

    #[test]
    fn a_command_begins_where_clap_says() {
        for words in [
            &["ls"][..],
            &["ls", "-l", "--log-level", "x", "--", "-h"],
            &["--", "ls", "--"],
            &["--", "--", "-l"],
            &[""],
            &["-"],
            &["-g", "ls", "--", "-g"],
            &["--plugin", "none", "--", "ls"],
            &["--check"],
            &["--check", "--plugin", "none"],
        ] {
            let mut parsed = Arguments::try_parse_from([&["wrapper"], words].concat()).unwrap();
            let command = std::mem::take(&mut parsed.command);
            let command: Vec<_> = command.into_iter().map(|word| word.into_string().unwrap()).collect();
            assert_eq!(read(words), (format!("{parsed:?}"), command));
        }
        for words in [&[][..], &["--"], &["-l"], &["--plugin", "none"]] {
            assert!(Arguments::of(Words::of(&[&["wrapper"], words].concat())).is_err(), "{words:?}");
        }
    }

    #[test]
    fn a_command_may_come_late_and_be_long() {
        for options in [0, 1, 31, 32, 33, 100, 3000] {
            let options = ["--plugin", "echo"].repeat(options);
            let command = ["x"].repeat(5000);
            let (arguments, rest) = read(&[options.as_slice(), &command].concat());
            assert_eq!(arguments.matches("echo").count(), options.len() / 2);
            assert_eq!(rest, command);
            let missing = [&["wrapper"], options.as_slice()].concat();
            assert!(Arguments::of(Words::of(&missing)).is_err());
        }
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
        assert_eq!(options(&["ls"]).hook_timeout, Some(Duration::from_secs(5)));
        assert_eq!(options(&["--hook-timeout", "1m30s", "ls"]).hook_timeout, Some(Duration::from_secs(90)));
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
        assert_eq!((options.hook_timeout, options.start_timeout), (None, None));
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
}
