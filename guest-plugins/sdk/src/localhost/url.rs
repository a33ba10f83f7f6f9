//! URLs that name this host, for settings such as `HOOK_ISTIO_QUIT_URL`.

use std::{fmt, str::FromStr};

/// `http://localhost:PORT/PATH`: the host may also be written `127.0.0.1` or `[::1]`, and port 80 may be left out.
///
/// The three hosts mean the same, since [`Request`](super::Request) tries 127.0.0.1 first and then ::1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// The TCP port.
    pub port: u16,
    /// Path and query, beginning with `/`.
    pub path: String,
}

/// What was written instead of a URL on this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlError(String);

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without what may be a password.
        let (before, after) = self.0.rsplit_once('@').unwrap_or(("", &self.0));
        let hidden = if before.is_empty() { "" } else { "...@" };
        write!(f, "'{hidden}{after}' is not a URL on this host; write it as http://localhost:PORT/PATH")
    }
}

impl std::error::Error for UrlError {}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let parse = || {
            let rest = text.strip_prefix("http://")?;
            let (authority, path) = rest.find(['/', '?']).map_or((rest, "/"), |end| rest.split_at(end));
            let (host, port) = match authority.rsplit_once(':') {
                Some((host, port)) if !port.ends_with(']') => (host, parse_port(port)?),
                _ => (authority, 80),
            };
            let here = host.eq_ignore_ascii_case("localhost") || host == "127.0.0.1" || host == "[::1]";
            let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
            here.then_some(Self { port, path })
        };
        parse().ok_or_else(|| UrlError(text.to_owned()))
    }
}

/// Digits alone, since `u16::from_str` would also take a sign.
fn parse_port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|&port| port != 0 && text.bytes().all(|byte| byte.is_ascii_digit()))
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://localhost:{}{}", self.port, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(port: u16, path: &str) -> Result<Url, UrlError> {
        Ok(Url { port, path: path.to_owned() })
    }

    #[test]
    fn the_spellings_of_this_host_are_taken() {
        for (text, want) in [
            ("http://localhost:15020/quitquitquit", url(15020, "/quitquitquit")),
            ("http://LocalHost:1/", url(1, "/")),
            ("http://127.0.0.1:65535", url(65535, "/")),
            ("http://[::1]:9901/a?b=c", url(9901, "/a?b=c")),
            ("http://[::1]", url(80, "/")),
            ("http://localhost?x", url(80, "/?x")),
        ] {
            assert_eq!(text.parse(), want, "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "localhost:15020/quitquitquit",
            "https://localhost:15020/",
            "http://example.com/",
            "http://localhost.example.com/",
            "http://user@localhost:1/",
            "http://localhost:0/",
            "http://localhost:65536/",
            "http://localhost:/",
            "http://localhost:+1/",
            "http://127.1:1/",
            "http://[::1:1/",
        ] {
            assert_eq!(text.parse::<Url>(), Err(UrlError(text.to_owned())), "{text}");
        }
    }
}
