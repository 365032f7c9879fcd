//! Registering with the proxy.

use super::{Next, Registered, Registration};
use crate::proxy_client::ProxyError;
use crate::secrets::{SigningSecret, WorkerSecrets};
use crate::state::{Account, Session, Shared, with_causes};
use postern_protocol::api::{RegisterRequest, RegisterResponse, SignatureStyleName};
use postern_protocol::{PROTOCOL_VERSION, Secret, UnixMillis};
use std::sync::Arc;

/// So many replaced secrets are kept for their grace period.
const KEPT: usize = 3;

impl Registration {
    /// Makes this machine a worker, or tells the proxy what is `wanted` now.
    pub(super) async fn register(
        &mut self,
        account: &Account,
        session: &Arc<Session>,
        wanted: Registered,
    ) -> Next {
        self.connecting(account, None);
        let _changing = session.changing.lock().await;
        // From here until the secret is known, the receiver waits with challenges.
        session.registering.send_replace(true);
        let registered = register(&self.shared, session, wanted.clone()).await;
        let next = match registered {
            Ok(answer) => {
                adopt(&self.shared, session, answer, wanted);
                session.registering.send_replace(false);
                persist(&self.shared, session).await;
                self.shared.touch();
                self.pending_polls = 0;
                Next::Now
            }
            Err(e) => self.proxy_failed(account, &e),
        };
        session.registering.send_replace(false);
        next
    }
}

async fn register(
    shared: &Shared,
    session: &Session,
    wanted: Registered,
) -> Result<RegisterResponse, ProxyError> {
    let request = RegisterRequest {
        webhook_url: wanted.to,
        token: session.token.clone(),
        name: session.profile.name.clone(),
        capabilities: wanted.capabilities,
        ordering: shared.ordering(),
        catch_up: shared.catch_up(),
        group: shared.claim_group(),
        signature_style: SignatureStyleName::Standard,
        header_prefix: None,
        policy: shared.config.policy.clone(),
        protocol_version: PROTOCOL_VERSION.into(),
    };
    let credential = session.worker.borrow().as_ref().map(|worker| worker.credential.clone());
    match session.proxy.register(&request, credential.as_ref()).await {
        // The worker we were is gone; the token alone makes another.
        Err(ProxyError::Refused { status: 401 | 403 | 404 | 409 | 410, .. }) if credential.is_some() => {
            session.proxy.register(&request, None).await
        }
        answer => answer,
    }
}

/// From now on the new credential and secret count; the old secret still
/// verifies what is on its way.
fn adopt(shared: &Shared, session: &Session, answer: RegisterResponse, registered: Registered) {
    let until =
        shared.now().plus(i64::try_from(shared.config.timing.secret_grace.as_millis()).unwrap_or(i64::MAX));
    session.worker.send_modify(|worker| {
        let old = worker.take().map(|worker| worker.signing).unwrap_or_default();
        let worker_id = answer.worker_id.to_string();
        let signing = beside(answer.secret, old, until);
        *worker = Some(WorkerSecrets { worker_id, credential: answer.credential, signing });
    });
    session.registered.send_replace(Some(registered));
}

/// A new secret before the old ones, of which the last verifies until then.
pub(super) fn beside(new: Secret, old: Vec<SigningSecret>, until: UnixMillis) -> Vec<SigningSecret> {
    let mut signing = vec![SigningSecret { secret: new, until: None }];
    for old in old {
        if old.secret != signing[0].secret && signing.len() <= KEPT {
            signing.push(SigningSecret { until: Some(old.until.unwrap_or(until)), ..old });
        }
    }
    signing
}

/// Keeps what was adopted, so that a restart renews. Where that fails the
/// registration still holds, for as long as the process does.
async fn persist(shared: &Shared, session: &Session) {
    let key = session.profile.secrets_key();
    if let Err(e) = shared.config.secrets.save(&key, &session.secrets()).await {
        tracing::warn!(error = %with_causes(&e), "the worker's credential could not be kept: a restart registers anew");
    }
    let registered = session.registered.borrow().as_ref().map(Registered::to_string);
    if let Err(e) = shared.history.set_registered(session.profile.id, registered).await {
        tracing::warn!(error = %with_causes(&e), "what was registered could not be noted");
    }
}
