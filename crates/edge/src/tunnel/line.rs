//! What becomes of an agent's news, and what the agent is told.

use super::words;
use crate::api::Tunnel;
use crate::state::{Session, Shared, with_causes};
use postern_protocol::{Secret, UnixMillis};
use postern_tunnel::{AgentHandle, Carrier, DownReason, State};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// One agent's line, as it is shown and kept going.
pub(super) struct Line {
    shared: Arc<Shared>,
    session: Arc<Session>,
    agent: AgentHandle,
    http_proxy: Option<String>,
    /// The credential the agent has.
    credential: Secret,
    /// The one it had when the link came up.
    of_link: Option<Secret>,
    /// Since when the link stands.
    up: Option<Instant>,
    /// The last heartbeat's.
    /// How often in a row the proxy refused the credential.
    refusals: u32,
    /// When to register anew.
    register_at: Option<Instant>,
}

impl Line {
    pub(super) fn new(
        shared: &Arc<Shared>,
        session: &Arc<Session>,
        agent: AgentHandle,
        credential: Secret,
        http_proxy: Option<String>,
    ) -> Self {
        Self {
            shared: Arc::clone(shared),
            session: Arc::clone(session),
            agent,
            http_proxy,
            credential,
            of_link: None,
            up: None,
            refusals: 0,
            register_at: None,
        }
    }

    /// Shows how the line stands, and passes on what concerns the agent, for
    /// as long as the agent lives.
    pub(super) async fn watch(&mut self) {
        let (mut state, mut carrier) = (self.agent.state(), self.agent.carrier());
        let (mut worker, mut awake) = (self.session.worker.subscribe(), self.shared.awake.subscribe());
        // The session's may have changed since the agent was made.
        worker.mark_changed();
        state.mark_changed();
        loop {
            let register = async {
                match self.register_at {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Ok(()) = state.changed() => {
                    let now = state.borrow_and_update().clone();
                    self.show(&now);
                }
                Ok(()) = awake.changed() => self.agent.wake(),
                Ok(()) = worker.changed() => {
                    let credential = worker.borrow_and_update().as_ref().map(|worker| worker.credential.clone());
                    self.take(credential);
                }
                Ok(()) = carrier.changed() => {
                    let carrier = *carrier.borrow_and_update();
                    self.keep(carrier).await;
                }
                () = register => {
                    // Again, should nothing come of it.
                    self.register_at = Some(Instant::now() + self.shared.config.timing.tunnel.refused);
                    self.session.registered.send_replace(None);
                    self.shared.renew.notify_one();
                }
                else => return,
            }
        }
    }

    /// The worker was registered: hands the agent its credential.
    fn take(&mut self, credential: Option<Secret>) {
        let Some(credential) = credential else { return };
        if credential != self.credential || self.register_at.is_some() {
            self.credential = credential.clone();
            self.register_at = None;
            // Wakes it as well.
            self.agent.set_credential(credential);
        }
    }

    /// Remembers which carrier works here.
    async fn keep(&self, carrier: Option<Carrier>) {
        let Some(carrier) = carrier else { return };
        let kept = self.shared.history.set_tunnel_carrier(self.session.profile.id, carrier.to_string());
        if let Err(e) = kept.await {
            tracing::warn!(error = %with_causes(&e), "the tunnel's carrier could not be noted");
        }
    }

    fn show(&mut self, state: &State) {
        let now = self.shared.now();
        let before = self.shared.tunnel.borrow().clone();
        let shown = match state {
            State::Connecting => match before {
                Tunnel::Down { since, problem, cure, .. } => {
                    Tunnel::Down { since, problem, cure, retry_at: None }
                }
                Tunnel::Connecting { since } => Tunnel::Connecting { since },
                Tunnel::Idle | Tunnel::Up { .. } => Tunnel::Connecting { since: now },
            },
            State::Up { carrier, since, round_trip, .. } => {
                let fresh = self.up.replace(*since) != Some(*since);
                if fresh {
                    self.of_link = Some(self.credential.clone());
                    self.register_at = None;
                    // The proxy's word on what waits, at once.
                    self.shared.renew.notify_one();
                }
                Tunnel::Up {
                    since: match before {
                        Tunnel::Up { since, .. } if !fresh => since,
                        _ => now.plus(-millis(since.elapsed())),
                    },
                    carrier: carrier.to_string(),
                    round_trip_micros: round_trip.map(|trip| trip.as_micros().try_into().unwrap_or(u64::MAX)),
                    http_proxy: self.http_proxy.clone(),
                }
            }
            State::Down { retry_at: None, .. } => Tunnel::Idle,
            State::Down { reason, retry_at: Some(retry_at) } => {
                if matches!(reason, DownReason::Refused { .. }) {
                    self.refused();
                }
                self.up = None;
                let since = match before {
                    Tunnel::Down { since, .. } | Tunnel::Connecting { since } => since,
                    Tunnel::Idle | Tunnel::Up { .. } => now,
                };
                let (problem, cure) = words::of(reason);
                Tunnel::Down { since, problem, cure, retry_at: Some(at(now, *retry_at)) }
            }
        };
        self.shared.set_tunnel(shown);
    }

    /// The proxy knows the credential no more. Either another one is there
    /// already, whose arrival ended the link of the old one; or the worker has
    /// to be registered anew: at once the first time, ever later should that
    /// not help.
    fn refused(&mut self) {
        let timing = &self.shared.config.timing;
        let lasted = self.up.is_some_and(|since| since.elapsed() >= timing.tunnel.steady);
        if lasted {
            self.refusals = 0;
        }
        if self.of_link.take().is_some_and(|old| old != self.credential) {
            self.agent.wake();
        } else if self.register_at.is_none() {
            let wait = match self.refusals {
                0 => Duration::ZERO,
                n => timing.backoff.0.saturating_mul(1 << n.min(16)).min(timing.tunnel.refused),
            };
            self.register_at = Some(Instant::now() + wait.mul_f64(0.5 + rand::random::<f64>() / 2.0));
            self.refusals += 1;
        }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// An instant on the wall clock.
fn at(now: UnixMillis, instant: Instant) -> UnixMillis {
    now.plus(millis(instant.saturating_duration_since(Instant::now())))
}
