//! A sidecar's stand-in that answers at once and notes when it was asked.

use anyhow::{Result, ensure};
use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
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

fn answer(mut stream: TcpStream, asked: &Sender<u64>) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut bytes = Vec::new();
    let mut buffer = [0; 1024];
    let mut at = None;
    while !bytes.windows(4).any(|window| window == b"\r\n\r\n") {
        let count = stream.read(&mut buffer)?;
        at = at.or_else(|| Some(crate::job::now()));
        ensure!(count > 0, "half a request");
        bytes.extend(&buffer[..count]);
    }
    asked.send(at.unwrap_or_default())?;
    let head = String::from_utf8_lossy(&bytes);
    let mebibytes: usize = head.split(' ').nth(1).and_then(|path| path[1..].parse().ok()).unwrap_or(0);
    let length = mebibytes << 20;
    stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let zeros = vec![0; 1 << 20];
    for _ in 0..mebibytes {
        stream.write_all(&zeros)?;
    }
    Ok(())
}
