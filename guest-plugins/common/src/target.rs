//! One server to be asked: what the table says, and what the user says otherwise.

use crate::{
    said::Said,
    settings::Settings,
    table::{Body, Call, Sidecar, TLS},
};
use std::{cell::Cell, fmt, time::Duration};
use wrapper_hook::localhost::{Error, Request, Response, Url, UrlError};

/// What is shown of an answer's body, in characters.
const SHOWN: usize = 80;

/// A server, and the request that it gets.
pub struct Target<'a> {
    sidecar: &'static Sidecar,
    call: &'static Call,
    settings: &'a Settings,
    /// Where it may be: asked in this order, if nothing listens.
    urls: Vec<Url>,
    /// Which of them was asked last, or answered.
    current: Cell<usize>,
    said: Said,
}

impl Call {
    /// The variable of an operator that has URLs, if it is set.
    pub fn known_by(&self, settings: &Settings) -> Option<&'static str> {
        self.operator.0.iter().copied().find(|variable| settings.text(variable).is_some())
    }
}

impl<'a> Target<'a> {
    /// Those that the user or an operator means, or what is wrong with one: the default, or several with commas or blanks
    /// between them.
    pub fn all(sidecar: &'static Sidecar, call: &'static Call, settings: &'a Settings) -> Vec<Result<Self, String>> {
        let said = match Said::new(call, settings) {
            Ok(said) => said,
            Err(why) => return vec![Err(why)],
        };
        let operator = || call.known_by(settings).and_then(|name| Some((name, settings.text(name)?)));
        let urls: Vec<_> = match settings.own("URL").or_else(operator) {
            Some((name, text)) => {
                urls(text).into_iter().map(|url| Ok(vec![url.map_err(|error| format!("{name}: {error}"))?])).collect()
            }
            // The generic pair has no default.
            None if sidecar.source.is_empty() => {
                vec![Err(format!("{} is not set; it says what to ask", settings.name("URL")))]
            }
            None => vec![Ok(default_urls(call, settings))],
        };
        let target = |urls| Self { sidecar, call, settings, urls, current: Cell::new(0), said: said.clone() };
        urls.into_iter().map(|urls| urls.map(target)).collect()
    }

    /// Where a sidecar that is asked to quit tells whether it is ready, if that is known.
    pub fn readiness(sidecar: &'static Sidecar, settings: &'a Settings) -> Option<Self> {
        let call = sidecar.wait.as_ref()?;
        let variable = format!("HOOK_{}_WAIT_URL", sidecar.name.replace('-', "_").to_ascii_uppercase());
        let urls = match settings.text(&variable) {
            Some(text) => vec![urls(text).into_iter().next()?.ok()?],
            None if sidecar.source.is_empty() => return None,
            None => default_urls(call, settings),
        };
        Some(Self { sidecar, call, settings, urls, current: Cell::new(0), said: Said::default() })
    }

    /// Asks it, within this time.
    pub fn send(&self, timeout: Duration) -> Result<Response, Error> {
        let mut kept: Option<(usize, Result<Response, Error>)> = None;
        for (index, url) in self.urls.iter().enumerate() {
            let mut request = Request::to(self.method(), url).timeout(timeout);
            for (name, value) in &self.said.headers {
                request = request.header(name, value);
            }
            let answer = request.send_for_status();
            // Another program may have the port.
            let is_elsewhere = matches!(answer, Err(Error::Refused) | Ok(Response { status: 404, .. }));
            if !is_elsewhere {
                self.current.set(index);
                return answer;
            }
            // An answer says more than none.
            if kept.is_none() || answer != Err(Error::Refused) && matches!(kept, Some((_, Err(_)))) {
                kept = Some((index, answer));
            }
        }
        let (index, answer) = kept.unwrap_or((0, Err(Error::Refused)));
        self.current.set(index);
        answer
    }

    /// Whether the last answer came from a port that is asked only if nothing listens on the first: another program may have it.
    pub fn is_second(&self) -> bool {
        self.current.get() > 0
    }

    fn method(&self) -> &str {
        self.said.method.as_deref().unwrap_or(self.call.method)
    }

    /// The URL that answered last.
    pub fn url(&self) -> &Url {
        &self.urls[self.current.get()]
    }

    /// What people call it.
    pub fn title(&self) -> &'static str {
        self.sidecar.title
    }

    /// What a closed port may mean, and what to change.
    pub fn refused(&self) -> &'static str {
        self.call.refused
    }

    /// The same in any case.
    pub fn refused_hint(&self) -> String {
        let setting = || format!("{} sets port and path", self.settings.name("URL"));
        Some(self.call.refused).filter(|hint| !hint.is_empty()).map_or_else(setting, str::to_owned)
    }

    /// Whether this answer grants what was asked.
    pub fn grants(&self, response: &Response) -> bool {
        let status = response.status;
        match &self.said.granted {
            Some(ranges) => ranges.iter().any(|range| range.contains(&status)),
            // Header fields that could not be understood may have been those.
            None => {
                let is_void =
                    |(name, value): (&str, &str)| response.headers.is_empty() || response.header(name) == Some(value);
                (200..=299).contains(&status) && !self.call.void.is_some_and(is_void)
            }
        }
    }

    /// Another answer in words: what it means, and what to change.
    pub fn explain(&self, response: &Response) -> String {
        let status = response.status;
        let body = response.text();
        let fits = |wanted: Body| match wanted {
            Body::Any => true,
            Body::Empty => body.trim().is_empty(),
            Body::With(text) => body.contains(text),
        };
        let place = format!("{} answered {status}", self.url());
        if status == 400 && TLS.iter().any(|text| body.contains(text)) {
            return format!(
                "{place}: it speaks TLS on that port, and a hook speaks plain HTTP; give it a port without TLS on localhost"
            );
        }
        if let (401, Some(variable)) = (status, self.said.token) {
            return format!("{place}: it does not take the token of {variable}");
        }
        if let Some(hint) = self.call.hints.iter().find(|hint| hint.status == status && fits(hint.body)) {
            return format!("{place}: {}", hint.says);
        }
        let (title, setting) = (self.title(), self.settings.name("URL"));
        let hint = match status {
            401 => format!("it wants credentials; {} sends them", self.settings.name("HEADERS")),
            404 => format!("what listens there does not know the path; is it {title}? {setting} sets port and path"),
            405 => format!(
                "what listens there does not take {}; is it {title}? {setting} sets port and path",
                self.method()
            ),
            500.. => "it could not do it; its own log says why".to_owned(),
            _ => format!("{setting} sets port and path"),
        };
        format!("{place}{}: {hint}", self.quoted(&body))
    }

    /// Why there is no answer.
    pub fn reason(&self, error: &Error) -> String {
        match error {
            Error::Denied(_) | Error::Other(_) => format!("{error}; {} sets port and path", self.settings.name("URL")),
            error => error.to_string(),
        }
    }

    /// What is shown of a body: nothing if the request had what may be a secret, as a server may repeat it.
    fn quoted(&self, body: &str) -> String {
        if self.said.may_be_secret || self.url().path.contains('?') { String::new() } else { quoted(body) }
    }
}

/// The first line of a body in quotes, after a blank, if it is text for people.
pub fn quoted(body: &str) -> String {
    let line = body.trim_start().lines().next().unwrap_or_default().trim_end();
    if line.is_empty() || line.starts_with('<') {
        return String::new();
    }
    let printable = |letter: char| if letter.is_control() { '?' } else { letter };
    let shown: String = line.chars().take(SHOWN).map(printable).collect();
    format!(" \"{shown}\"{}", if line.chars().count() > SHOWN { "..." } else { "" })
}

/// Where it is.
impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url().place())
    }
}

/// What the table says, with the port of an operator's variable.
fn default_urls(call: &Call, settings: &Settings) -> Vec<Url> {
    let port = call.operator.1.and_then(|variable| {
        settings.value(variable, |text| {
            text.parse().ok().filter(|port| *port != 0).ok_or_else(|| format!("'{text}' is not a port from 1 to 65535"))
        })
    });
    let first = Url::new(port.unwrap_or(call.port), call.path);
    let other = call.or.filter(|_| port.is_none()).map(|(port, path)| Url::new(port, path));
    [first].into_iter().chain(other).collect()
}

fn urls(text: &str) -> Vec<Result<Url, String>> {
    let words: Vec<_> = text.split([',', ' ', '\t', '\n']).filter(|word| !word.is_empty()).collect();
    if words.is_empty() {
        return vec![Err("it has no URL; write one as http://localhost:PORT/PATH".to_owned())];
    }
    // A password may have been taken apart, and would be shown.
    let is_shown = words.len() == 1 || !text.contains('@');
    let error =
        |error: UrlError| if is_shown { error.to_string() } else { "a URL in it is not on this host".to_owned() };
    words.into_iter().map(|word| word.parse().map_err(error)).collect()
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
}
