//! A fake sidecar: it listens on a port of this host, shows what it is asked, and always gives the same answer.

use crate::files::say;
use anyhow::{Context as _, Result, bail};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use std::{
    convert::Infallible,
    fmt::Write as _,
    io,
    net::{Ipv4Addr, Ipv6Addr},
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::net::TcpListener;
use wrapper::report::{os_words, printable};

/// What is asked for with `--serve`: `PORT=STATUS[:BODY]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fake {
    port: u16,
    status: StatusCode,
    body: String,
}

impl FromStr for Fake {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let invalid =
            |what: &str| format!("'{text}' is not PORT=STATUS[:BODY], such as 8080=204 or 8080=200:pong: {what}");
        let (port, answer) = text.split_once('=').ok_or_else(|| invalid("there is no ="))?;
        let (status, body) = answer.split_once(':').unwrap_or((answer, ""));
        let port = port.parse().ok().filter(|port| *port != 0);
        // A status below 200 is no answer but says that one will come.
        let status = status.parse().ok().filter(|status| (200..=999).contains(status));
        Ok(Self {
            port: port.ok_or_else(|| invalid("a port is a number from 1 to 65535"))?,
            status: status
                .and_then(|status| StatusCode::from_u16(status).ok())
                .ok_or_else(|| invalid("a status is a number from 200 to 999"))?,
            body: body.to_owned(),
        })
    }
}

/// One that listens.
#[derive(Debug)]
pub struct Sidecar {
    port: u16,
    requests: Arc<AtomicUsize>,
}

impl Sidecar {
    /// Begins to listen, on 127.0.0.1 and where there is IPv6 on ::1.
    pub async fn start(fake: Fake) -> Result<Self> {
        let port = fake.port;
        let sidecar = Self { port, requests: Arc::default() };
        let first = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
        let first = match first {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                bail!("another program listens on localhost:{port}; end it, or choose another port for --serve")
            }
            first => first
                .map_err(|error| anyhow::anyhow!("{}", os_words(&error)))
                .with_context(|| format!("localhost:{port}"))?,
        };
        let second = TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await.ok();
        for listener in [Some(first), second].into_iter().flatten() {
            tokio::spawn(accept(listener, fake.clone(), sidecar.requests.clone()));
        }
        Ok(sidecar)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many requests came.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

async fn accept(listener: TcpListener, fake: Fake, requests: Arc<AtomicUsize>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (fake, requests) = (fake.clone(), requests.clone());
        let answer = service_fn(move |request| {
            requests.fetch_add(1, Ordering::Relaxed);
            let fake = fake.clone();
            async move { Ok::<_, Infallible>(fake.answer(request).await) }
        });
        // A client that goes away in the middle is the hook's affair.
        tokio::spawn(async { drop(http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await) });
    }
}

impl Fake {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut text = format!("> {} http://localhost:{}{path}\n", head.method, self.port);
        for (name, value) in &head.headers {
            line(&mut text, '>', &format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())));
        }
        if let Ok(body) = body.collect().await {
            let body = body.to_bytes();
            show(&mut text, '>', &body);
        }
        line(&mut text, '<', self.status.as_str());
        // Of these HTTP has no body, whatever was asked for.
        if !matches!(self.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            show(&mut text, '<', self.body.as_bytes());
        }
        say!("{text}");
        let mut response = Response::new(Full::new(Bytes::from(self.body.clone())));
        *response.status_mut() = self.status;
        response
    }
}

/// Adds a body: text line by line, anything else by its length.
fn show(text: &mut String, direction: char, body: &[u8]) {
    if body.is_empty() {
        return;
    }
    line(text, direction, "");
    match str::from_utf8(body) {
        Ok(body) => body.lines().for_each(|part| line(text, direction, part)),
        Err(_) => line(text, direction, &format!("({} bytes)", body.len())),
    }
}

fn line(text: &mut String, direction: char, part: &str) {
    writeln!(text, "{direction} {}", printable(part)).expect("there is memory for a line");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fake_is_a_port_a_status_and_perhaps_a_body() {
        let fake = |port, status, body: &str| Fake {
            port,
            status: StatusCode::from_u16(status).unwrap(),
            body: body.to_owned(),
        };
        assert_eq!("8080=204".parse(), Ok(fake(8080, 204, "")));
        assert_eq!("1=503:a:b=c".parse(), Ok(fake(1, 503, "a:b=c")));
        for text in ["8080", "0=200", "70000=200", "8080=", "8080=100", "8080=ok", "=200", ":8080=200"] {
            assert!(text.parse::<Fake>().unwrap_err().contains("PORT=STATUS[:BODY]"), "{text}");
        }
    }
}
