//! The proxy's end: one agent's connection, as something to send requests to.

mod accept;
mod driver;
mod error;
mod head;

pub use accept::{AcceptError, accept};
pub use error::{Closed, SendError};

use crate::body::{Held, TunnelBody};
use crate::carrier::Carrier;
use crate::control::{Goodbye, Hello};
use crate::go_ahead;
use crate::pump::{Pumped, pump};
use crate::stream::{self, TunnelStream};
use bytes::Bytes;
use futures_util::FutureExt;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, SendStream};
use http::{Request, Response};
use http_body::Body;
use serde_json::Value;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

/// A connection to an agent: a cheap clone, any number of requests at once.
/// When the last clone is dropped the connection ends.
#[derive(Clone, Debug)]
pub struct Link {
    // Shared: to clone it takes the connection's lock.
    requests: Arc<SendRequest<Bytes>>,
    shared: Arc<Shared>,
    // Held by the handles alone: the driver ends the link when the last is gone.
    orders: watch::Sender<Orders>,
}

/// What a link's handles and its driver share.
#[derive(Debug)]
struct Shared {
    carrier: Carrier,
    ours: Hello,
    theirs: Hello,
    stage: watch::Sender<Stage>,
    round_trip: watch::Sender<Option<Duration>>,
    go_ahead: Duration,
    config: watch::Sender<Option<Value>>,
    in_flight: TaskTracker,
}

/// A link's life.
#[derive(Clone, Debug)]
enum Stage {
    Open,
    /// Takes no new request; what is in flight may finish.
    Closing(Closed),
    Closed(Closed),
}

/// What the handles ask of the driver: the latest counts.
#[derive(Clone, Debug, Default)]
struct Orders {
    config: Option<Value>,
    close: Option<(Goodbye, Duration)>,
}

impl Link {
    /// Sends a request to the agent and returns the head of its answer; the
    /// bodies stream both ways from then on, trailers included.
    ///
    /// Dropping this future, or the answer's body before its end, resets the
    /// stream: the agent's handler is dropped too. A request whose body fails
    /// is reset, never ended. Headers of one hop are removed.
    ///
    /// The body of a request with `Expect: 100-continue` is not asked for
    /// anything before the agent's [`GoAhead`](crate::GoAhead), or
    /// [`Timing::go_ahead`](crate::Timing::go_ahead) has passed; never, if the
    /// answer comes first and is not 2xx.
    ///
    /// # Errors
    /// [`SendError`] tells apart what certainly did not reach the agent, and
    /// may be sent elsewhere, from what may have.
    pub async fn send<B>(&self, request: Request<B>) -> Result<Response<TunnelBody>, SendError>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: std::fmt::Display + Send,
    {
        let (parts, body) = request.into_parts();
        let head = head::request(parts)?;
        let ended = body.is_end_stream();
        let (asked, go_ahead) = go_ahead::of(&head);
        let (response, mut stream, mut held) = self.open(head, ended).await?;
        if !ended {
            let patience = self.shared.go_ahead;
            let mut upload = Box::pin(async move {
                if !go_ahead.given(patience).await {
                    return;
                }
                if let Pumped::Broken(error) = pump(body, &mut stream, Reason::CANCEL).await {
                    tracing::debug!(%error, "a request's body broke off on its way into the tunnel");
                }
            });
            // Most bodies are there already, and fit: no task for those.
            if upload.as_mut().now_or_never().is_none() {
                held.upload = Some(AbortOnDropHandle::new(tokio::spawn(upload)));
            }
        }
        let response = asked.answer(response).await.map_err(|error| self.sent_in_vain(error))?;
        Ok(response.map(|stream| TunnelBody::new(stream, held)))
    }

    /// Asks the agent for raw bytes both ways by extended CONNECT (RFC 8441):
    /// `protocol` is `websocket`, or what the agent's handler knows. The
    /// request's method is set here.
    ///
    /// An answer that grants no stream comes with its body in place of it.
    ///
    /// # Errors
    /// As [`Link::send`].
    pub async fn connect(
        &self,
        request: Request<()>,
        protocol: &str,
    ) -> Result<Response<Result<TunnelStream, TunnelBody>>, SendError> {
        let mut head = head::request(request.into_parts().0)?;
        *head.method_mut() = http::Method::CONNECT;
        head.extensions_mut().insert(h2::ext::Protocol::from(protocol));
        let (response, mut send, held) = self.open(head, false).await?;
        let mut response = response.await.map_err(|error| self.sent_in_vain(error))?;
        let granted = stream::granted(&mut response);
        Ok(response.map(|recv| {
            if granted {
                return Ok(TunnelStream::new(recv, send, held));
            }
            // Nothing is going to follow. Where the agent has ended the stream
            // already, it need not be told.
            let _ = send.send_data(Bytes::new(), true);
            Err(TunnelBody::new(recv, held))
        }))
    }

    async fn open(
        &self,
        head: Request<()>,
        ended: bool,
    ) -> Result<(ResponseFuture, SendStream<Bytes>, Held), SendError> {
        let held = Held { upload: None, in_flight: Some(self.shared.in_flight.token()) };
        self.check()?;
        let mut requests = SendRequest::clone(&self.requests);
        poll_fn(|context| requests.poll_ready(context)).await.map_err(|error| self.not_sent(&error))?;
        let (response, stream) = requests.send_request(head, ended).map_err(|error| {
            if error.is_io() || error.is_go_away() || self.check().is_err() {
                self.not_sent(&error)
            } else {
                SendError::Invalid(error)
            }
        })?;
        Ok((response, stream, held))
    }

    fn check(&self) -> Result<(), SendError> {
        match &*self.shared.stage.borrow() {
            Stage::Open => Ok(()),
            Stage::Closing(why) | Stage::Closed(why) => Err(SendError::NotSent(why.clone())),
        }
    }

    fn not_sent(&self, error: &h2::Error) -> SendError {
        self.check().err().unwrap_or_else(|| SendError::NotSent(Closed::lost(error)))
    }

    /// What a failure means that came after the request went out.
    fn sent_in_vain(&self, error: h2::Error) -> SendError {
        match error.reason() {
            Some(Reason::REFUSED_STREAM) if error.is_reset() => SendError::Refused,
            // Streams above the last one that the agent says it will process.
            Some(Reason::NO_ERROR) if error.is_go_away() && error.is_remote() => SendError::Refused,
            Some(reason) if error.is_reset() => SendError::Reset(reason),
            _ => SendError::Lost(match &*self.shared.stage.borrow() {
                Stage::Closed(why) => why.clone(),
                Stage::Open | Stage::Closing(_) => Closed::lost(&error),
            }),
        }
    }

    /// Tells the agent what it should know now; replaces what was told before.
    /// Of several in quick succession, only the last may travel.
    pub fn configure(&self, config: Value) {
        self.orders.send_modify(|orders| orders.config = Some(config));
    }

    /// What the agent last told us by its own `configure`.
    #[must_use]
    pub fn config(&self) -> watch::Receiver<Option<Value>> {
        self.shared.config.subscribe()
    }

    /// Ends the link in an orderly way: takes no new request from now, tells
    /// the agent to dial anew, lets what is in flight finish for at most
    /// `grace`. Returns at once; [`Link::closed`] tells when it is done.
    pub fn drain(&self, grace: Duration) {
        self.close(Goodbye::Draining, grace);
    }

    /// Ends the link now, telling the agent why.
    pub fn shutdown(&self, reason: Goodbye) {
        self.close(reason, Duration::ZERO);
    }

    fn close(&self, reason: Goodbye, grace: Duration) {
        self.shared.closing(Closed::Here(reason));
        self.orders.send_modify(|orders| orders.close = Some((reason, grace)));
    }

    /// Waits until the link has ended, and says why.
    pub async fn closed(&self) -> Closed {
        let mut stage = self.shared.stage.subscribe();
        let closed = stage.wait_for(|stage| matches!(stage, Stage::Closed(_))).await;
        match closed.as_deref() {
            Ok(Stage::Closed(why)) => why.clone(),
            _ => Closed::Lost("its driver was stopped".into()),
        }
    }

    /// Why the link takes no new requests; `None` while it does.
    #[must_use]
    pub fn closing(&self) -> Option<Closed> {
        match self.check() {
            Err(SendError::NotSent(why)) => Some(why),
            _ => None,
        }
    }

    /// Who is at the other end.
    #[must_use]
    pub fn agent(&self) -> &Hello {
        &self.shared.theirs
    }

    /// The id this end gave the connection.
    #[must_use]
    pub fn connection(&self) -> &str {
        &self.shared.ours.connection
    }

    /// The epoch this end gave the connection; of two for the same agent, the
    /// higher one is the newer.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.shared.ours.epoch
    }

    /// What carries the bytes.
    #[must_use]
    pub fn carrier(&self) -> Carrier {
        self.shared.carrier
    }

    /// The last heartbeat's round trip; `None` before the first.
    #[must_use]
    pub fn round_trip(&self) -> Option<Duration> {
        *self.shared.round_trip.borrow()
    }

    /// How many requests and streams are in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.shared.in_flight.len()
    }
}

impl Shared {
    /// Takes no new requests. The first reason stands.
    fn closing(&self, why: Closed) {
        self.stage.send_if_modified(|stage| {
            let open = matches!(stage, Stage::Open);
            if open {
                *stage = Stage::Closing(why);
            }
            open
        });
    }

    /// Has ended; why it began to close outweighs how the socket ended.
    fn closed(&self, why: Closed) {
        self.stage.send_modify(|stage| {
            *stage = match std::mem::replace(stage, Stage::Open) {
                Stage::Open => Stage::Closed(why),
                Stage::Closing(first) | Stage::Closed(first) => Stage::Closed(first),
            };
        });
    }
}
