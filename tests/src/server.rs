//! A sidecar's stand-in: it records what it is asked, and answers well or badly.

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::fd::AsRawFd as _,
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::Duration,
};

/// A request as it came over the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `POST`.
    pub method: String,
    /// `/quitquitquit`: the request line's middle part, whatever its form.
    pub path: String,
    /// Name in lower case, value; in order.
    pub headers: Vec<(String, String)>,
    /// As many bytes as `Content-Length` says.
    pub body: String,
}

impl Request {
    /// All values of a header.
    pub fn header(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
    }
}

/// What the server does once it has read a request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// These bytes, then the end of the connection.
    Bytes(Vec<u8>),
    /// These bytes after a while.
    Slow(Duration, Vec<u8>),
    /// The end of the connection.
    Close,
    /// A reset.
    Reset,
    /// Nothing, for as long as the client stays.
    Silence,
    /// These bytes one by one, with a pause before each but the first.
    Drip(Duration, Vec<u8>),
    /// These bytes, then the second ones over and over.
    Endless(Vec<u8>, Vec<u8>),
}

impl Answer {
    /// A whole response with this status line, such as `200 OK`, and a body.
    pub fn status(line: &str, body: &str) -> Self {
        Self::Bytes(format!("HTTP/1.1 {line}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes())
    }

    /// `200 OK`.
    pub fn ok() -> Self {
        Self::status("200 OK", "OK")
    }
}

/// A server on the loopback of this thread's network.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    requests: Receiver<Request>,
}

impl Server {
    /// On 127.0.0.1, at this port, or any where it is 0.
    pub fn start(port: u16, answer: Answer) -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST.into(), port, answer)
    }

    /// The same with a series of answers, of which the last is given from then on.
    pub fn start_series(port: u16, answers: Vec<Answer>) -> Self {
        Self::serve(Ipv4Addr::LOCALHOST.into(), port, answers)
    }

    /// On this address.
    pub fn start_at(ip: IpAddr, port: u16, answer: Answer) -> Self {
        Self::serve(ip, port, vec![answer])
    }

    fn serve(ip: IpAddr, port: u16, answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind((ip, port)).unwrap_or_else(|error| panic!("{ip} port {port}: {error}"));
        let address = listener.local_addr().expect("it is bound");
        let (sender, requests) = channel();
        thread::spawn(move || {
            for (index, stream) in listener.incoming().enumerate() {
                let (sender, answer) = (sender.clone(), answers[index.min(answers.len() - 1)].clone());
                thread::spawn(move || serve(stream.expect("a connection"), &sender, &answer));
            }
        });
        Self { address, requests }
    }

    /// The port it listens at.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// What it has been asked since this was last called.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.try_iter().collect()
    }
}

fn serve(mut stream: TcpStream, requests: &Sender<Request>, answer: &Answer) {
    let Some(request) = read(&mut stream) else { return };
    // The test may be over, and with it the receiver; and the client may be gone, which is what some tests are about.
    drop(requests.send(request));
    match answer {
        Answer::Bytes(bytes) => drop(stream.write_all(bytes)),
        Answer::Slow(pause, bytes) => {
            thread::sleep(*pause);
            drop(stream.write_all(bytes));
        }
        Answer::Close => {}
        Answer::Reset => reset(&stream),
        Answer::Silence => drop(stream.read(&mut [0])),
        Answer::Drip(pause, bytes) => {
            for byte in bytes.chunks(1) {
                if stream.write_all(byte).is_err() {
                    break;
                }
                thread::sleep(*pause);
            }
        }
        Answer::Endless(head, more) => {
            let mut result = stream.write_all(head);
            while result.is_ok() {
                result = stream.write_all(more);
            }
        }
    }
}

fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        match stream.read(&mut buffer) {
            Ok(count) if count > 0 => bytes.extend(&buffer[..count]),
            _ => return None,
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let mut words = lines.next()?.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok());
    let mut body = bytes[end + 4..].to_vec();
    while body.len() < length.unwrap_or(0) {
        match stream.read(&mut buffer) {
            Ok(count) if count > 0 => body.extend(&buffer[..count]),
            _ => break,
        }
    }
    Some(Request { method, path, headers, body: String::from_utf8_lossy(&body).into_owned() })
}

/// Makes the end of the connection a reset: nothing lingers (socket(7), SO_LINGER).
fn reset(stream: &TcpStream) {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    // SAFETY: the pointer and the length are those of a live linger.
    let result = unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            (&raw const linger).cast(),
            size_of_val(&linger) as libc::socklen_t,
        )
    };
    assert_eq!(result, 0);
}
