//! One server to be asked: what the table says, and what the user says otherwise.

use crate::{
    settings::Settings,
    table::{Call, Sidecar},
};
use std::{fmt, ops::RangeInclusive};
use wrapper_hook::localhost::{Request, Response, Url, UrlError};

/// A server, and the request that it gets.
pub struct Target<'a> {
    sidecar: &'static Sidecar,
    call: &'static Call,
    settings: &'a Settings,
    url: Url,
    /// What is to be sent, but for the time that it may take.
    pub request: Request,
    /// Where the user says otherwise.
    method: Option<String>,
    granted: Option<Vec<RangeInclusive<u16>>>,
}

impl<'a> Target<'a> {
    /// Those that the user means, or what is wrong with one: the default, or several with commas or blanks between them.
    pub fn all(sidecar: &'static Sidecar, call: &'static Call, settings: &'a Settings) -> Vec<Result<Self, String>> {
        let urls: Vec<Result<Url, String>> = match settings.own("URL") {
            Some((name, text)) => {
                urls(text).into_iter().map(|url| url.map_err(|error| format!("{name}: {error}"))).collect()
            }
            // The generic pair has no default.
            None if sidecar.source.is_empty() => {
                vec![Err(format!("{} is not set; it says what to ask", settings.name("URL")))]
            }
            None => vec![Ok(Url { port: call.port, path: call.path.to_owned() })],
        };
        let method = settings.own_value("METHOD", method);
        let headers = settings.own_value("HEADERS", headers);
        let granted = settings.own_value("STATUS", statuses);
        let targets = urls.into_iter().map(|url| {
            let url = url?;
            let mut request = Request::new(method.as_deref().unwrap_or(call.method), url.port, &url.path);
            let fixed = call.header.map(|(name, value)| (name.to_owned(), value.to_owned()));
            let token =
                call.token.and_then(|(name, variable)| Some((name.to_owned(), settings.text(variable)?.to_owned())));
            for (name, value) in headers.iter().flatten().cloned().chain(token).chain(fixed) {
                request = request.header(&name, &value);
            }
            let (method, granted) = (method.clone(), granted.clone());
            Ok(Self { sidecar, call, settings, url, request, method, granted })
        });
        targets.collect()
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.url.port
    }

    /// What people call it.
    pub fn title(&self) -> &'static str {
        self.sidecar.title
    }

    /// Whether it answers only when it is ready.
    pub fn blocks(&self) -> bool {
        self.call.blocks
    }

    /// The variable that sets port and path.
    pub fn setting(&self) -> String {
        self.settings.name("URL")
    }

    /// Whether this answer grants what was asked.
    pub fn grants(&self, response: &Response) -> bool {
        let status = response.status;
        match &self.granted {
            Some(ranges) => ranges.iter().any(|range| range.contains(&status)),
            None => (200..=299).contains(&status),
        }
    }

    /// Another answer in words: what it means, and what to change.
    pub fn explain(&self, response: &Response) -> String {
        let (status, title, setting) = (response.status, self.title(), self.setting());
        let method = self.method.as_deref().unwrap_or(self.call.method);
        let hint = match self.call.hints.iter().find(|(known, _)| *known == status) {
            Some((_, hint)) => (*hint).to_owned(),
            None if status == 404 => {
                format!("what listens there does not know the path; is it {title}? {setting} sets port and path")
            }
            None if status == 405 => {
                format!("what listens there does not take {method}; is it {title}? {setting} sets port and path")
            }
            None if status >= 500 => "it could not do it; its own log says why".to_owned(),
            None => format!("not an answer that {title} gives; {setting} sets port and path"),
        };
        // Without the query, which may hold a secret.
        let path = self.url.path.split('?').next().unwrap_or_default();
        format!("http://localhost:{}{path} answered {status}: {hint}", self.url.port)
    }
}

/// Where it is.
impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "localhost:{}", self.url.port)
    }
}

fn urls(text: &str) -> Vec<Result<Url, String>> {
    let words: Vec<_> = text.split([',', ' ', '\t', '\n']).filter(|word| !word.is_empty()).collect();
    if words.is_empty() {
        return vec![Err("it has no URL; write one as http://localhost:PORT/PATH".to_owned())];
    }
    // A password may have been taken apart, and would be shown.
    let is_shown = words.len() == 1 || !text.contains('@');
    let error =
        |error: UrlError| if is_shown { error.to_string() } else { "a URL of it is not on this host".to_owned() };
    words.into_iter().map(|word| word.parse().map_err(error)).collect()
}

fn method(text: &str) -> Result<String, String> {
    if text.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Ok(text.to_owned());
    }
    Err(format!("'{text}' is not a method; write it as POST"))
}

/// `Name: value`, one a line.
fn headers(text: &str) -> Result<Vec<(String, String)>, String> {
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
    fn urls_stand_side_by_side() {
        let ports = |text| urls(text).into_iter().map(|url| url.map(|url| url.port).ok()).collect::<Vec<_>>();
        assert_eq!(ports("http://localhost:1/a, http://localhost:2/b%2Cc,"), [Some(1), Some(2)]);
        assert_eq!(ports("http://localhost:1/ https://localhost:2/"), [Some(1), None]);
        assert_eq!(ports(" , "), [None]);
        assert!(urls("http://a:s3c,ret@localhost/").iter().all(|url| !url.as_ref().unwrap_err().contains("s3c")));
    }

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
