//! The agent's end: dials out, serves what comes in, dials again.
//!
//! One [`Agent`] keeps one connection. It serves HTTP/2 on it: each request of
//! the proxy goes to a handler, bodies stream both ways. When the connection
//! ends, the next one is dialled, sooner or later as the reason demands.

mod answer;
mod backoff;
mod dial;
mod handshake;
mod proxies;
mod serve;
mod state;
mod tls;

pub use dial::{BadUrl, DialError, Dialer};
pub use proxies::Proxies;
pub use state::{DownReason, State};
pub use tls::Tls;

use crate::body::TunnelBody;
use crate::carrier::Carrier;
use crate::control::{Goodbye, Hello};
use crate::link::Closed;
use crate::settings::Timing;
use backoff::Backoff;
use bytes::Bytes;
use handshake::{Failure, upgrade};
use http::{Request, Response};
use http_body::Body;
use postern_protocol::Secret;
use serde_json::Value;
use serve::{Progress, Serve};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// What an agent is told at its start.
#[derive(Clone)]
pub struct AgentConfig {
    /// What it authenticates with: the worker's credential.
    pub credential: Secret,
    /// How it introduces itself; the epoch is filled in.
    pub hello: Hello,
    /// The carrier that worked before, to be tried first.
    pub carrier: Option<Carrier>,
    /// How long things may take.
    pub timing: Timing,
    /// A source of random numbers in 0 … 1.
    pub jitter: Arc<dyn Fn() -> f64 + Send + Sync>,
}

impl std::fmt::Debug for AgentConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AgentConfig").field("hello", &self.hello).finish_non_exhaustive()
    }
}

/// Keeps one connection to the proxy. Made by [`Agent::new`], driven by
/// [`Agent::run`].
#[derive(Debug)]
pub struct Agent<S> {
    dialer: Dialer,
    config: AgentConfig,
    service: S,
    shared: Arc<Shared>,
    dials: u64,
}

/// What the rest of the program holds of an agent: a cheap clone.
#[derive(Clone, Debug)]
pub struct AgentHandle(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: watch::Sender<State>,
    carrier: watch::Sender<Option<Carrier>>,
    ours: watch::Sender<Option<Value>>,
    theirs: watch::Sender<Option<Value>>,
    credential: Mutex<Secret>,
    wake: Notify,
}

impl AgentHandle {
    /// How the agent stands, and every change.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<State> {
        self.0.state.subscribe()
    }

    /// The network changed, or the machine woke: dials at once where there is
    /// no link, and makes sure of the one there is.
    pub fn wake(&self) {
        self.0.wake.notify_one();
    }

    /// Which carrier works here, once that is known; worth keeping for
    /// [`AgentConfig::carrier`].
    #[must_use]
    pub fn carrier(&self) -> watch::Receiver<Option<Carrier>> {
        self.0.carrier.subscribe()
    }

    /// Tells the proxy what it should know now, on this connection and each
    /// later one; replaces what was told before.
    pub fn configure(&self, config: Value) {
        self.0.ours.send_replace(Some(config));
    }

    /// What the proxy last told us.
    #[must_use]
    pub fn config(&self) -> watch::Receiver<Option<Value>> {
        self.0.theirs.subscribe()
    }

    /// Replaces the credential, and wakes the agent: it may be waiting for this.
    pub fn set_credential(&self, credential: Secret) {
        *self.0.credential.lock().unwrap_or_else(PoisonError::into_inner) = credential;
        self.wake();
    }
}

/// A connection that is up.
struct Connection {
    carrier: Carrier,
    progress: watch::Receiver<Progress>,
    probe: Arc<Notify>,
    stop: CancellationToken,
    task: AbortOnDropHandle<Closed>,
}

/// How a connection stopped being the one in use.
enum Ended {
    Stopped,
    Left(Goodbye),
    Lost(Closed),
}

impl<S, F, B> Agent<S>
where
    S: Fn(Request<TunnelBody>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: std::fmt::Display + Send,
{
    /// An agent that hands each request to `service`, and the handle to it.
    /// Nothing happens before [`Agent::run`].
    ///
    /// A handler's future is dropped when its request was given up at the other
    /// end; so is an answer's body.
    pub fn new(dialer: Dialer, config: AgentConfig, service: S) -> (Self, AgentHandle) {
        let shared = Arc::new(Shared {
            state: watch::Sender::new(State::Connecting),
            carrier: watch::Sender::new(config.carrier),
            ours: watch::Sender::new(None),
            theirs: watch::Sender::new(None),
            credential: Mutex::new(config.credential.clone()),
            wake: Notify::new(),
        });
        let handle = AgentHandle(shared.clone());
        (Self { dialer, config, service, shared, dials: 0 }, handle)
    }

    /// Keeps the agent connected until `stop`; then finishes what is in flight
    /// for a few seconds ([`Timing::stop`]).
    pub async fn run(mut self, stop: CancellationToken) {
        let mut draining = JoinSet::new();
        let mut backoff = Backoff::default();
        let shared = self.shared.clone();
        while !stop.is_cancelled() {
            shared.state.send_replace(State::Connecting);
            while draining.try_join_next().is_some() {}
            let connected = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                // Whatever is being dialled may lead nowhere now.
                () = shared.wake.notified() => continue,
                connected = self.connect() => connected,
            };
            let (reason, pause) = match connected {
                Err(reason) => self.pause(reason, &mut backoff),
                Ok(connection) => {
                    let up = Instant::now();
                    let ended = self.attend(connection, &stop, &mut draining).await;
                    if up.elapsed() >= self.config.timing.steady {
                        backoff.reset();
                    }
                    match ended {
                        Ended::Stopped => break,
                        Ended::Left(Goodbye::Draining) if up.elapsed() >= self.config.timing.steady => {
                            continue;
                        }
                        Ended::Left(goodbye) => self.pause(left(goodbye), &mut backoff),
                        Ended::Lost(why) => self.pause(DownReason::Lost(why), &mut backoff),
                    }
                }
            };
            let retry_at = Instant::now() + pause;
            tracing::info!(%reason, pause_ms = pause.as_millis(), "the tunnel is down");
            shared.state.send_replace(State::Down { reason, retry_at: Some(retry_at) });
            tokio::select! {
                () = stop.cancelled() => {}
                () = shared.wake.notified() => backoff.reset(),
                () = sleep_until(retry_at) => {}
            }
        }
        let _ =
            timeout(self.config.timing.stop, async { while draining.join_next().await.is_some() {} }).await;
        shared.state.send_replace(State::Down { reason: DownReason::Stopped, retry_at: None });
    }

    /// How long to wait after `reason`.
    fn pause(&self, reason: DownReason, backoff: &mut Backoff) -> (DownReason, Duration) {
        let timing = &self.config.timing;
        let next = backoff.next(timing, (self.config.jitter)());
        let pause = match &reason {
            DownReason::Refused { .. } | DownReason::ProtocolUnsupported { .. } => timing.refused,
            DownReason::TakenOver => timing.taken_over,
            // A proxy's word, within reason.
            DownReason::Busy { retry_after: Some(after), .. } => next.max((*after).min(timing.refused)),
            _ => next,
        };
        (reason, pause)
    }

    /// Dials with the carrier that worked, then with the other one where a
    /// front may have refused it.
    async fn connect(&mut self) -> Result<Connection, DownReason> {
        let preferred = self.shared.carrier.borrow().unwrap_or(Carrier::Upgrade);
        let connection = match self.attempt(preferred).await {
            Ok(connection) => connection,
            Err(Failure { reason, try_other: false }) => return Err(reason),
            Err(Failure { reason, try_other: true }) => {
                tracing::debug!(%reason, carrier = %preferred, "trying the other carrier");
                self.attempt(preferred.other()).await.map_err(|failure| failure.reason)?
            }
        };
        let carrier = Some(connection.carrier);
        self.shared.carrier.send_if_modified(|known| {
            let changed = *known != carrier;
            *known = carrier;
            changed
        });
        Ok(connection)
    }

    /// Dials, upgrades and says hello.
    async fn attempt(&mut self, carrier: Carrier) -> Result<Connection, Failure> {
        let timing = self.config.timing.clone();
        let unreachable = |error| Failure::definite(DownReason::Unreachable(Arc::new(error)));
        let io = match timeout(timing.dial, self.dialer.dial()).await {
            Ok(dialled) => dialled.map_err(unreachable)?,
            Err(_) => return Err(unreachable(DialError::Timeout)),
        };
        let credential = self.shared.credential.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let software = &self.config.hello.software;
        let upgrading = upgrade(io, carrier, self.dialer.target(), &credential, software);
        let io = timeout(timing.upgrade, upgrading).await.map_err(|late| Failure::cut(&late))??;
        self.dials += 1;
        let (progress, mut reached) = watch::channel(Progress::default());
        let (probe, stop) = (Arc::new(Notify::new()), CancellationToken::new());
        let serve = Serve {
            service: self.service.clone(),
            hello: Hello { epoch: self.dials, ..self.config.hello.clone() },
            timing: timing.clone(),
            progress,
            ours: self.shared.ours.subscribe(),
            theirs: self.shared.theirs.clone(),
            probe: probe.clone(),
            stop: stop.clone(),
        };
        let mut task = AbortOnDropHandle::new(tokio::spawn(serve.run(io)));
        let greeted = timeout(timing.hello, reached.wait_for(|progress| progress.hello.is_some())).await;
        match greeted.map(|greeted| greeted.is_ok()) {
            Ok(true) => Ok(Connection { carrier, progress: reached, probe, stop, task }),
            Ok(false) => Err(Failure::cut(&ended(&mut task).await)),
            Err(late) => Err(Failure::cut(&late)),
        }
    }

    /// Watches over a connection while it is the one in use. One that the proxy
    /// has left goes to `draining`, to finish what is in flight.
    async fn attend(
        &self,
        mut connection: Connection,
        stop: &CancellationToken,
        draining: &mut JoinSet<()>,
    ) -> Ended {
        let since = Instant::now();
        let mut proxy = None;
        loop {
            let now = connection.progress.borrow_and_update().clone();
            if let Some(goodbye) = now.left {
                draining.spawn(async move { drop(connection.task.await) });
                return Ended::Left(goodbye);
            }
            let proxy = proxy.get_or_insert_with(|| Arc::new(now.hello.unwrap_or_default())).clone();
            let (carrier, round_trip) = (connection.carrier, now.round_trip);
            self.shared.state.send_replace(State::Up { carrier, since, round_trip, proxy });
            tokio::select! {
                () = stop.cancelled() => {
                    connection.stop.cancel();
                    drop(connection.task.await);
                    return Ended::Stopped;
                }
                () = self.shared.wake.notified() => connection.probe.notify_one(),
                changed = connection.progress.changed() => if changed.is_err() {
                    return match ended(&mut connection.task).await {
                        Closed::There(goodbye) => Ended::Left(goodbye),
                        why => Ended::Lost(why),
                    };
                },
            }
        }
    }
}

async fn ended(task: &mut AbortOnDropHandle<Closed>) -> Closed {
    task.await.unwrap_or_else(|error| Closed::lost(&error))
}

fn left(goodbye: Goodbye) -> DownReason {
    match goodbye {
        Goodbye::TakenOver => DownReason::TakenOver,
        Goodbye::Revoked => DownReason::Refused { message: "the credential was revoked".to_owned() },
        Goodbye::Draining | Goodbye::Stopping | Goodbye::Other => DownReason::Left(goodbye),
    }
}
