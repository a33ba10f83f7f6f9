//! Sending a request that the egress policy allows: connect, exchange, caps and timeouts.
//!
//! Both doors lead here, our own `localhost.send` and `wasi:http/outgoing-handler`. There is no name resolution, no proxy
//! from the environment, no TLS and no redirect that is followed: a redirect is handed to the guest, whose next request is
//! judged again.

use super::{
    body::{Capped, ResponseBody},
    egress::{Denied, Destination, EgressPolicy},
    guest_log::GuestLog,
    limits,
    opening::{Connection, Opening},
};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header, uri::PathAndQuery};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1;
use std::{
    error::Error as _,
    io,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tracing::Level;
use wasmtime_wasi::runtime::spawn;
use wasmtime_wasi_http::{Error as WasiError, RequestOptions, WasiBody, io::TokioIo};

/// How often a request is tried again that could not be sent, as the server closed the connection before, and the pause
/// before each. A server that is starting or restarting does that for a moment.
const UNSENT: (u32, Duration) = (5, Duration::from_millis(10));

/// How much of an answer must be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// All of its head.
    Head,
    /// Its status line. Header fields are read leniently; if they cannot be understood, there are none.
    Status,
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Policy.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// One of the fixed bounds.
    #[error("{0}")]
    Limit(String),
    /// Nothing listens at any address of the destination.
    #[error("nothing listens there")]
    Refused,
    /// The connection closed without an answer.
    #[error("the connection was closed without an answer")]
    Closed,
    /// The server's queue of connections was full all the time.
    #[error("the server accepts no connection: its queue of connections is full")]
    NotAccepted,
    /// One of the timeouts passed.
    #[error("no answer in time")]
    TimedOut,
    /// The head or the body of the response.
    #[error("the response is too large")]
    TooLarge,
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// The client of one run of a hook. Clones share its limits.
#[derive(Clone, Debug)]
pub struct Client {
    policy: Arc<EgressPolicy>,
    log: GuestLog,
    requests_left: Arc<AtomicU32>,
    slots: Arc<Semaphore>,
}

impl Client {
    /// A client that has sent nothing yet.
    pub fn new(policy: EgressPolicy, log: GuestLog) -> Self {
        Self {
            policy: Arc::new(policy),
            log,
            requests_left: Arc::new(AtomicU32::new(limits::REQUESTS)),
            slots: Arc::new(Semaphore::new(limits::CONCURRENT_REQUESTS)),
        }
    }

    /// Sends a request and waits for the head of its response. The body holds the connection, and closes it when dropped.
    pub async fn send(
        &self,
        request: Request<WasiBody>,
        options: RequestOptions,
        reading: Reading,
    ) -> Result<Response<WasiBody>, SendError> {
        let what = format!("{} {}", request.method(), without_secrets(request.uri()));
        let started = Instant::now();
        let result = self.exchange(request, options, reading).await;
        match &result {
            Ok(response) => {
                let milliseconds = started.elapsed().as_secs_f64() * 1e3;
                self.log.line(Level::DEBUG, &format!("{what}: {} in {milliseconds:.1} ms", response.status()));
            }
            Err(error @ (SendError::Denied(_) | SendError::Limit(_))) => {
                self.log.line(Level::WARN, &format!("denied {what}: {error}"));
            }
            Err(error) => self.log.line(Level::DEBUG, &format!("{what}: {error}")),
        }
        result
    }

    async fn exchange(
        &self,
        mut request: Request<WasiBody>,
        options: RequestOptions,
        reading: Reading,
    ) -> Result<Response<WasiBody>, SendError> {
        let destination = self.policy.permits(request.method(), request.uri())?;
        let slot = self.take_slot()?;

        // The Host header says what was judged; the request line has the path alone, as for any server but a proxy.
        let authority = request.uri().authority().expect("the policy allows no other").as_str();
        let host = HeaderValue::from_str(authority).expect("an authority is visible ASCII");
        request.headers_mut().insert(header::HOST, host);
        *request.uri_mut() = target(request.uri());

        // RFC 9110, 8.6: a request whose method has a use for a body says that it has none; hyper leaves that out.
        let has_use_for_a_body = [Method::POST, Method::PUT, Method::PATCH].contains(request.method());
        if has_use_for_a_body && request.body().is_end_stream() {
            request.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }

        // RFC 9112, 6.1: without a length, only this says that there is a body. For a method such as GET hyper would drop it.
        let is_long = !request.body().is_end_stream() && request.body().size_hint().exact().is_none();
        if is_long && !request.headers().contains_key(header::CONTENT_LENGTH) {
            request.headers_mut().insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }

        let mut request = request
            .map(|body| Capped::new(body, limits::REQUEST_BODY as u64, WasiError::HttpRequestBodySize).boxed_unsync());
        let mut unsent = 0;
        loop {
            let connect = options.connect_timeout.unwrap_or(limits::CONNECT);
            let stream = match timeout(connect, dial(&destination)).await.map_err(|_| SendError::NotAccepted)? {
                // It was there a moment ago, and closed the connection.
                Err(SendError::Refused) if unsent > 0 => return Err(SendError::Closed),
                stream => stream?,
            };
            let (stream, opening) = Connection::new(stream);
            let (mut sender, connection) =
                builder(reading).handshake(TokioIo::new(stream)).await.map_err(|error| explain(&error, &opening))?;
            // What ends the connection is told to the sender or to the body.
            let connection = spawn(async { drop(connection.await) });
            let answer = sender.try_send_request(request);
            let answer = match options.first_byte_timeout {
                Some(patience) => timeout(patience, answer).await.map_err(|_| SendError::TimedOut)?,
                None => answer.await,
            };
            let mut error = match answer {
                Ok(response) => {
                    let between_bytes = options.between_bytes_timeout;
                    return Ok(response.map(|incoming| {
                        let body = ResponseBody::new(incoming, between_bytes, slot, connection);
                        Capped::new(body, limits::RESPONSE_BODY, WasiError::HttpResponseBodySize).boxed_unsync()
                    }));
                }
                Err(error) => error,
            };
            match (error.take_message(), opening.status()) {
                (Some(_), _) if unsent == UNSENT.0 => return Err(SendError::Closed),
                (Some(message), _) => request = message,
                (None, Some(status)) if reading == Reading::Status => {
                    let mut response = Response::new(Empty::new().map_err(|never| match never {}).boxed_unsync());
                    *response.status_mut() = StatusCode::from_u16(status).map_err(|_| SendError::Closed)?;
                    return Ok(response);
                }
                (None, _) => return Err(explain(error.error(), &opening)),
            }
            unsent += 1;
            sleep(UNSENT.1).await;
        }
    }

    fn take_slot(&self) -> Result<OwnedSemaphorePermit, SendError> {
        let left = self.requests_left.load(Ordering::Relaxed);
        let left = left.checked_sub(1).ok_or_else(|| {
            SendError::Limit(format!("a hook may send {} requests a run; no option allows more", limits::REQUESTS))
        })?;
        let slot = Arc::clone(&self.slots).try_acquire_owned().map_err(|_| {
            SendError::Limit(format!(
                "a hook may have {} requests at a time; no option allows more",
                limits::CONCURRENT_REQUESTS
            ))
        })?;
        self.requests_left.store(left, Ordering::Relaxed);
        Ok(slot)
    }
}

/// How a response is read.
fn builder(reading: Reading) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.max_headers(limits::RESPONSE_HEADERS).max_buf_size(limits::RESPONSE_HEAD);
    if reading == Reading::Status {
        builder
            .max_headers(limits::STATUS_HEADERS)
            .allow_spaces_after_header_name_in_responses(true)
            .allow_obsolete_multiline_headers_in_responses(true)
            .ignore_invalid_headers_in_responses(true);
    }
    builder
}

/// Connects to the first address at which something listens, and goes on for as long as its queue of connections is full: the
/// kernel ignores a connection then, and asks again after ever longer pauses (tcp(7), `tcp_syn_retries`).
async fn dial(destination: &Destination) -> Result<TcpStream, SendError> {
    loop {
        if let Ok(stream) = timeout(limits::CONNECT_ATTEMPT, dial_once(destination)).await {
            return stream;
        }
    }
}

async fn dial_once(Destination(addresses): &Destination) -> Result<TcpStream, SendError> {
    for address in addresses {
        match TcpStream::connect(address).await {
            // To a port from the range that the system chooses from, the kernel may connect a socket with itself.
            Ok(stream) if stream.local_addr().is_ok_and(|own| stream.peer_addr().is_ok_and(|peers| own == peers)) => {}
            Ok(stream) => return Ok(stream),
            // The latter two: this host has no IPv6.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::AddrNotAvailable)
                    || error.raw_os_error() == Some(libc::EAFNOSUPPORT) => {}
            Err(error) => return Err(SendError::Other(format!("cannot connect to {address}: {error}"))),
        }
    }
    Err(SendError::Refused)
}

/// What stands in the request line (RFC 9112, 3.2.1): the path, which is never empty, and the query.
fn target(uri: &Uri) -> Uri {
    match uri.path_and_query().map(PathAndQuery::as_str) {
        Some(target) if target.starts_with(['/', '*']) => target.parse(),
        Some(query) => format!("/{query}").parse(),
        None => Ok(Uri::default()),
    }
    .unwrap_or_default()
}

/// A URI for a line of log: the query and the user information may be secrets.
fn without_secrets(uri: &Uri) -> String {
    let scheme = uri.scheme_str().map(|scheme| format!("{scheme}://")).unwrap_or_default();
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}{host}{}", uri.path())
}

/// What went wrong on the wire, in a guest's terms.
fn explain(error: &hyper::Error, opening: &Opening) -> SendError {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    if let Some(WasiError::HttpRequestBodySize(_)) = error.source().and_then(|cause| cause.downcast_ref()) {
        SendError::Limit(format!("a request's body may have {} bytes; no option allows more", limits::REQUEST_BODY))
    } else if opening.is_tls() {
        SendError::Other("it speaks TLS on that port, and a hook speaks plain HTTP".to_owned())
    } else if error.is_parse_too_large() {
        SendError::TooLarge
    } else if error.is_parse() {
        SendError::Other(format!("the answer is not HTTP/1.1: {error}"))
    } else if error.is_incomplete_message()
        || matches!(cause, Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe))
    {
        SendError::Closed
    } else {
        SendError::Other(error.to_string())
    }
}

impl From<SendError> for WasiError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Denied(Denied::Scheme(_) | Denied::Connect) => Self::HttpRequestDenied,
            SendError::Denied(_) => Self::DestinationIpProhibited,
            SendError::Limit(_) => Self::ConnectionLimitReached,
            SendError::Refused => Self::ConnectionRefused,
            SendError::Closed => Self::ConnectionTerminated,
            SendError::TimedOut | SendError::NotAccepted => Self::ConnectionTimeout,
            SendError::TooLarge => Self::HttpResponseHeaderSectionSize(Some(limits::RESPONSE_HEAD as u32)),
            SendError::Other(why) => Self::InternalError(Some(why)),
        }
    }
}

impl From<WasiError> for SendError {
    /// For what a response's body can end with.
    fn from(error: WasiError) -> Self {
        match error {
            WasiError::HttpResponseBodySize(_) => Self::TooLarge,
            WasiError::ConnectionReadTimeout => Self::TimedOut,
            error => Self::Other(format!("the answer broke off: {error}")),
        }
    }
}
