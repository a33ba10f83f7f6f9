//! What is fuzzed, as functions of bytes: each says in its assertions what must hold for any input.
//!
//! `make fuzz` runs each under libFuzzer; the test in `tests/` runs each on what is kept in `corpus/`, on any compiler.

use http::{Method, Request, Uri};
use http_body_util::{BodyExt as _, Empty};
use std::{
    cell::RefCell,
    io::{Read as _, Write as _},
    net::{IpAddr, TcpListener},
    sync::{Arc, LazyLock, Mutex},
    thread,
    time::Duration,
};
use url::{Host, Url};
use wasmtime_wasi_http::RequestOptions;
use wrapper::{
    cli::parse_duration,
    plugin::PluginSpec,
    process::{ExitMap, Signal},
    report::{LONGEST, one_line},
    sandbox::{
        Code, Sandbox,
        client::{Client, Reading},
        compile,
        egress::{Destination, EgressPolicy},
        guest_log::GuestLog,
        limits,
    },
};

/// A fuzz target.
pub type Target = fn(&[u8]);

/// All of them, by the name of their folder in `corpus/`.
pub const TARGETS: [(&str, Target); 5] =
    [("options", options), ("egress", egress), ("component", component), ("response", response), ("log", log)];

/// Text that a user writes is taken or refused with a sentence, never with a panic.
pub fn options(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match text.parse::<PluginSpec>() {
        Ok(spec) => assert!(spec.grants.memory > 0 && !spec.grants.env.iter().any(String::is_empty)),
        Err(why) => assert!(!why.is_empty()),
    }
    if let Ok(duration) = parse_duration(text) {
        assert!(duration > Duration::ZERO && duration <= Duration::from_secs(366 * 24 * 60 * 60));
    }
    if let Ok(map) = text.parse::<ExitMap>() {
        // A code that is not written there stays as it is.
        let other = (0..=255).find(|code: &u8| !text.contains(&code.to_string()));
        assert!(other.is_none_or(|code| map.apply(code) == code), "{text:?}");
    }
    if let Ok(signal) = text.parse::<Signal>() {
        assert_eq!(signal.to_string().parse(), Ok(signal));
    }
}

/// What is allowed is this host for every other parser too.
pub fn egress(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(uri) = text.parse::<Uri>() else { return };
    let Ok(Destination(addresses)) = EgressPolicy::default().permits(&Method::GET, &uri) else { return };
    assert!(!addresses.is_empty());
    for address in &addresses {
        assert!(address.ip().to_canonical().is_loopback() && address.port() != 0, "{text:?} leads to {address}");
    }
    // A browser's parser takes more spellings, but must not take this one for somebody else's.
    let url = Url::parse(text).unwrap_or_else(|error| panic!("{text:?} is allowed, and no URL: {error}"));
    assert_eq!(url.scheme(), "http", "{text:?}");
    assert_eq!((url.username(), url.password()), ("", None), "{text:?}");
    assert_eq!(url.port_or_known_default(), Some(addresses[0].port()), "{text:?}");
    match url.host() {
        Some(Host::Domain(name)) => assert_eq!(name, "localhost", "{text:?}"),
        Some(Host::Ipv4(ip)) => assert_eq!(IpAddr::V4(ip), addresses[0].ip(), "{text:?}"),
        Some(Host::Ipv6(ip)) => assert_eq!(ip.to_canonical(), addresses[0].ip(), "{text:?}"),
        None => panic!("{text:?} is allowed, and has no host"),
    }
}

/// Bytes are compiled and checked, or refused. The compiler's time is bounded elsewhere: here inputs are small.
pub fn component(data: &[u8]) {
    let Ok(compiled) = compile(Code::Pulley.target(), data) else { return };
    let sandbox = Sandbox::new(Code::Pulley, wrapper::sandbox::limits::MEMORY).expect("an engine");
    // SAFETY: the bytes are the compiler's.
    let component = unsafe { sandbox.load(&compiled) }.expect("what was compiled can be loaded");
    let imports = sandbox.imports(&component);
    if sandbox.check(&component).is_ok() {
        let unknown = |name: &&String| {
            wrapper::sandbox::imports::Treatment::of(name) == wrapper::sandbox::imports::Treatment::Unknown
        };
        assert_eq!(imports.iter().find(unknown), None, "it is linked, and called unknown");
    }
}

/// What a server answers next, and the server's port.
static SERVER: LazyLock<(Arc<Mutex<Vec<u8>>>, u16)> = LazyLock::new(|| {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("it is bound").port();
    let answer = Arc::new(Mutex::new(Vec::new()));
    let next = Arc::clone(&answer);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            // The request fits into one read; a client that is gone already is no fault.
            drop(stream.read(&mut [0; 1024]));
            drop(stream.write_all(&next.lock().expect("no panic in here")));
        }
    });
    (answer, port)
});

thread_local! {
    static RUNTIME: RefCell<tokio::runtime::Runtime> = RefCell::new(
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime"),
    );
}

/// Whatever a server answers, a response stays within its bounds and comes to an end.
pub fn response(data: &[u8]) {
    let (answer, port) = &*SERVER;
    *answer.lock().expect("no panic in there") = data.to_vec();
    RUNTIME.with_borrow(|runtime| {
        runtime.block_on(async {
            let client = Client::new(EgressPolicy::default(), GuestLog::new("fuzz"));
            let exchange = async {
                for (reading, fields) in
                    [(Reading::Head, limits::RESPONSE_HEADERS), (Reading::Status, limits::STATUS_HEADERS)]
                {
                    let request = Request::get(format!("http://127.0.0.1:{port}/"))
                        .body(Empty::new().map_err(|never| match never {}).boxed_unsync())
                        .expect("a request");
                    let options = RequestOptions::default();
                    let Ok(response) = client.send(request, options, reading).await else { continue };
                    assert!(response.headers().len() <= fields);
                    if let Ok(body) = response.into_body().collect().await {
                        assert!(body.to_bytes().len() as u64 <= limits::RESPONSE_BODY);
                    }
                }
            };
            tokio::time::timeout(Duration::from_secs(5), exchange).await.expect("it ends when the connection does");
        });
    });
}

/// Whatever a guest says is one line, with nothing in it that moves a cursor, and not too long.
pub fn log(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let line = one_line(&text);
    assert!(!line.chars().any(char::is_control), "{line:?}");
    assert!(!line.contains(['\u{2028}', '\u{2029}', '\u{202e}']), "{line:?}");
    // A character may become an escape of ten, such as \u{10ffff}.
    assert!(line.len() <= 10 * LONGEST + 3, "{} bytes", line.len());
}
