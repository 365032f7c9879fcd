//! Bodies on their way: the request's to the target, the answer's back.

use super::exchange::Exchange;
use super::pool::{Pool, Sender};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Empty;
use hyper::body::Incoming;
use postern_tunnel::{BodyError, TunnelBody};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// A request's body.
pub(super) enum Upload {
    /// None.
    Empty,
    /// As it comes out of the tunnel.
    Tunnel(TunnelBody, Arc<Exchange>),
    /// What is left of one that is here already.
    Whole(Option<Bytes>, Arc<Exchange>),
}

impl Body for Upload {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Whole(body, exchange) => Poll::Ready(body.take().map(|body| {
                exchange.sends(&body);
                Ok(Frame::data(body))
            })),
            Self::Tunnel(body, exchange) => {
                let frame = ready!(Pin::new(body).poll_frame(context));
                if let Some(data) = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()) {
                    exchange.sends(data);
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Whole(body, _) => body.is_none(),
            Self::Tunnel(body, _) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => Empty::<Bytes>::new().size_hint(),
            Self::Whole(body, _) => SizeHint::with_exact(body.as_ref().map_or(0, |body| body.len() as u64)),
            Self::Tunnel(body, _) => body.size_hint(),
        }
    }
}

/// An answer's body. Once all of it has come, its connection can be used again;
/// dropped before, the target's connection ends.
pub(super) struct Download {
    body: Incoming,
    exchange: Arc<Exchange>,
    back: Option<(Arc<Pool>, Sender)>,
}

impl Download {
    pub(super) fn new(body: Incoming, exchange: Arc<Exchange>, back: Option<(Arc<Pool>, Sender)>) -> Self {
        let mut download = Self { body, exchange, back };
        if download.body.is_end_stream() {
            download.end();
        }
        download
    }

    fn end(&mut self) {
        self.exchange.completed();
        if let Some((pool, sender)) = self.back.take() {
            pool.give(sender);
        }
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let frame = ready!(Pin::new(&mut this.body).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => this.exchange.gets(frame.data_ref().map_or(&[], |data| data)),
            Some(Err(_)) => this.exchange.failed("the local server broke off its answer"),
            None => {}
        }
        // After the last bytes nobody may ask for more.
        if !matches!(frame, Some(Err(_))) && (frame.is_none() || this.body.is_end_stream()) {
            this.end();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
