//! URLs that name this host, for settings such as `HOOK_ISTIO_QUIT_URL`.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// `http://localhost:PORT/PATH`. Port 80 may be left out. The host may also be an address of 127.0.0.0/8, or `[::1]`.
///
/// `localhost` means 127.0.0.1, and ::1 if nothing listens there. An address means that address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// The host, as in a URL: an IPv6 address is in brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// Path and query, beginning with `/`.
    pub path: String,
}

impl Url {
    /// A URL on `localhost`.
    pub fn new(port: u16, path: &str) -> Self {
        Self { host: "localhost".to_owned(), port, path: path.to_owned() }
    }

    /// The same host and port, and the path `/`.
    pub fn root(&self) -> Self {
        Self { path: "/".to_owned(), ..self.clone() }
    }

    /// Host and port: `localhost:15020`.
    pub fn place(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// Without the query, which may be a secret.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.split('?').next().unwrap_or_default();
        write!(f, "http://{}:{}{path}", self.host, self.port)
    }
}

/// What is wrong with a URL, in a sentence without what may be a secret: user information and query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlError(String);

impl UrlError {
    fn new(text: &str, why: &str) -> Self {
        // Whatever it is, what is before the last `@` may be a password.
        let (before, after) = text.rsplit_once('@').unwrap_or(("", text));
        let hidden = if before.is_empty() { "" } else { "...@" };
        let shown = after.split('?').next().unwrap_or_default();
        Self(format!("'{hidden}{shown}' {why}; write it as http://localhost:PORT/PATH"))
    }
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UrlError {}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        parse(text).map_err(|why| UrlError::new(text, why))
    }
}

/// The URL, or what is wrong with it.
fn parse(text: &str) -> Result<Url, &'static str> {
    let Some((scheme, rest)) = text.split_once("://") else { return Err("does not begin with http://") };
    match scheme {
        "http" => {}
        _ if scheme.eq_ignore_ascii_case("http") => return Err("has its scheme in upper case"),
        _ if scheme.eq_ignore_ascii_case("https") => return Err("is https, and a hook speaks plain HTTP"),
        _ => return Err("is not http"),
    }
    let (authority, path) = rest.find(['/', '?', '#']).map_or((rest, "/"), |end| rest.split_at(end));
    if authority.contains('@') {
        return Err("has user information; a header field can carry it");
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, parse_port(port).ok_or("has no port from 1 to 65535")?),
        _ => (authority, 80),
    };
    let host = parse_host(host)?;
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    if !path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        return Err("has a path with a character that must be percent-encoded");
    }
    Ok(Url { host, port, path })
}

fn parse_host(host: &str) -> Result<String, &'static str> {
    let is_localhost = |host: &str| host.eq_ignore_ascii_case("localhost");
    if is_localhost(host) {
        return Ok("localhost".to_owned());
    }
    if host.strip_suffix('.').is_some_and(is_localhost) {
        return Err("has a dot after localhost");
    }
    let is_this_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(v6) => v6.parse::<Ipv6Addr>().is_ok_and(|ip| ip.to_canonical().is_loopback()),
        None => host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback()),
    };
    is_this_host.then(|| host.to_owned()).ok_or("is not on this host: localhost, 127.0.0.0/8 or [::1]")
}

/// Digits alone, since `u16::from_str` would also take a sign.
fn parse_port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|&port| port != 0 && text.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spellings_of_this_host_are_taken_and_an_address_stays_an_address() {
        for (text, host, port, path) in [
            ("http://localhost:15020/quitquitquit", "localhost", 15020, "/quitquitquit"),
            ("http://LocalHost:1/", "localhost", 1, "/"),
            ("http://127.0.0.1:65535", "127.0.0.1", 65535, "/"),
            ("http://127.0.0.2:1/", "127.0.0.2", 1, "/"),
            ("http://[::1]:9901/a?b=c", "[::1]", 9901, "/a?b=c"),
            ("http://[::1]", "[::1]", 80, "/"),
            ("http://[::ffff:127.0.0.1]:2/", "[::ffff:127.0.0.1]", 2, "/"),
            ("http://localhost?x", "localhost", 80, "/?x"),
        ] {
            let expected = Url { host: host.to_owned(), port, path: path.to_owned() };
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn anything_else_is_rejected_with_its_own_reason() {
        for (text, why) in [
            ("", "does not begin with http://"),
            ("localhost:15020/quitquitquit", "does not begin with http://"),
            ("//localhost:1/", "does not begin with http://"),
            ("https://localhost:15020/", "is https, and a hook speaks plain HTTP"),
            ("HTTP://localhost:1/", "has its scheme in upper case"),
            ("ftp://localhost:1/", "is not http"),
            ("http://example.com/", "is not on this host"),
            ("http://localhost.:1/", "has a dot after localhost"),
            ("http://localhost.example.com/", "is not on this host"),
            ("http://x.localhost/", "is not on this host"),
            ("http://user@localhost:1/", "has user information"),
            ("http://localhost:0/", "has no port from 1 to 65535"),
            ("http://localhost:65536/", "has no port from 1 to 65535"),
            ("http://localhost:/", "has no port from 1 to 65535"),
            ("http://localhost:+1/", "has no port from 1 to 65535"),
            ("http://127.1:1/", "is not on this host"),
            ("http://0.0.0.0:1/", "is not on this host"),
            ("http://[::2]:1/", "is not on this host"),
            ("http://[::1:1/", "is not on this host"),
            ("http://localhost:1/a b", "must be percent-encoded"),
            ("http://localhost:1/\u{fc}", "must be percent-encoded"),
            ("http://localhost:1/#a", "must be percent-encoded"),
        ] {
            let error = text.parse::<Url>().expect_err(text).to_string();
            assert!(error.contains(why) && error.ends_with("; write it as http://localhost:PORT/PATH"), "{error}");
        }
    }

    #[test]
    fn an_error_shows_no_secret() {
        for text in
            ["http://user:s3cret@localhost/", "ftp://localhost/?token=s3cret", "https://s3cret@x@localhost/?s3cret"]
        {
            let error = text.parse::<Url>().expect_err(text).to_string();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
