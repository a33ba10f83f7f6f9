//! A guest's request in the terms of the HTTP library, and the library's failures in a guest's terms.

use super::{bindings::wrapper::hook::localhost, client::SendError, limits};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Request, Uri, header, uri::Authority};
use http_body_util::{BodyExt as _, Full};
use wasmtime_wasi_http::{DEFAULT_FORBIDDEN_HEADERS, Error as WasiError, WasiBody};

/// The request in the terms of the HTTP library, whose types take nothing that could break out of its place on the wire.
///
/// What is wrong is named, but values of headers and queries, which may be secrets, are not shown.
pub fn http_request(address: &str, request: localhost::Request) -> Result<Request<WasiBody>, localhost::Error> {
    let invalid = |what: &str, value: &str| localhost::Error::Other(format!("{value:?} is not {what}"));
    let method = Method::from_bytes(request.method.as_bytes()).map_err(|_| invalid("a method", &request.method))?;
    let path = request.path.split('?').next().unwrap_or_default();
    if !request.path.starts_with('/') {
        return Err(invalid("a path; it begins with '/'", path));
    }
    let host = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
    let authority: Authority = format!("{host}:{}", request.port)
        .parse()
        .map_err(|_| invalid("an address of this host; write localhost, 127.0.0.1 or ::1", address))?;
    let uri = Uri::builder()
        .scheme("http")
        .authority(authority)
        .path_and_query(request.path.as_str())
        .build()
        .map_err(|_| invalid("a path", path))?;
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        let field = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid("a header's name", name))?;
        if DEFAULT_FORBIDDEN_HEADERS.contains(&field) || field == header::CONTENT_LENGTH {
            return Err(localhost::Error::Denied(format!("header {field}: the wrapper sets it; no option allows it")));
        }
        let refused = |_| localhost::Error::Other(format!("header {name}: this is not a header's value"));
        headers.append(field, value.parse().map_err(refused)?);
    }
    let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if size > limits::REQUEST_HEADERS {
        return Err(localhost::Error::Denied(format!(
            "headers of {size} bytes: a request may have {}; no option allows more",
            limits::REQUEST_HEADERS
        )));
    }
    let body = Full::new(Bytes::from(request.body)).map_err(|never| match never {}).boxed_unsync();
    let mut built = Request::new(body);
    *built.method_mut() = method;
    *built.uri_mut() = uri;
    *built.headers_mut() = headers;
    Ok(built)
}

impl From<SendError> for localhost::Error {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Denied(_) | SendError::Limit(_) => Self::Denied(error.to_string()),
            SendError::Refused => Self::Refused,
            SendError::Closed => Self::Closed,
            SendError::TimedOut => Self::TimedOut,
            SendError::TooLarge => Self::TooLarge,
            SendError::NotAccepted => Self::Other(error.to_string()),
            SendError::Other(why) => Self::Other(why),
        }
    }
}

impl From<WasiError> for localhost::Error {
    fn from(error: WasiError) -> Self {
        SendError::from(error).into()
    }
}
