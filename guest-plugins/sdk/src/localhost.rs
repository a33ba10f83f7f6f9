//! HTTP to this host, and to no other.
//!
//! ```no_run
//! use wrapper_hook::localhost::{Error, Request};
//! # fn quit() -> Result<(), Error> {
//! let response = Request::post(15020, "/quitquitquit").send()?;
//! assert_eq!(response.status, 200);
//! # Ok(())
//! # }
//! ```

mod url;

pub use url::{Url, UrlError};

use crate::bindings::wrapper::hook::localhost as wit;
use std::{fmt, time::Duration};

/// An HTTP/1.1 request. `Host` and `Content-Length` are set by the wrapper.
#[derive(Clone, Debug)]
pub struct Request {
    address: String,
    sent: wit::Request,
}

/// What means this host whatever its addresses are.
const LOCALHOST: &str = "localhost";

impl Request {
    /// A request with any method. The path may have a query and begins with `/`.
    pub fn new(method: &str, port: u16, path: &str) -> Self {
        let sent = wit::Request {
            method: method.to_owned(),
            port,
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout_ms: None,
        };
        Self { address: LOCALHOST.to_owned(), sent }
    }

    /// A request with any method for a URL.
    pub fn to(method: &str, url: &Url) -> Self {
        let address = url.host.trim_matches(['[', ']']).to_owned();
        Self { address, ..Self::new(method, url.port, &url.path) }
    }

    /// A GET request.
    pub fn get(port: u16, path: &str) -> Self {
        Self::new("GET", port, path)
    }

    /// A POST request.
    pub fn post(port: u16, path: &str) -> Self {
        Self::new("POST", port, path)
    }

    /// Adds a header field.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.sent.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.sent.body = body.into();
        self
    }

    /// Bounds the whole exchange. The hook's own deadline counts where it is earlier.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.sent.timeout_ms = Some(u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX));
        self
    }

    /// Sends the request and waits for the whole response. A redirect is not followed.
    pub fn send(&self) -> Result<Response, Error> {
        let response =
            if self.address == LOCALHOST { wit::send(&self.sent) } else { wit::send_to(&self.address, &self.sent) };
        Ok(response?.into())
    }

    /// Sends the request and waits for the head of the response, which has no body then. The server may notice that the
    /// hook hangs up before it has sent more; [`Request::send_for_status`] hears it out. For a URL with an address it is the
    /// same as [`Request::send`].
    pub fn send_for_head(&self) -> Result<Response, Error> {
        if self.address != LOCALHOST {
            return self.send();
        }
        Ok(wit::send_for_head(&self.sent)?.into())
    }

    /// Sends the request to a server whose status says all, such as a sidecar that is asked to quit. The status line decides,
    /// whatever the rest is like. The body is read to its end, at most 1 MiB and 10 seconds of it; the response has its first
    /// 4 KiB.
    pub fn send_for_status(&self) -> Result<Response, Error> {
        Ok(wit::send_for_status(&self.address, &self.sent)?.into())
    }
}

/// An answer, read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code, such as 200.
    pub status: u16,
    /// The header fields, in order: name in lower case, value.
    pub headers: Vec<(String, String)>,
    /// The body, as it came over the wire.
    pub body: Vec<u8>,
}

impl From<wit::Response> for Response {
    fn from(response: wit::Response) -> Self {
        Self { status: response.status, headers: response.headers, body: response.body }
    }
}

impl Response {
    /// The first value of a header field; the name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body as text, bytes that are not UTF-8 replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Why there is no response.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Policy: what was refused, and which option would grant it or that none can.
    Denied(String),
    /// Nothing listens on that port.
    Refused,
    /// The connection closed without an answer.
    Closed,
    /// The time for the exchange ran out.
    TimedOut,
    /// The response's headers or its body are larger than a hook may take in.
    TooLarge,
    /// Anything else, such as an answer that is not HTTP.
    Other(String),
}

impl From<wit::Error> for Error {
    fn from(error: wit::Error) -> Self {
        match error {
            wit::Error::Denied(rule) => Self::Denied(rule),
            wit::Error::Refused => Self::Refused,
            wit::Error::Closed => Self::Closed,
            wit::Error::TimedOut => Self::TimedOut,
            wit::Error::TooLarge => Self::TooLarge,
            wit::Error::Other(why) => Self::Other(why),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Denied(what) | Self::Other(what) => what,
            Self::Refused => "nothing listens there",
            Self::Closed => "the connection was closed without an answer",
            Self::TimedOut => "no answer in time",
            Self::TooLarge => "the answer is too large",
        })
    }
}

impl std::error::Error for Error {}
