//! A sidecar's stand-in that answers at once and notes when it was asked.

use anyhow::{Result, ensure};
use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::mpsc::{Receiver, Sender, channel},
    thread::{self, JoinHandle},
    time::Duration,
};

/// Where Istio's agent listens.
const PORT: u16 = 15020;

/// It listens on 127.0.0.1:15020. `POST` is answered with 200, `GET /N` with a body of N mebibytes.
pub struct Stub {
    asked: Receiver<u64>,
}

impl Stub {
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", PORT))?;
        let (sender, asked) = channel();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that goes away meanwhile is what the next measurement finds out.
                drop(answer(stream, &sender));
            }
        });
        Ok(Self { asked })
    }

    /// When requests came since this was last called, in nanoseconds of the monotonic clock; an error where they are not so
    /// many.
    pub fn requests(&self, count: usize) -> Result<Vec<u64>> {
        let times: Vec<_> = self.asked.try_iter().collect();
        ensure!(times.len() == count, "{} requests came instead of {count}", times.len());
        Ok(times)
    }
}

/// A sidecar of one job, on a port of its own, that notes what it is asked.
pub struct Sidecar {
    pub port: u16,
    asked: JoinHandle<Result<Vec<Asked>>>,
}

/// A request to a sidecar.
pub struct Asked {
    /// When its first bytes came, in nanoseconds of the monotonic clock.
    pub at: u64,
    /// Its first line.
    pub line: String,
}

/// What ends a sidecar's stand-in, in place of a request.
const STOP: &str = "STOP\r\n\r\n";

impl Sidecar {
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let port = listener.local_addr()?.port();
        let serve = move || {
            let mut asked = Vec::new();
            loop {
                let (mut stream, _) = listener.accept()?;
                stream.set_read_timeout(Some(Duration::from_secs(10)))?;
                let (at, head) = head(&mut stream)?;
                if head == STOP {
                    return Ok(asked);
                }
                asked.push(Asked { at, line: head.lines().next().unwrap_or_default().to_owned() });
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
            }
        };
        Ok(Self { port, asked: thread::spawn(serve) })
    }

    /// Everything that was asked until now: connections are accepted in the order in which they came.
    pub fn stop(self) -> Result<Vec<Asked>> {
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) {
            stream.write_all(STOP.as_bytes())?;
        }
        self.asked.join().expect("the stand-in does not panic")
    }
}

/// A request's head, and when its first bytes came.
fn head(stream: &mut TcpStream) -> Result<(u64, String)> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 1024];
    let mut at = None;
    while !bytes.windows(4).any(|window| window == b"\r\n\r\n") {
        let count = stream.read(&mut buffer)?;
        at = at.or_else(|| Some(crate::job::now()));
        ensure!(count > 0, "half a request");
        bytes.extend(&buffer[..count]);
    }
    Ok((at.unwrap_or_default(), String::from_utf8_lossy(&bytes).into_owned()))
}

fn answer(mut stream: TcpStream, asked: &Sender<u64>) -> Result<()> {
    stream.set_nodelay(true)?;
    let (at, head) = head(&mut stream)?;
    asked.send(at)?;
    let mebibytes: usize = head.split(' ').nth(1).and_then(|path| path[1..].parse().ok()).unwrap_or(0);
    let length = mebibytes << 20;
    stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let zeros = vec![0; 1 << 20];
    for _ in 0..mebibytes {
        stream.write_all(&zeros)?;
    }
    Ok(())
}
