//! What a wrapper would do with a command line and an environment that are not this process's: `wrapper-plugin doctor` finds them in a
//! pod.

use super::{Arguments, Options, usage_error};
use clap::Parser as _;
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

/// What a wrapper would do.
#[derive(Debug)]
pub enum Preview {
    /// It runs a program.
    Run {
        /// How it is run.
        options: Box<Options>,
        /// Where the account of the run goes, as it was written.
        report: Option<PathBuf>,
        /// Whether the command line names the plugins. Then no variable does.
        are_plugins_options: bool,
        /// The program and its arguments.
        command: Vec<OsString>,
    },
    /// It copies itself there.
    Install(PathBuf),
    /// It tells something, such as its version, and ends.
    Tell,
}

impl Preview {
    /// Reads the words, of which the first is the wrapper itself, and the variables. The error is what the wrapper would log.
    pub fn read(words: &[OsString], variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, String> {
        let arguments = match Arguments::try_parse_from(words) {
            Ok(arguments) => arguments,
            Err(answer) if !answer.use_stderr() => return Ok(Self::Tell),
            Err(error) => return Err(usage_error(&error.render().to_string())),
        };
        if let Some(path) = arguments.install {
            return Ok(Self::Install(path));
        }
        if arguments.check {
            return Ok(Self::Tell);
        }
        let written = || variable("WRAPPER_REPORT")?.to_str().map(|path| Path::new(path.trim()).to_owned());
        let report = arguments.report.clone().or_else(written).filter(|path| !path.as_os_str().is_empty());
        let are_plugins_options = !arguments.plugins.is_empty();
        let command = arguments.command.clone();
        let options = Box::new(Options::with_environment(arguments, variable)?);
        Ok(Self::Run { options, report, are_plugins_options, command })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str], environment: &[(&str, &str)]) -> Result<Preview, String> {
        let words: Vec<_> = words.iter().map(OsString::from).collect();
        Preview::read(&words, |name| {
            environment.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn it_is_read_as_the_wrapper_reads_its_own() {
        let environment = [("WRAPPER_PLUGIN_PATH", "echo"), ("WRAPPER_REPORT", "out/report")];
        let Ok(Preview::Run { options, report, are_plugins_options, command }) =
            read(&["/wrapper", "ls"], &environment)
        else {
            panic!("it runs ls");
        };
        assert_eq!((options.plugins.len(), are_plugins_options, command.len()), (1, false, 1));
        assert_eq!(report, Some(PathBuf::from("out/report")));
        assert!(
            matches!(read(&["wrapper", "--install", "/x"], &[]), Ok(Preview::Install(path)) if path == Path::new("/x"))
        );
        assert!(matches!(read(&["wrapper", "--version"], &[]), Ok(Preview::Tell)));
        let error = read(&["wrapper", "ls"], &[("WRAPPER_GRACE", "30")]).unwrap_err();
        assert_eq!(error, "WRAPPER_GRACE: '30' is not a duration; write it as 20s or 1m30s");
        assert!(read(&["wrapper", "--hook-timeuot", "1s", "ls"], &[]).unwrap_err().contains("'--hook-timeout'"));
    }
}
