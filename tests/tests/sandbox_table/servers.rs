//! Requests that should not be sent, and servers that answer badly.

use super::{Row, hostile, hostile_with};
use std::time::Duration;
use wrapper_tests::{Answer, HOSTILE, Server, run};

const STOPPED: &str = "stopped at its deadline; --hook-timeout allows more";

/// A server for the length of the test, and its port.
fn server(answer: Answer) -> u16 {
    let server = Server::start(0, answer);
    let port = server.port();
    // It serves until the test's process ends.
    std::mem::forget(server);
    port
}

fn bytes(text: &str) -> Answer {
    Answer::Bytes(text.as_bytes().to_vec())
}

/// A gigabyte of zeros, as gzip packs them again: a megabyte that a client must not unpack.
fn gzip_bomb() -> Answer {
    let mut answer =
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1048576\r\n\r\n\x1f\x8b\x08\0\0\0\0\0\0\xff"
            .to_vec();
    answer.resize(answer.len() + (1 << 20) - 10, 0);
    Answer::Bytes(answer)
}

pub fn rows() -> Vec<Row> {
    let good = server(Answer::ok());
    let other = server(Answer::ok());
    let head = || b"HTTP/1.1 200 OK\r\n".to_vec();
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let get = |answer: Answer| hostile(&format!("get {} /", server(answer)));
    let fetch = |authority: &str| hostile(&format!("fetch http://{authority}/"));
    let not_this_host = "a hook reaches only this host, as localhost, 127.0.0.0/8 or [::1]; no option allows more";
    let mut rows = vec![
        Row::new("a server that is silent", get(Answer::Silence), "error TimedOut"),
        Row::new(
            "a server that is silent, waited for without a timeout",
            hostile(&format!("fetch http://localhost:{}/", server(Answer::Silence))),
            STOPPED,
        ),
        Row::new("a server that resets", get(Answer::Reset), "error Closed"),
        Row::new("a server that closes", get(Answer::Close), "error Closed"),
        Row::new("nothing that listens", hostile("get 9 /"), "error Refused"),
        Row::new(
            "a response's header fields without end",
            get(Answer::Endless(head(), b"X: y\r\n".to_vec())),
            "error TooLarge",
        ),
        Row::new(
            "a response's header field without end",
            get(Answer::Endless(b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'y'; 1_000])),
            "error TooLarge",
        ),
        Row::new(
            "a status line without end",
            get(Answer::Endless(b"HTTP/1.1 200 ".to_vec(), vec![b'y'; 1_000])),
            "error ",
        ),
        Row::new(
            "a body without end",
            get(Answer::Endless(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'y'; 10_000])),
            "error TooLarge",
        ),
        Row::new(
            "a body of 2^63 bytes",
            get(Answer::Endless(
                b"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\n".to_vec(),
                vec![b'y'; 10_000],
            )),
            "error TooLarge",
        ),
        // So many at a time that the hook comes to the end of what it may have, not of its time.
        Row::new(
            "chunks of a byte without end",
            run(["--plugin", HOSTILE, "sh", "-c", "exit 3"]).env(
                "HOOK_AFTER",
                format!("get {} /", server(Answer::Endless(chunked.into(), b"1\r\ny\r\n".repeat(10_000)))),
            ),
            "error TooLarge",
        )
        .deadline(Duration::from_secs(20)),
        Row::new(
            "a body at a byte a minute",
            get(Answer::Drip(Duration::from_secs(60), b"HTTP/1.1 200 OK\r\n\r\n".to_vec())),
            "error TimedOut",
        ),
        Row::new("a head at a byte a minute", get(Answer::Drip(Duration::from_secs(60), head())), "error TimedOut"),
        Row::new(
            "informational answers without end",
            get(Answer::Endless(Vec::new(), b"HTTP/1.1 100 Continue\r\n\r\n".to_vec())),
            "error ",
        ),
        Row::new("a gzip bomb", get(gzip_bomb()), "answer 200, 1048576 bytes"),
        Row::new("no HTTP", get(bytes("garbage\r\n\r\n")), "error Other(\"the answer is not HTTP/1.1"),
        Row::new("HTTP/2 unasked", get(bytes("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")), "error Other("),
        Row::new(
            "half an answer",
            get(bytes("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")),
            "error Other(\"the answer broke off",
        ),
        Row::new(
            "chunks of a wrong size",
            get(bytes(&format!("{chunked}zz\r\n"))),
            "error Other(\"the answer broke off",
        ),
        Row::new(
            "the zeros of a chunk's size without end, with a timeout of 200 ms",
            hostile(&format!("timeout {} /", server(Answer::Endless(chunked.into(), vec![b'0'; 10_000])))),
            "error TimedOut",
        )
        .deadline(Duration::from_millis(250)),
        Row::new(
            "a chunk of 2^64 bytes",
            get(bytes(&format!("{chunked}ffffffffffffffffff\r\n"))),
            "error Other(\"the answer broke off",
        ),
        Row::new(
            "two different lengths",
            get(bytes("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab")),
            "error Other(",
        ),
        Row::new(
            "a redirect to another host",
            get(bytes("HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n")),
            "answer 302, 0 bytes, location Some(\"http://169.254.169.254/\")",
        ),
        Row::new(
            "100,000 requests",
            run(["--plugin", HOSTILE, "sh", "-c", "exit 3"]).env("HOOK_AFTER", format!("flood-requests {good}")),
            "a hook may send 10000 requests a run; no option allows more",
        )
        .deadline(Duration::from_secs(20)),
        Row::new(
            "100 requests at once",
            hostile(&format!("flood-at-once {good} 100")),
            "a hook may have 16 requests at a time; no option allows more",
        ),
        Row::new(
            "10,000 requests at once",
            hostile(&format!("flood-at-once {good} 10000")),
            "a hook may have 16 requests at a time; no option allows more",
        ),
        Row::new("10,000 header fields", hostile("many-headers"), "error "),
        Row::new("a header field of 1 MiB", hostile("long-header"), "error Denied("),
        Row::new("a line break in a path", hostile(&format!("get {good} /aCRLFHost: evil")), "is not a path"),
        Row::new(
            "an absolute URI for a path",
            hostile(&format!("get {good} http://evil.example/")),
            "is not a path; it begins with '/'",
        ),
        Row::new("a line break in a host", fetch(&format!("localhost:{good}CRLFX: y")), "fetch failed: "),
        Row::new(
            "two lengths of its own, past the SDK",
            hostile(&format!("fetch-with-two-lengths http://localhost:{good}/")),
            "field: HeaderError::InvalidSyntax",
        ),
        Row::new("a line break in a method", hostile(&format!("method GETCRLF {good} /")), "is not a method"),
        Row::new(
            "the method CONNECT",
            hostile(&format!("method CONNECT {good} /")),
            "a hook may not open tunnels; no option allows it",
        ),
        Row::new("a line break in a header's value", hostile("header x-a=1CRLFx-b: 2"), "is not a header's value"),
        Row::new("a blank in a header's name", hostile("header x a=1"), "is not a header's name"),
        Row::new(
            "a line break in a field, past the SDK",
            hostile("field x=1CRLFy: 2"),
            "field: Err(HeaderError::InvalidSyntax)",
        ),
        Row::new("`Host` in a field, past the SDK", hostile("field host=evil"), "field: Err(HeaderError::Forbidden)"),
        Row::new(
            "`Transfer-Encoding` in a field, past the SDK",
            hostile("field transfer-encoding=chunked"),
            "field: Err(HeaderError::Forbidden)",
        ),
    ];
    for (tried, name) in [
        ("its own `Host`", "host"),
        ("its own `Content-Length`", "content-length"),
        ("its own `Transfer-Encoding`", "transfer-encoding"),
        ("its own `Connection`", "connection"),
    ] {
        rows.push(Row::new(tried, hostile(&format!("header {name}=1")), "the wrapper sets it; no option allows it"));
    }
    for (tried, host) in [
        ("a name", "example.com"),
        ("the metadata server", "169.254.169.254"),
        ("a neighbour", "10.0.0.1"),
        ("any address", "0.0.0.0"),
        ("any address, IPv6", "[::]"),
        ("a link-local address", "[fe80::1]"),
        ("loopback with three parts missing", "127.1"),
        ("loopback in decimal", "2130706433"),
        ("loopback in octal", "0177.0.0.1"),
        ("loopback in hexadecimal", "0x7f.0.0.1"),
        ("loopback, IPv4-compatible", "[::127.0.0.1]"),
        ("loopback behind NAT64", "[64:ff9b::7f00:1]"),
        ("a neighbour, IPv4-mapped", "[::ffff:10.0.0.1]"),
        ("`localhost.`", "localhost."),
        ("`x.localhost`", "x.localhost"),
        ("a name in punycode", "xn--lclhost-5ya"),
        ("user information", "user@localhost"),
    ] {
        rows.push(Row::new(tried, fetch(&format!("{host}:{good}")), not_this_host));
    }
    rows.extend([
        Row::new("a zone", fetch(&format!("[::1%25lo]:{good}")), "fetch failed: "),
        Row::new("an empty host", fetch(&format!(":{good}")), "fetch failed: "),
        Row::new("a host in Unicode", fetch(&format!("lo\u{441}alhost:{good}")), "fetch failed: "),
        Row::new("port 0", fetch("localhost:0"), "the port must be a number from 1 to 65535"),
        Row::new("port 65536", fetch("localhost:65536"), "fetch failed: "),
        Row::new("a Unix socket for a host", hostile("fetch unix:///var/run/docker.sock"), "fetch failed: "),
        Row::new(
            "TLS",
            hostile(&format!("fetch https://localhost:{good}/")),
            "a hook speaks http only, to this host; no option allows more",
        ),
        Row::new(
            "a port that is not granted",
            hostile_with(&format!(",port={good}"), &format!("get {other} /")),
            &format!(
                "port {other}: the plugin may reach only port {good}; add port={other} to its --plugin to allow it"
            ),
        ),
        Row::new("`localhost`, which it may reach", fetch(&format!("localhost:{good}")), "fetched 200, 2 bytes"),
        Row::new(
            "an IPv4-mapped loopback, which it may reach",
            fetch(&format!("[::ffff:127.0.0.1]:{good}")),
            "fetched 200, 2 bytes",
        ),
    ]);
    rows
}
