//! How the answer on a connection begins: its status line, kept for the case that the rest cannot be understood.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// What is kept, in bytes: a status line, and an interim answer before it.
const KEPT: usize = 512;

/// The first bytes that came over a connection. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Opening(Arc<Mutex<Vec<u8>>>);

impl Opening {
    /// The status of the answer, from its status line alone (RFC 9112, 4). Interim answers such as `100 Continue` are passed
    /// over.
    pub fn status(&self) -> Option<u16> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rest = &bytes[..];
        loop {
            let status = status(rest)?;
            if status >= 200 {
                return Some(status);
            }
            let end = rest.windows(4).position(|window| window == b"\r\n\r\n")?;
            rest = &rest[end + 4..];
        }
    }

    /// Whether it is a record of TLS: an alert or a handshake (RFC 8446, 5.1), as a server sends that was spoken to in plain
    /// HTTP.
    pub fn is_tls(&self) -> bool {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(bytes[..], [0x15 | 0x16, 0x03, ..])
    }
}

/// `HTTP/1.1 200 OK`: three digits after the version, and no fourth.
fn status(line: &[u8]) -> Option<u16> {
    let rest = line.strip_prefix(b"HTTP/1.")?;
    let [b'0' | b'1', b' ', digits @ ..] = rest else { return None };
    let (digits, rest) = digits.split_at_checked(3)?;
    if !digits.iter().all(u8::is_ascii_digit) || !matches!(rest.first(), Some(b' ' | b'\r' | b'\n')) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok().filter(|status| (100..600).contains(status))
}

/// A connection that keeps how the answer begins.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    opening: Opening,
    left: usize,
}

impl Connection {
    /// Of a stream on which nothing has been read.
    pub fn new(stream: TcpStream) -> (Self, Opening) {
        let opening = Opening::default();
        (Self { stream, opening: opening.clone(), left: KEPT }, opening)
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if self.left > 0 {
            let read = &buffer.filled()[before..];
            let kept = &read[..read.len().min(self.left)];
            self.opening.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(kept);
            self.left -= kept.len();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opening(text: &str) -> Opening {
        Opening(Arc::new(Mutex::new(text.as_bytes().to_vec())))
    }

    #[test]
    fn the_status_line_is_read_and_interim_answers_are_passed_over() {
        for (text, status) in [
            ("HTTP/1.1 200 OK\r\nServer : x\r\n", Some(200)),
            ("HTTP/1.0 404\r\n", Some(404)),
            ("HTTP/1.1 503 \r\n", Some(503)),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n", Some(204)),
            ("HTTP/1.1 100 Continue\r\n", None),
            ("HTTP/1.1 200", None),
            ("HTTP/1.1 2000 OK\r\n", None),
            ("HTTP/1.1 999 no\r\n", None),
            ("HTTP/1.1 20x OK\r\n", None),
            ("HTTP/2 200 OK\r\n", None),
            ("220 mail.example.com ESMTP\r\n", None),
            ("", None),
        ] {
            assert_eq!(opening(text).status(), status, "{text:?}");
        }
    }

    #[test]
    fn a_record_of_tls_is_told_from_text() {
        assert!(opening("\u{15}\u{3}\u{1}\0\u{2}\u{2}P").is_tls());
        assert!(!opening("HTTP/1.1 200 OK\r\n").is_tls() && !opening("\u{15}").is_tls());
    }
}
