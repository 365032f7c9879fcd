//! Renewing the lease.

use super::{Next, Registration, pace};
use crate::api::Connection;
use crate::proxy_client::ProxyError;
use crate::state::{Account, Session};
use postern_protocol::UnixMillis;
use postern_protocol::api::{LeaseRequest, LeaseResponse, PolicyChange, WorkerState};
use std::sync::Arc;

/// After so many answers of *pending* with a failed challenge, the URL is
/// registered once more, which repeats the challenge.
const CHALLENGE_AGAIN: u32 = 6;

impl Registration {
    /// Renews the lease and takes the proxy's word for where we stand.
    pub(super) async fn lease(&mut self, account: &Account, session: &Arc<Session>) -> Next {
        let worker = session.worker.borrow().clone();
        let Some(worker) = worker else { return Next::Now };
        if matches!(*self.shared.connection.borrow(), Connection::SignedOut) {
            self.connecting(account, None);
        }
        let request = LeaseRequest {
            paused: Some(*session.paused.borrow()),
            catch_up: Some(self.shared.catch_up()),
            ordering: Some(self.shared.ordering()),
            group: Some(self.shared.claim_group()),
            // Once: what is changed at the proxy later stands.
            policy: if self.policy_told {
                PolicyChange::default()
            } else {
                self.shared.config.policy.clone()
            },
        };
        let mut changed = self.shared.account.subscribe();
        let mut awake = self.awake.clone();
        let asked = self.shared.now();
        let answer = tokio::select! {
            answer = session.proxy.lease(&worker.worker_id, &worker.credential, &request) => answer,
            // Signing in or out does not wait for a proxy that does not answer.
            _ = changed.changed() => return Next::Now,
            // After a sleep the call would wait for an answer that never comes.
            _ = awake.changed() => return Next::Now,
        };
        let answered = self.shared.now();
        match answer {
            Ok(answer) if answer.state == WorkerState::Gone => self.lost(account),
            Ok(answer) => {
                self.policy_told = true;
                self.renewed(account, answer, asked, answered)
            }
            // It does not know us any more: it was set up anew, or we were retired.
            Err(ProxyError::Refused { status: 401 | 403 | 404 | 410, .. }) => self.lost(account),
            Err(e) => self.proxy_failed(account, &e),
        }
    }

    fn renewed(
        &mut self,
        account: &Account,
        answer: LeaseResponse,
        asked: UnixMillis,
        answered: UnixMillis,
    ) -> Next {
        let timing = &self.shared.config.timing;
        let (poll, longest) = (timing.challenge_poll, timing.backoff.1);
        let renewal = Next::After(pace::renewal(answer.lease_seconds, rand::random()));
        let waiting = answer.waiting;
        let connection = match answer.state {
            WorkerState::Active | WorkerState::Away => Connection::Live {
                proven_at: None,
                unproven: None,
                renewed_at: answered,
                leased_until: answered.plus(i64::from(answer.lease_seconds) * 1000),
                skew_ms: skew(answer.now, asked, answered),
                waiting,
            },
            WorkerState::Paused => Connection::Paused { waiting },
            WorkerState::Pending | WorkerState::Gone => {
                self.pending_polls += 1;
                let failed = answer.challenge_error.is_some();
                self.connecting(account, answer.challenge_error);
                if failed && self.pending_polls.is_multiple_of(CHALLENGE_AGAIN) {
                    self.forget_registered(account);
                }
                return Next::After(pace::poll(poll, longest, self.pending_polls));
            }
        };
        if matches!(*self.shared.connection.borrow(), Connection::Reconnecting { .. }) {
            // The network is back, for every other line as well.
            self.shared.wake_up();
            self.awake.mark_unchanged();
        }
        self.shared.set_connection(account, connection);
        self.pace.reset();
        self.pending_polls = 0;
        self.connecting_since = None;
        renewal
    }

    /// The proxy knows this worker no more: register again, at once the first
    /// time, with growing waits should that not help.
    fn lost(&mut self, account: &Account) -> Next {
        self.connecting(account, None);
        self.forget_registered(account);
        tracing::info!("the proxy does not know this worker any more; it registers again");
        let first = self.pace.is_calm();
        let wait = self.pace.wait(None);
        if first { Next::Now } else { Next::After(wait) }
    }

    /// Makes the next step a registration.
    fn forget_registered(&self, account: &Account) {
        if let Some(session) = account.session() {
            session.registered.send_replace(None);
        }
    }
}

/// The proxy's clock minus ours, in milliseconds, if its answer was made in
/// the middle of the call.
fn skew(theirs: UnixMillis, asked: UnixMillis, answered: UnixMillis) -> i64 {
    theirs.since(asked.plus(answered.since(asked) / 2))
}

#[cfg(test)]
mod tests {
    use super::skew;
    use postern_protocol::UnixMillis;

    #[test]
    fn skew_is_taken_from_the_middle_of_the_call() {
        assert_eq!(skew(UnixMillis(10_050), UnixMillis(10_000), UnixMillis(10_100)), 0);
        assert_eq!(skew(UnixMillis(12_050), UnixMillis(10_000), UnixMillis(10_100)), 2_000);
        assert_eq!(skew(UnixMillis(8_050), UnixMillis(10_000), UnixMillis(10_100)), -2_000);
    }
}
