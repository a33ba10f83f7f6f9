//! The clock that interrupts a spinning guest.
//!
//! A guest that never calls the host never lets the async runtime look at its deadline. Compiled code therefore reads the
//! engine's epoch at every loop and call, and yields when it has moved on.

use super::limits::TICK;
use std::{
    io,
    sync::mpsc::{RecvTimeoutError, Sender, channel},
    thread,
};
use wasmtime::Engine;

/// Moves the engine's epoch on every [`TICK`], until it is dropped.
#[derive(Debug)]
pub struct Ticker {
    _stop: Sender<()>,
}

impl Ticker {
    /// Starts the thread.
    pub fn start(engine: &Engine) -> io::Result<Self> {
        let (stop, stopped) = channel();
        let engine = engine.weak();
        thread::Builder::new().name("epoch".to_owned()).stack_size(64 << 10).spawn(move || {
            while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                match engine.upgrade() {
                    Some(engine) => engine.increment_epoch(),
                    None => break,
                }
            }
        })?;
        Ok(Self { _stop: stop })
    }
}
