//! A request and its answer on their way: counted, and ended when nothing moves
//! for too long or the visitor has gone.

use super::metrics::TunnelMetrics;
use super::traffic::Room;
use crate::http::hangup::Hangup;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use postern_tunnel::{BodyError, TunnelBody};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

/// What both directions share, until both have ended.
pub(super) struct Exchange {
    _room: Room,
    metrics: Arc<TunnelMetrics>,
    began: Instant,
    idle_after: Duration,
    /// When something last moved: milliseconds after it began.
    moved: AtomicU64,
    /// How it was answered.
    outcome: OnceLock<&'static str>,
}

impl Exchange {
    pub(super) fn new(room: Room, metrics: Arc<TunnelMetrics>, idle_after: Duration) -> Arc<Self> {
        metrics.in_flight.increment(1.0);
        Arc::new(Self {
            _room: room,
            metrics,
            began: Instant::now(),
            idle_after,
            moved: AtomicU64::new(0),
            outcome: OnceLock::new(),
        })
    }

    /// The head of the answer is there.
    pub(super) fn answered(&self, status: StatusCode, headers: &HeaderMap) {
        let outcome = match super::head::reason(headers) {
            Some(_) => "unanswered",
            None => match status.as_u16() {
                100..200 => "1xx",
                200..300 => "2xx",
                300..400 => "3xx",
                400..500 => "4xx",
                _ => "5xx",
            },
        };
        if self.outcome.set(outcome).is_ok() {
            self.metrics.answered(outcome, self.began.elapsed());
        }
        self.moved();
    }

    /// Bytes from the visitor.
    pub(super) fn came(&self, bytes: usize) {
        self.metrics.came.increment(bytes as u64);
        self.moved();
    }

    /// Bytes to the visitor.
    pub(super) fn went(&self, bytes: usize) {
        self.metrics.went.increment(bytes as u64);
        self.moved();
    }

    fn moved(&self) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved.store(now, Ordering::Relaxed);
    }

    /// When nothing will have moved for too long, as far as is known now.
    fn idle_at(&self) -> Instant {
        self.began + Duration::from_millis(self.moved.load(Ordering::Relaxed)) + self.idle_after
    }

    /// Waits until nothing has moved for too long.
    pub(super) async fn idle(&self) {
        loop {
            let at = self.idle_at();
            tokio::time::sleep_until(at).await;
            if self.idle_at() <= at {
                return;
            }
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.metrics.in_flight.decrement(1.0);
    }
}

/// A visitor's body.
pub(super) struct Upload {
    body: Body,
    exchange: Arc<Exchange>,
}

impl Upload {
    pub(super) fn new(body: Body, exchange: Arc<Exchange>) -> Self {
        Self { body, exchange }
    }
}

impl HttpBody for Upload {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.exchange.came(frame.data_ref().map_or(0, Bytes::len));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Why an answer ends before its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum CutShort {
    #[error("the tunnel broke")]
    Tunnel(#[source] BodyError),
    #[error("the visitor hung up")]
    HungUp,
    #[error("nothing moved for too long")]
    Idle,
}

type Watch = Pin<Box<dyn Future<Output = CutShort> + Send>>;

/// A local server's body, on its way to the visitor.
pub(super) struct Download {
    body: TunnelBody,
    exchange: Arc<Exchange>,
    /// Made when the body is first waited for.
    watch: Option<Watch>,
    hangup: Option<Hangup>,
}

impl Download {
    pub(super) fn new(body: TunnelBody, exchange: Arc<Exchange>, hangup: Option<Hangup>) -> Self {
        Self { body, exchange, watch: None, hangup }
    }
}

impl HttpBody for Download {
    type Data = Bytes;
    type Error = CutShort;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutShort>>> {
        let this = &mut *self;
        if let Poll::Ready(polled) = Pin::new(&mut this.body).poll_frame(context) {
            if let Some(Ok(frame)) = &polled {
                this.exchange.went(frame.data_ref().map_or(0, Bytes::len));
            }
            return Poll::Ready(polled.map(|frame| frame.map_err(CutShort::Tunnel)));
        }
        let watch = this.watch.get_or_insert_with(|| {
            let (exchange, hangup) = (this.exchange.clone(), this.hangup.clone());
            Box::pin(async move {
                tokio::select! {
                    () = super::hung_up(hangup.as_ref()) => CutShort::HungUp,
                    () = exchange.idle() => CutShort::Idle,
                }
            })
        });
        watch.as_mut().poll(context).map(|why| Some(Err(why)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
