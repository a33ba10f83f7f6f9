//! Bodies on their way in and out, bounded in size and in silence.

use super::limits;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Sleep, sleep},
};
use wasmtime_wasi::runtime::AbortOnDropJoinHandle;
use wasmtime_wasi_http::Error as WasiError;

/// A response's body, which stalls no longer than the guest wished and holds what must live as long.
pub struct ResponseBody {
    incoming: Incoming,
    stalled: Option<Stalled>,
    _slot: OwnedSemaphorePermit,
    _connection: AbortOnDropJoinHandle<()>,
}

/// A timer that every frame sets back.
struct Stalled {
    patience: Duration,
    timer: Pin<Box<Sleep>>,
}

impl Stalled {
    fn new(patience: Duration) -> Self {
        Self { patience, timer: Box::pin(sleep(patience)) }
    }
}

impl ResponseBody {
    /// A body that fails when no frame comes for `between_bytes`.
    pub fn new(
        incoming: Incoming,
        between_bytes: Option<Duration>,
        slot: OwnedSemaphorePermit,
        connection: AbortOnDropJoinHandle<()>,
    ) -> Self {
        Self { incoming, stalled: between_bytes.map(Stalled::new), _slot: slot, _connection: connection }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = WasiError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, WasiError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(context) {
            if let Some(stalled) = &mut self.stalled {
                stalled.timer.as_mut().reset(tokio::time::Instant::now() + stalled.patience);
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(WasiError::from)));
        }
        match &mut self.stalled {
            Some(stalled) => {
                ready!(stalled.timer.as_mut().poll(context));
                Poll::Ready(Some(Err(WasiError::ConnectionReadTimeout)))
            }
            None => Poll::Pending,
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// A body that ends with an error where it would grow over its limit.
pub struct Capped<B> {
    body: B,
    limit: u64,
    left: u64,
    too_large: fn(Option<u64>) -> WasiError,
}

impl<B> Capped<B> {
    /// A body of at most `limit` bytes; what is larger ends with the error that `too_large` makes of it.
    pub fn new(body: B, limit: u64, too_large: fn(Option<u64>) -> WasiError) -> Self {
        Self { body, limit, left: limit, too_large }
    }
}

impl<B: Body<Data = Bytes, Error = WasiError> + Unpin> Body for Capped<B> {
    type Data = Bytes;
    type Error = WasiError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, WasiError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let length = match &frame {
            Some(Ok(frame)) => frame.data_ref().map_or(0, Bytes::len) as u64,
            _ => 0,
        };
        match self.left.checked_sub(length) {
            Some(left) => {
                self.left = left;
                Poll::Ready(frame)
            }
            None => Poll::Ready(Some(Err((self.too_large)(Some(self.limit))))),
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

/// Reads a body to its end, to the first error, or to the limit of [`limits::HEARD_OUT`], and returns how it begins.
pub async fn hear_out<B: Body<Data = Bytes, Error = WasiError> + Unpin>(mut body: B, beginning: &mut Vec<u8>) {
    let mut count = 0;
    while count < limits::HEARD_OUT.0 {
        let Some(Ok(frame)) = body.frame().await else { return };
        let data = frame.data_ref().map_or(&[][..], |data| data);
        let room = limits::STATUS_BODY - beginning.len();
        beginning.extend_from_slice(&data[..data.len().min(room)]);
        count += data.len();
    }
}

/// All of a body, in one piece that takes what its bytes take.
///
/// Kept as they come, its frames would take more: one of a single byte has a record of 32, and holds the buffer that it was
/// read into.
pub async fn read<B: Body<Data = Bytes, Error = WasiError> + Unpin>(mut body: B) -> Result<Vec<u8>, WasiError> {
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Some(data) = frame?.data_ref() {
            whole.extend_from_slice(data);
        }
    }
    Ok(whole)
}
