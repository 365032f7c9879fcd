//! A body that comes out of the tunnel.

use bytes::Bytes;
use h2::{Reason, RecvStream};
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio_util::task::AbortOnDropHandle;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// A streaming body with trailers. It ends cleanly only where the other side
/// ended it; whatever was cut short is an error.
///
/// Reading paces the writer at the far end; dropping it unread resets the
/// stream, so that nothing of it stays behind in the connection's window.
#[derive(Debug, Default)]
pub struct TunnelBody {
    stage: Stage,
    // Dropped with the body: what must not outlive the exchange.
    held: Held,
}

#[derive(Debug, Default)]
enum Stage {
    Data(RecvStream),
    Trailers(RecvStream),
    #[default]
    Ended,
}

/// What belongs to an exchange and ends with it.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// The upload, which ends when nobody waits for the answer any more.
    pub(crate) upload: Option<AbortOnDropHandle<()>>,
    /// Counts the exchange among those in flight.
    pub(crate) in_flight: Option<TaskTrackerToken>,
}

impl TunnelBody {
    pub(crate) fn new(stream: RecvStream, held: Held) -> Self {
        Self { stage: Stage::Data(stream), held }
    }

    /// The answer is complete. An upload may go on: the far end still reads it,
    /// or resets it.
    fn end(&mut self) {
        self.stage = Stage::Ended;
        if let Some(upload) = self.held.upload.take() {
            drop(upload.detach());
        }
        self.held.in_flight = None;
    }

    /// An error is told once; the upload ends with it.
    fn cut_short(&mut self, error: h2::Error) -> BodyError {
        self.stage = Stage::Ended;
        self.held = Held::default();
        BodyError::of(error)
    }
}

impl Body for TunnelBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            match &mut self.stage {
                Stage::Data(stream) => match ready!(stream.poll_data(context)) {
                    Some(Ok(data)) => {
                        if let Err(error) = stream.flow_control().release_capacity(data.len()) {
                            return Poll::Ready(Some(Err(self.cut_short(error))));
                        }
                        // An empty frame says nothing.
                        if !data.is_empty() {
                            return Poll::Ready(Some(Ok(Frame::data(data))));
                        }
                    }
                    Some(Err(error)) => return Poll::Ready(Some(Err(self.cut_short(error)))),
                    None => {
                        if let Stage::Data(stream) = std::mem::take(&mut self.stage) {
                            self.stage = Stage::Trailers(stream);
                        }
                    }
                },
                Stage::Trailers(stream) => {
                    let trailers = match ready!(stream.poll_trailers(context)) {
                        Ok(trailers) => trailers,
                        Err(error) => return Poll::Ready(Some(Err(self.cut_short(error)))),
                    };
                    self.end();
                    return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
                }
                Stage::Ended => return Poll::Ready(None),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.stage {
            Stage::Data(stream) => stream.is_end_stream(),
            Stage::Trailers(_) => false,
            Stage::Ended => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        if self.is_end_stream() { SizeHint::with_exact(0) } else { SizeHint::default() }
    }
}

/// Why a body ended before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The other side gave this exchange up.
    #[error("the other end of the tunnel cut the body short ({0})")]
    Reset(Reason),
    /// The link ended.
    #[error("the tunnel's connection ended in the middle of a body")]
    Lost,
}

impl BodyError {
    #[expect(clippy::needless_pass_by_value, reason = "the shape of map_err")]
    pub(crate) fn of(error: h2::Error) -> Self {
        match error.reason() {
            Some(reason) if error.is_reset() => Self::Reset(reason),
            _ => Self::Lost,
        }
    }
}
