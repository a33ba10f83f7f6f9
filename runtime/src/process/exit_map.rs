//! Exit codes that are to be reported as others.

use std::str::FromStr;

/// Pairs of exit codes: what the job's is, what the wrapper's shall be. The first that fits counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExitMap(Vec<Mapping>);

/// One exit code that is to be reported as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    from: u8,
    to: u8,
}

impl ExitMap {
    /// The code to report.
    pub fn apply(&self, code: u8) -> u8 {
        self.0.iter().find(|mapping| mapping.from == code).map_or(code, |mapping| mapping.to)
    }
}

impl From<Vec<Mapping>> for ExitMap {
    fn from(mappings: Vec<Mapping>) -> Self {
        Self(mappings)
    }
}

impl FromStr for Mapping {
    type Err = String;

    /// `FROM=TO`, or `FROM` alone, which means `FROM=0` as in tini.
    fn from_str(text: &str) -> Result<Self, String> {
        let (from, to) = text.split_once('=').unwrap_or((text, "0"));
        match (from.parse(), to.parse()) {
            (Ok(from), Ok(to)) => Ok(Self { from, to }),
            _ => Err(format!("'{text}' is not FROM=TO with exit codes from 0 to 255, such as 143=0")),
        }
    }
}

impl FromStr for ExitMap {
    type Err = String;

    /// Mappings with commas between.
    fn from_str(text: &str) -> Result<Self, String> {
        text.split(',').map(|mapping| mapping.trim().parse()).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_fits_counts_and_a_code_alone_becomes_0() {
        let map: ExitMap = "143,1=3,1=4".parse().unwrap();
        assert_eq!([143, 1, 3, 0].map(|code| map.apply(code)), [0, 3, 3, 0]);
    }

    #[test]
    fn what_is_no_exit_code_is_refused() {
        for text in ["", "256", "-1=0", "1=", "=1", "1=2=3", "1 = 2", "x"] {
            assert!(text.parse::<Mapping>().is_err(), "{text}");
        }
    }
}
