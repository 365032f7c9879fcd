//! One connection, from its preface to its end: the agent's HTTP/2 server.

use super::answer::answer;
use crate::body::{Held, TunnelBody};
use crate::control::{self, Control, ControlError, Goodbye, Hello, Message, Next};
use crate::heartbeat::{Heartbeat, Silent};
use crate::io::{BoxIo, Metered};
use crate::link::Closed;
use crate::settings::{self, Timing};
use crate::stream::TunnelStream;
use bytes::Bytes;
use futures_util::future::{BoxFuture, OptionFuture};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{Request, Response};
use http_body::Body;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// What a connection has come to; the latest counts.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    /// The proxy's introduction: from now on requests arrive.
    pub(super) hello: Option<Hello>,
    pub(super) round_trip: Option<Duration>,
    /// The proxy took its leave; what is in flight is finished.
    pub(super) left: Option<Goodbye>,
}

/// Serves one connection.
pub(super) struct Serve<S> {
    pub(super) service: S,
    pub(super) hello: Hello,
    pub(super) timing: Timing,
    pub(super) progress: watch::Sender<Progress>,
    /// What the proxy should know, and what it wants known.
    pub(super) ours: watch::Receiver<Option<Value>>,
    pub(super) theirs: watch::Sender<Option<Value>>,
    /// Makes the next heartbeat come now, and be impatient.
    pub(super) probe: Arc<Notify>,
    /// Ends the connection in order.
    pub(super) stop: CancellationToken,
}

type ControlEnd = BoxFuture<'static, Result<(), ControlError>>;

/// What may happen beside requests.
enum Event {
    /// The proxy is gone without a word.
    Silent,
    /// The control stream ended.
    Control(Result<(), ControlError>),
    /// This end is to stop.
    Stop,
    /// The proxy said goodbye.
    Left,
}

impl<S, F, B> Serve<S>
where
    S: Fn(Request<TunnelBody>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: std::fmt::Display + Send,
{
    /// Runs until the connection ends, and says why. Handlers still at work are
    /// dropped then.
    pub(super) async fn run(self, io: BoxIo) -> Closed {
        let (io, activity) = Metered::new(io);
        let shaking = settings::server().handshake::<_, Bytes>(io);
        let mut connection = match timeout(self.timing.hello, shaking).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return Closed::lost(&error),
            Err(_) => return Closed::Silent,
        };
        let Some(ping) = connection.ping_pong() else { return Closed::Silent };
        let (timing, progress) = (self.timing.clone(), self.progress.clone());
        let heart = Heartbeat { ping, activity, timing: &timing, probe: &self.probe };
        let heart = heart.run(|time| progress.send_modify(|progress| progress.round_trip = Some(time)));
        let mut reached = self.progress.subscribe();
        let left = async move {
            if reached.wait_for(|now| now.left.is_some()).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        // Looked at when they were woken, and not with each frame.
        let mut events = FuturesUnordered::new();
        events.push(heart.map(|Silent| Event::Silent).boxed());
        events.push(left.map(|()| Event::Left).boxed());
        events.push(self.stop.cancelled().map(|()| Event::Stop).boxed());
        let mut requests = JoinSet::new();
        let mut controlled = false;
        let mut deadline = None;
        loop {
            tokio::select! {
                // Requests first, so that the rest is looked at once for all
                // that have come together.
                biased;
                accepted = connection.accept() => match accepted {
                    None => return self.left().unwrap_or(Closed::Lost("the other end closed it".into())),
                    Some(Err(error)) => return self.left().unwrap_or(Closed::lost(&error)),
                    Some(Ok((request, mut respond))) => {
                        if request.uri().scheme_str() != Some(control::SCHEME) {
                            requests.spawn(answer(request, respond, self.service.clone()));
                        } else if controlled {
                            respond.send_reset(Reason::PROTOCOL_ERROR);
                        } else {
                            controlled = true;
                            match self.control(request, respond) {
                                Ok(run) => events.push(run.map(Event::Control).boxed()),
                                Err(error) => return Closed::lost(&error),
                            }
                        }
                    }
                },
                Some(event) = events.next() => match event {
                    Event::Silent => return Closed::Silent,
                    Event::Control(Err(error)) => return Closed::of(&error),
                    // The connection ends when what is in flight has, or at
                    // the deadline.
                    Event::Stop if deadline.is_none() => {
                        deadline = Some(Instant::now() + self.timing.stop);
                        connection.graceful_shutdown();
                    }
                    Event::Left if deadline.is_none() => {
                        deadline = Some(Instant::now() + self.timing.drain);
                    }
                    Event::Control(Ok(())) | Event::Stop | Event::Left => {}
                },
                Some(()) = OptionFuture::from(deadline.map(sleep_until)) => {
                    return self.left().unwrap_or(Closed::Here(Goodbye::Stopping));
                }
                Some(done) = requests.join_next(), if !requests.is_empty() => {
                    if let Err(error) = done {
                        tracing::error!(%error, "a handler of the tunnel's requests panicked");
                    }
                }
            }
        }
    }

    /// Why the connection is about to end, where either end said so.
    fn left(&self) -> Option<Closed> {
        if self.stop.is_cancelled() {
            return Some(Closed::Here(Goodbye::Stopping));
        }
        self.progress.borrow().left.map(Closed::There)
    }

    /// Answers the control stream's request: both hellos, then messages until
    /// either end says goodbye.
    fn control(
        &self,
        request: Request<RecvStream>,
        mut respond: SendResponse<Bytes>,
    ) -> Result<ControlEnd, h2::Error> {
        let send = respond.send_response(Response::new(()), false)?;
        let stream = TunnelStream::new(request.into_body(), send, Held::default());
        let mut control = Control::new(stream);
        let (progress, theirs, stop) = (self.progress.clone(), self.theirs.clone(), self.stop.clone());
        let (hello, mut ours) = (self.hello.clone(), self.ours.clone());
        Ok(Box::pin(async move {
            control.send(&Message::Hello(hello)).await?;
            let hello = control.hello().await?;
            progress.send_modify(|progress| progress.hello = Some(hello));
            let (say, outgoing) = mpsc::channel(1);
            let heard = |message| match message {
                Message::Config { config } => {
                    theirs.send_replace(Some(config));
                    Next::GoOn
                }
                Message::Goodbye { reason } => {
                    progress.send_modify(|progress| progress.left = Some(reason));
                    Next::Finish
                }
                Message::Hello(_) | Message::Unknown => Next::GoOn,
            };
            let talk = control.run(outgoing, heard);
            tokio::pin!(talk);
            tokio::select! {
                ended = &mut talk => return ended,
                () = tell(&say, &mut ours, &stop) => drop(say),
            }
            talk.await
        }))
    }
}

/// Tells the proxy what it should know until the agent stops; then says
/// goodbye.
async fn tell(
    say: &mpsc::Sender<Message>,
    ours: &mut watch::Receiver<Option<Value>>,
    stop: &CancellationToken,
) {
    let configs = async {
        loop {
            let config = ours.borrow_and_update().clone();
            if let Some(config) = config {
                // Refused only after the other end's goodbye: nobody reads it.
                let _ = say.send(Message::Config { config }).await;
            }
            if ours.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => {
            let _ = say.send(Message::Goodbye { reason: Goodbye::Stopping }).await;
        }
        () = configs => {}
    }
}
