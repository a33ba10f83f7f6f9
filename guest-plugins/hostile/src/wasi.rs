//! What a guest can try with WASI, past the SDK.

use wrapper_hook::log;

wit_bindgen::generate!({
    inline: "
        package test:hostile;
        world hostile {
            import wasi:cli/environment@0.2.12;
            import wasi:cli/exit@0.2.12;
            import wasi:cli/stdin@0.2.12;
            import wasi:cli/stdout@0.2.12;
            import wasi:cli/stderr@0.2.12;
            import wasi:clocks/monotonic-clock@0.2.12;
            import wasi:clocks/wall-clock@0.2.12;
            import wasi:filesystem/preopens@0.2.12;
            import wasi:filesystem/types@0.2.12;
            import wasi:http/outgoing-handler@0.2.12;
            import wasi:random/random@0.2.12;
            import wasi:sockets/instance-network@0.2.12;
            import wasi:sockets/ip-name-lookup@0.2.12;
            import wasi:sockets/tcp-create-socket@0.2.12;
            import wasi:sockets/udp-create-socket@0.2.12;
        }
    ",
    path: "../../wit",
    generate_all,
});

pub use wasi::{
    cli,
    http::{outgoing_handler, types as http},
    random::random,
};
use wasi::{
    clocks::{monotonic_clock, wall_clock},
    filesystem::preopens,
    sockets::{
        instance_network, ip_name_lookup,
        network::{IpAddressFamily, IpSocketAddress, Ipv4SocketAddress},
        tcp_create_socket, udp_create_socket,
    },
};

pub fn exit() {
    cli::exit::exit(Err(()));
}

/// The text to stdout in three writes of which only the last ends a line, and to stderr without an end.
pub fn print(text: &str) {
    let stdout = cli::stdout::get_stdout();
    for part in ["stdout ", text, "\nand more\n"] {
        stdout.blocking_write_and_flush(part.as_bytes()).expect("stdout takes text");
    }
    cli::stderr::get_stderr().blocking_write_and_flush(format!("stderr {text}").as_bytes()).expect("so does stderr");
}

/// What is no text, to stdout.
pub fn print_bytes() {
    let stdout = cli::stdout::get_stdout();
    stdout.blocking_write_and_flush(b"bytes \xff\xfe\0 end\n").expect("stdout takes bytes");
}

pub fn clocks() {
    let (monotonic, wall) = (monotonic_clock::now() > 0, wall_clock::now().seconds > 1_700_000_000);
    log::info!("clocks: monotonic {monotonic}, wall {wall}");
}

pub fn sleep_longest() {
    monotonic_clock::subscribe_duration(u64::MAX).block();
}

pub fn stdin() {
    log::info!("stdin: {:?}", cli::stdin::get_stdin().blocking_read(1).map_err(|error| error.to_string()));
}

pub fn udp() {
    log::info!("udp: {:?}", udp_create_socket::create_udp_socket(IpAddressFamily::Ipv4).map(drop));
}

pub fn environment() {
    log::info!("variables {:?}", cli::environment::get_environment());
    log::info!("arguments {:?}, folder {:?}", cli::environment::get_arguments(), cli::environment::initial_cwd());
}

pub fn files() {
    log::info!("{} folders", preopens::get_directories().len());
}

pub fn connect() {
    let result = tcp_create_socket::create_tcp_socket(IpAddressFamily::Ipv4).and_then(|socket| {
        let address = IpSocketAddress::Ipv4(Ipv4SocketAddress { port: 80, address: (127, 0, 0, 1) });
        socket.start_connect(&instance_network::instance_network(), address)?;
        socket.subscribe().block();
        socket.finish_connect().map(drop)
    });
    log::info!("connect: {result:?}");
}

pub fn resolve() {
    let result =
        ip_name_lookup::resolve_addresses(&instance_network::instance_network(), "localhost").and_then(|stream| {
            stream.subscribe().block();
            stream.resolve_next_address()
        });
    log::info!("resolve: {result:?}");
}

/// `NAME=VALUE`: a header field, past the SDK's own checks.
pub fn field(rest: &str) {
    let (name, value) = rest.split_once('=').unwrap_or((rest, ""));
    let (name, value) = (name.replace("CRLF", "\r\n"), value.replace("CRLF", "\r\n"));
    log::info!("field: {:?}", http::Fields::new().append(&name, value.as_bytes()));
}

/// A GET of this port's root.
pub fn get(port: &str) -> Result<http::FutureIncomingResponse, http::ErrorCode> {
    let request = http::OutgoingRequest::new(http::Fields::new());
    request.set_scheme(Some(&http::Scheme::Http)).expect("a scheme");
    request.set_authority(Some(&format!("localhost:{port}"))).expect("an authority");
    request.set_path_with_query(Some("/")).expect("a path");
    outgoing_handler::handle(request, None)
}

/// `URL`: a GET over `wasi:http`.
pub fn fetch(url: &str) {
    show(try_fetch(url, http::Fields::new(), None));
}

/// The same with a body whose length is not said.
pub fn fetch_with_body(url: &str) {
    show(try_fetch(url, http::Fields::new(), Some(b"the body")));
}

/// The same with two lengths for a body that there is not.
pub fn fetch_with_two_lengths(url: &str) {
    let fields = http::Fields::new();
    for length in ["0", "5"] {
        if let Err(error) = fields.append("content-length", length.as_bytes()) {
            return log::info!("field: {error:?}");
        }
    }
    show(try_fetch(url, fields, None));
}

fn show(result: Result<(u16, Vec<u8>), http::ErrorCode>) {
    match result {
        Ok((status, body)) => log::info!("fetched {status}, {} bytes", body.len()),
        Err(error) => log::info!("fetch failed: {error:?}"),
    }
}

fn try_fetch(url: &str, fields: http::Fields, body: Option<&[u8]>) -> Result<(u16, Vec<u8>), http::ErrorCode> {
    let internal = |what: &str| http::ErrorCode::InternalError(Some(what.to_owned()));
    let (scheme, rest) = url.split_once("://").ok_or_else(|| internal("no scheme"))?;
    let (authority, path) = rest.find(['/', '?']).map_or((rest, ""), |at| rest.split_at(at));
    let scheme = match scheme {
        "http" => http::Scheme::Http,
        "https" => http::Scheme::Https,
        other => http::Scheme::Other(other.to_owned()),
    };
    let request = http::OutgoingRequest::new(fields);
    request.set_scheme(Some(&scheme)).map_err(|()| internal("scheme"))?;
    request.set_authority(Some(authority)).map_err(|()| internal("authority"))?;
    request.set_path_with_query(Some(path)).map_err(|()| internal("path"))?;
    let outgoing = body.map(|_| request.body().expect("it is taken once"));
    let answer = outgoing_handler::handle(request, None)?;
    if let (Some(outgoing), Some(bytes)) = (outgoing, body) {
        let stream = outgoing.write().expect("it is taken once");
        stream.blocking_write_and_flush(bytes).map_err(|_| internal("write"))?;
        drop(stream);
        http::OutgoingBody::finish(outgoing, None)?;
    }
    answer.subscribe().block();
    let response = answer.get().expect("it is ready").expect("it is taken once")?;
    let body = response.consume().map_err(|()| internal("body"))?;
    let stream = body.stream().map_err(|()| internal("stream"))?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(64 << 10) {
            Ok(more) => bytes.extend(more),
            Err(wasi::io::streams::StreamError::Closed) => return Ok((response.status(), bytes)),
            Err(wasi::io::streams::StreamError::LastOperationFailed(error)) => {
                return Err(http::http_error_code(&error).unwrap_or_else(|| internal("read")));
            }
        }
    }
}
