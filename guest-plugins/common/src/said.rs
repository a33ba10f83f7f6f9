//! What the user says of the requests of a plugin: method, header fields, and the statuses that grant what is asked.

use crate::{settings::Settings, table::Call};
use std::ops::RangeInclusive;

/// What the user says of all servers of a plugin.
#[derive(Clone, Default)]
pub struct Said {
    /// Instead of the table's.
    pub method: Option<String>,
    /// Instead of 200 to 299.
    pub granted: Option<Vec<RangeInclusive<u16>>>,
    /// All header fields that are sent.
    pub headers: Vec<(String, String)>,
    /// Whether one of them is the user's: it may be a secret.
    pub may_be_secret: bool,
    /// The variable that the token is from.
    pub token: Option<&'static str>,
}

impl Said {
    /// What can never be sent is an error, which names the variable.
    pub fn new(call: &Call, settings: &Settings) -> Result<Self, String> {
        let mut fields = settings.own_value("HEADERS", headers).unwrap_or_default();
        for (name, value) in &fields {
            is_sendable(name, value).map_err(|why| format!("{}: {why}", settings.name("HEADERS")))?;
        }
        let mut token = None;
        if let Some((name, variables)) = call.token
            && let Some((variable, value)) = variables.into_iter().find_map(|name| Some((name, settings.text(name)?)))
        {
            is_sendable(name, value).map_err(|why| format!("{variable}: {why}"))?;
            fields.push((name.to_owned(), value.to_owned()));
            token = Some(variable);
        }
        let may_be_secret = !fields.is_empty();
        fields.extend(call.header.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let (method, granted) = (settings.own_value("METHOD", method), settings.own_value("STATUS", statuses));
        Ok(Self { method, granted, headers: fields, may_be_secret, token })
    }
}

/// Whether this can be a header field (RFC 9110, 5.1 and 5.5), and why not. The value may be a secret.
pub fn is_sendable(name: &str, value: &str) -> Result<(), String> {
    let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_of_name) {
        return Err("a name in it is not that of a header field".to_owned());
    }
    if OWN.iter().any(|own| name.eq_ignore_ascii_case(own)) {
        return Err(format!("the wrapper itself sets the header {name}"));
    }
    if value.bytes().all(|byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f)) {
        return Ok(());
    }
    Err(format!("the value of the header {name} has a control character in it, such as a newline"))
}

/// The header fields that a hook may not set.
const OWN: [&str; 9] = [
    "connection",
    "content-length",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
];

fn method(text: &str) -> Result<String, String> {
    if text.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Ok(text.to_owned());
    }
    Err(format!("'{text}' is not a method; write it as POST"))
}

/// `Name: value`, one a line.
pub fn headers(text: &str) -> Result<Vec<(String, String)>, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| match line.split_once(':') {
            Some((name, value)) if !name.is_empty() && !name.contains(' ') => {
                Ok((name.to_owned(), value.trim().to_owned()))
            }
            // It may be a secret.
            _ => Err("a line of it is not a header field; write each as 'Name: value'".to_owned()),
        })
        .collect()
}

/// `200-299,304`.
fn statuses(text: &str) -> Result<Vec<RangeInclusive<u16>>, String> {
    let status = |text: &str| text.parse().ok().filter(|status| (100..600).contains(status));
    let range = |part: &str| {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        Some(status(from)?..=status(to)?).filter(|range| !range.is_empty())
    };
    let ranges: Option<Vec<_>> = text.split(',').map(|part| range(part.trim())).collect();
    ranges.ok_or_else(|| format!("'{text}' is not a list of statuses; write it as 200-299,304"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_stand_one_a_line() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(headers("A: b\nc:d: e\n\n"), Ok(vec![pair("A", "b"), pair("c", "d: e")]));
        for text in ["A", ": b", "a b: c"] {
            let error = headers(text).unwrap_err();
            assert!(error.contains("'Name: value'") && !error.contains(text), "{error}");
        }
    }

    #[test]
    fn statuses_are_numbers_and_ranges() {
        assert_eq!(statuses("204"), Ok(vec![204..=204]));
        assert_eq!(statuses("200-299, 404"), Ok(vec![200..=299, 404..=404]));
        for text in ["", "ok", "99", "600", "299-200", "200,", "1-2-3"] {
            assert!(statuses(text).is_err(), "{text}");
        }
    }
}
