//! Being known to the proxy: register, answer for the URL, renew the lease,
//! come back after either side was away.
//!
//! One loop looks at whom the edge works for and takes the next step; it is
//! woken by sign-in, sign-out, pause, its own timer, and when the machine wakes
//! up or changes networks ([`awake`]). What the proxy says is
//! the truth: *live* is said only when it said active. A failed step is tried
//! again after a random wait that grows (full jitter), at once upon sign-in.

use crate::api::Connection;
use crate::proxy_client::ProxyError;
use crate::state::{Account, Shared, with_causes};
use postern_protocol::UnixMillis;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

mod account;
mod again;
pub(crate) mod awake;
mod lease;
mod pace;
mod register;
mod registered;
mod rotate;

pub(crate) use account::{at_start, sign_in, sign_out, unlock};
pub(crate) use again::{change_token, rename};
use pace::Pace;
pub(crate) use registered::Registered;
pub(crate) use rotate::rotate_secret;

/// When the next step is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// At once.
    Now,
    /// After this long, or when woken.
    After(Duration),
    /// When woken.
    Woken,
}

/// The registration of one edge.
pub(crate) struct Registration {
    shared: Arc<Shared>,
    pace: Pace,
    /// Since when it has been connecting.
    connecting_since: Option<UnixMillis>,
    /// How often in a row the lease said pending.
    pending_polls: u32,
    /// Whether a renewal has said how this machine wants to be delivered to.
    policy_told: bool,
    /// [`Shared::awake`].
    awake: watch::Receiver<u64>,
}

impl Registration {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let pace = Pace::new(shared.config.timing.backoff);
        let awake = shared.awake.subscribe();
        Self { shared, pace, connecting_since: None, pending_polls: 0, policy_told: false, awake }
    }

    /// Works until `stop`. The worker stays registered: its lease runs out,
    /// and what arrives meanwhile is held for it.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let shared = Arc::clone(&self.shared);
        let mut account = shared.account.subscribe();
        loop {
            let now = account.borrow_and_update().clone();
            let next = tokio::select! {
                next = self.step(&now) => next,
                () = stop.cancelled() => return,
            };
            let timer = async {
                match next {
                    Next::Now => {}
                    Next::After(wait) => tokio::time::sleep(wait).await,
                    Next::Woken => std::future::pending().await,
                }
            };
            tokio::select! {
                () = timer => {}
                () = shared.renew.notified() => {}
                _ = self.awake.changed() => self.pace.reset(),
                _ = account.changed() => {
                    self.pace.reset();
                    self.connecting_since = None;
                    self.pending_polls = 0;
                }
                () = stop.cancelled() => return,
            }
        }
    }

    async fn step(&mut self, account: &Account) -> Next {
        match account {
            Account::SignedOut => {
                self.shared.set_connection(account, Connection::SignedOut);
                Next::Woken
            }
            Account::Locked(_) => match unlock(&self.shared, account).await {
                Ok(()) => Next::Now,
                Err(e) => {
                    self.failed(account, None, format!("the token cannot be read: {}", with_causes(&e)))
                }
            },
            Account::Unresolved { proxy_url, token } => {
                self.connecting(account, None);
                match account::resolve(&self.shared, proxy_url, token).await {
                    Ok(()) => Next::Now,
                    Err(e) => self.proxy_failed(account, &e),
                }
            }
            Account::SignedIn(session) => {
                let wanted = self.shared.wanted(session);
                let registered = session.registered.borrow().as_ref() == Some(&wanted);
                if session.worker.borrow().is_some() && registered {
                    self.lease(account, session).await
                } else {
                    self.register(account, session, wanted).await
                }
            }
        }
    }

    /// The proxy did not do what was asked.
    fn proxy_failed(&mut self, account: &Account, error: &ProxyError) -> Next {
        match error {
            ProxyError::Refused { status: 401 | 403, message, .. } => {
                self.shared.set_connection(account, Connection::Refused { problem: message.clone() });
                // A proxy may come back with its tokens; nobody need be asked for one then.
                Next::After(pace::REFUSED)
            }
            ProxyError::Refused { status: 400..=499, message, retry_after, .. } => {
                self.connecting(account, Some(message.clone()));
                Next::After(self.pace.wait(*retry_after))
            }
            ProxyError::Refused { retry_after, .. } => self.failed(account, *retry_after, error.to_string()),
            ProxyError::Unreachable(_) | ProxyError::Foreign(_) => {
                self.failed(account, None, error.to_string())
            }
        }
    }

    fn failed(&mut self, account: &Account, retry_after: Option<Duration>, problem: String) -> Next {
        let wait = self.pace.wait(retry_after);
        let millis = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        let retry_at = self.shared.now().plus(millis);
        tracing::debug!(problem, wait_ms = millis, "the registration waits");
        self.shared.set_connection(account, Connection::Reconnecting { problem, retry_at });
        Next::After(wait)
    }

    fn connecting(&mut self, account: &Account, problem: Option<String>) {
        let since = *self.connecting_since.get_or_insert_with(|| self.shared.now());
        self.shared.set_connection(account, Connection::Connecting { since, problem });
    }
}
