//! A signal: its number, its name, and what it asks for.

use std::{fmt, str::FromStr};

/// A signal's number, from 1 to [`Signal::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal(i32);

/// Names of 1 to 31 on Linux, where they differ on no CPU that Rust's `linux-gnu` targets but MIPS and SPARC (signal(7)).
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
    "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO",
    "PWR", "SYS",
];

/// SIGRTMIN as glibc has it, and so `kill -l`. musl, which this program may be linked with, begins at 35.
const FIRST_REAL_TIME: i32 = 34;

impl Signal {
    /// The last real-time signal.
    pub const MAX: i32 = 64;
    /// Ends, with a word.
    pub const TERM: Self = Self(libc::SIGTERM);
    /// Ends, without.
    pub const KILL: Self = Self(libc::SIGKILL);
    /// Goes on after a stop.
    pub const CONT: Self = Self(libc::SIGCONT);
    /// A timer has run out.
    pub const ALRM: Self = Self(libc::SIGALRM);
    /// A child has ended, stopped or gone on.
    pub const CHLD: Self = Self(libc::SIGCHLD);
    /// Stops, and cannot be caught.
    pub const STOP: Self = Self(libc::SIGSTOP);
    /// Stops a process in the background that reads from the terminal.
    pub const TTIN: Self = Self(libc::SIGTTIN);
    /// Stops one that sets or writes to it.
    pub const TTOU: Self = Self(libc::SIGTTOU);
    /// Ctrl-Z.
    pub const TSTP: Self = Self(libc::SIGTSTP);

    /// The signal of that number, if there is one.
    pub fn new(number: i32) -> Option<Self> {
        (1..=Self::MAX).contains(&number).then_some(Self(number))
    }

    /// Its number.
    pub fn number(self) -> i32 {
        self.0
    }

    /// 128 and its number: the exit code that says it ended a process.
    pub fn exit_code(self) -> u8 {
        super::code::SIGNALED + self.0 as u8
    }

    /// Whether it is one of those by which a person, a shell or a kubelet asks a program to end.
    pub fn asks_to_end(self) -> bool {
        matches!(self.0, libc::SIGTERM | libc::SIGINT | libc::SIGHUP | libc::SIGQUIT)
    }

    /// Whether a kubelet, a shell or an image's `STOPSIGNAL` ends a program with it. SIGHUP mostly asks to read files again.
    pub fn ends_a_pod(self) -> bool {
        matches!(self.0, libc::SIGTERM | libc::SIGINT | libc::SIGQUIT)
    }

    /// Whether the grace period begins with it.
    pub fn begins_grace(self) -> bool {
        matches!(self.0, libc::SIGTERM | libc::SIGINT)
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.get(self.0 as usize - 1) {
            Some(name) => write!(f, "SIG{name}"),
            None if self.0 == FIRST_REAL_TIME => f.write_str("SIGRTMIN"),
            None if self.0 > FIRST_REAL_TIME => write!(f, "SIGRTMIN+{}", self.0 - FIRST_REAL_TIME),
            None => write!(f, "signal {}", self.0),
        }
    }
}

impl FromStr for Signal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        let number = match name.strip_prefix("RTMIN+") {
            Some(offset) => offset.parse().ok().and_then(|offset: u8| FIRST_REAL_TIME.checked_add(offset.into())),
            None if name == "RTMIN" => Some(FIRST_REAL_TIME),
            None => match NAMES.iter().position(|known| *known == name) {
                Some(position) => i32::try_from(position + 1).ok(),
                None => text.parse().ok(),
            },
        };
        // Those between have no name, as they are the C library's own (nptl(7)).
        let named = number.and_then(Self::new).filter(|signal| signal.0 < 32 || signal.0 >= FIRST_REAL_TIME);
        named.ok_or_else(|| format!("'{text}' is not a signal; write SIGTERM, TERM or 15"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_the_names_of_the_manual_page() {
        for (number, name) in [(1, "SIGHUP"), (9, "SIGKILL"), (31, "SIGSYS"), (34, "SIGRTMIN"), (64, "SIGRTMIN+30")] {
            let signal = Signal::new(number).unwrap();
            assert_eq!(signal.to_string(), name);
            assert_eq!(name.parse(), Ok(signal));
        }
        assert_eq!(Signal::new(32).unwrap().to_string(), "signal 32");
    }

    #[test]
    fn a_signal_may_be_written_in_three_ways() {
        for text in ["SIGTERM", "TERM", "sigterm", "term", "15"] {
            assert_eq!(text.parse(), Ok(Signal::TERM), "{text}");
        }
        for text in ["", "0", "65", "-1", "SIG", "SIGNONE", "15 ", "33", "RTMIN+31", "RTMIN+-1"] {
            assert!(text.parse::<Signal>().is_err(), "{text}");
        }
    }
}
