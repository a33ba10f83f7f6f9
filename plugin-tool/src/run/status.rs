//! How the job ended that there never was.

use std::{fmt, str::FromStr};
use wrapper::{process::Signal, sandbox::bindings::wrapper::hook::types::ExitStatus};

/// An end as a user writes it: `exited:3`, `signaled:9`, `not-started:why`.
#[derive(Clone, Debug)]
pub struct Status(pub ExitStatus);

impl Default for Status {
    fn default() -> Self {
        Self(ExitStatus::Exited(0))
    }
}

impl FromStr for Status {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let invalid = || format!("'{text}' is not an end of a job; write exited:3, signaled:9 or not-started:why");
        let (kind, value) = text.split_once(':').ok_or_else(invalid)?;
        Ok(Self(match kind {
            "exited" => ExitStatus::Exited(
                value.parse().map_err(|_| format!("'{value}' is not an exit code, which is from 0 to 255"))?,
            ),
            "signaled" => {
                let signal: Signal = value.parse()?;
                ExitStatus::Signaled(u8::try_from(signal.number()).map_err(|_| invalid())?)
            }
            "not-started" => ExitStatus::NotStarted(value.to_owned()),
            _ => return Err(invalid()),
        }))
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            ExitStatus::Exited(code) => write!(f, "exited:{code}"),
            ExitStatus::Signaled(signal) => write!(f, "signaled:{signal}"),
            ExitStatus::NotStarted(why) => write!(f, "not-started:{why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_read() {
        for text in ["exited:0", "exited:255", "signaled:9", "not-started:no: such file", "not-started:"] {
            assert_eq!(text.parse::<Status>().unwrap().to_string(), text);
        }
        assert_eq!("signaled:KILL".parse::<Status>().unwrap().to_string(), "signaled:9");
        for text in ["", "3", "exited", "exited:256", "exited:-1", "signaled:0", "ended:1"] {
            assert!(text.parse::<Status>().is_err(), "{text}");
        }
    }
}
