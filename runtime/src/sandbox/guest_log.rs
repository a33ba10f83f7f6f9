//! What a guest says: its `log` calls, its stdout and its stderr, as log lines under the plugin's name.
//!
//! A line stays one line, is cut when it is long, and there is an end to them all.

use super::limits::LOG_BYTES;
use crate::report::{LONGEST, in_json, one_line};
use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};
use tokio::io::AsyncWrite;
use tracing::Level;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};

/// What a line of log has around its text and the plugin's name, in bytes: time and level, in JSON.
const FRAME: usize = 100;

/// What of the limit is kept for the host's remarks, which a guest that talks is not to silence.
const REMARKS: usize = 64 << 10;

/// The log of one run of a hook. Clones share its limit.
#[derive(Clone, Debug)]
pub struct GuestLog {
    plugin: Arc<str>,
    left: Arc<AtomicUsize>,
}

impl GuestLog {
    /// A log that appears under `plugin`.
    pub fn new(plugin: &str) -> Self {
        Self::with_limit(plugin, LOG_BYTES - REMARKS)
    }

    /// The log of the host's remarks on what the guest does.
    pub fn of_remarks(plugin: &str) -> Self {
        Self::with_limit(plugin, REMARKS)
    }

    fn with_limit(plugin: &str, limit: usize) -> Self {
        Self { plugin: plugin.into(), left: Arc::new(AtomicUsize::new(limit)) }
    }

    /// Logs one line, unless the limit is reached.
    pub fn line(&self, level: Level, text: &str) {
        let plugin = &*self.plugin;
        if level == Level::DEBUG && !tracing::enabled!(Level::DEBUG) {
            return;
        }
        let left = self.left.load(Ordering::Relaxed);
        if left == 0 {
            return;
        }
        let message = one_line(text);
        // What is around it in the log costs as well, or there would be no end to empty lines.
        let cost = in_json(&message) + plugin.len() + FRAME;
        if left <= cost {
            self.left.store(0, Ordering::Relaxed);
            tracing::warn!(plugin, "log limit of {} KiB reached, its further lines are dropped", LOG_BYTES >> 10);
            return;
        }
        self.left.store(left - cost, Ordering::Relaxed);
        match level {
            Level::ERROR => tracing::error!(plugin, "{message}"),
            Level::WARN => tracing::warn!(plugin, "{message}"),
            Level::INFO => tracing::info!(plugin, "{message}"),
            _ => tracing::debug!(plugin, "{message}"),
        }
    }

    /// A stream whose lines are logged.
    pub fn stream(&self, level: Level) -> LineStream {
        LineStream(Arc::new(Mutex::new(Lines { log: self.clone(), level, partial: Vec::new() })))
    }
}

/// A guest's stdout or stderr. A last line without a newline is logged when the run is over.
#[derive(Clone, Debug)]
pub struct LineStream(Arc<Mutex<Lines>>);

#[derive(Debug)]
struct Lines {
    log: GuestLog,
    level: Level,
    partial: Vec<u8>,
}

impl Lines {
    fn push(&mut self, mut bytes: &[u8]) {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            self.keep(&bytes[..end]);
            self.end_line();
            bytes = &bytes[end + 1..];
        }
        self.keep(bytes);
    }

    /// Keeps one byte more than is shown, so that a cut is seen as one.
    fn keep(&mut self, bytes: &[u8]) {
        let room = (LONGEST + 1).saturating_sub(self.partial.len());
        self.partial.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn end_line(&mut self) {
        self.log.line(self.level, &String::from_utf8_lossy(&self.partial));
        self.partial.clear();
    }
}

impl LineStream {
    /// Logs a last line that has no end.
    pub fn end(&self) {
        let mut lines = self.0.lock().expect("no panic while a line is kept");
        if !lines.partial.is_empty() {
            lines.end_line();
        }
    }
}

impl AsyncWrite for LineStream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.lock().expect("no panic while a line is kept").push(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl IsTerminal for LineStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LineStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}
