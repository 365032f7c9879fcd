//! Is this delivery from the proxy, unaltered, and of now?

use super::answer::Refusal;
use super::guess::{Guesses, of_headers};
use crate::large::on_body;
use crate::state::{Session, Shared};
use bytes::Bytes;
use http::HeaderMap;
use postern_protocol::api::{Canary, Challenge, Ping};
use postern_protocol::header::{
    POSTERN_KIND, POSTERN_PROVIDER, WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP,
};
use postern_protocol::signature::standard::{self, TOLERANCE_MS};
use postern_protocol::signature::{Failure, Freshness, Verdict, Verified};
use postern_protocol::{Described, ErrorCode, HeaderList, Provider, Secret, line};
use std::sync::Arc;

/// Longer ids are nobody's; they would only fill the index.
const LONGEST_ID: usize = 256;

/// A delivery whose signature holds.
pub(super) struct Delivery {
    pub(super) headers: HeaderList,
    pub(super) body: Bytes,
    pub(super) verified: Verified,
    pub(super) described: Described,
    pub(super) provider: Provider,
}

impl Delivery {
    pub(super) fn is_challenge(&self) -> bool {
        self.headers.get(POSTERN_KIND) == Some("challenge")
    }

    /// Whether the proxy only asks if the worker is there.
    pub(super) fn is_ping(&self) -> bool {
        self.headers.get(POSTERN_KIND) == Some("ping") && &self.body[..] == Ping::BODY.as_bytes()
    }

    /// What it says, when it is a canary, quiet or not.
    pub(super) fn canary(&self) -> Option<Canary> {
        let claims = self.is_quiet_canary() || self.provider == Provider::Postern;
        if claims { Canary::read(&self.body) } else { None }
    }

    /// Whether it claims to be a canary that is to leave nothing behind.
    pub(super) fn is_quiet_canary(&self) -> bool {
        self.headers.get(POSTERN_KIND) == Some("canary")
    }
}

/// The request's headers as they are stored.
pub(super) fn headers(headers: &HeaderMap) -> HeaderList {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
}

/// Refuses what has no signature at all before its body is read.
pub(super) fn required(headers: &HeaderList) -> Result<(), Refusal> {
    for name in [WEBHOOK_ID, WEBHOOK_TIMESTAMP, WEBHOOK_SIGNATURE] {
        if !headers.iter().any(|(n, _)| n == name) {
            let failure = Failure::MissingHeader { header: name.into() };
            let guess = of_headers(&failure, headers);
            return Err(Refusal::signature(failure, 0).probably(guess));
        }
    }
    if headers.get(WEBHOOK_ID).is_some_and(|id| id.len() > LONGEST_ID) {
        return Err(Refusal::new(
            ErrorCode::BadRequest,
            format!("{WEBHOOK_ID} is longer than {LONGEST_ID} bytes"),
        ));
    }
    Ok(())
}

/// Verifies and describes the delivery.
pub(super) async fn verify(
    shared: &Arc<Shared>,
    session: &Arc<Session>,
    headers: HeaderList,
    body: Bytes,
    guesses: &Guesses,
) -> Result<Delivery, Refusal> {
    let now = shared.now();
    let secrets = session.signing_secrets(now);
    let freshness = Freshness { now, tolerance: TOLERANCE_MS };
    let mut checked = check(secrets, headers, body, freshness).await;
    if matches!(checked.verdict, Err(Failure::WrongSecret { .. }))
        && checked.headers.get(POSTERN_KIND) == Some("challenge")
        && *session.registering.borrow()
    {
        // The challenge has overtaken the answer that brings its secret.
        let mut registering = session.registering.subscribe();
        let known = registering.wait_for(|registering| !registering);
        let _ = tokio::time::timeout(shared.config.timing.proxy_timeout, known).await;
        let Checked { headers, body, .. } = checked;
        checked = check(session.signing_secrets(now), headers, body, freshness).await;
    }
    let Checked { headers, body, provider, verdict } = checked;
    match verdict {
        Ok((verified, described)) => Ok(Delivery { headers, body, verified, described, provider }),
        Err(failure) => {
            let size = body.len() as u64;
            let guess = guesses.of_body(&failure, session.signing_secrets(now), headers, body).await;
            Err(Refusal::signature(failure, size).probably(guess))
        }
    }
}

struct Checked {
    headers: HeaderList,
    body: Bytes,
    provider: Provider,
    verdict: Result<(Verified, Described), Failure>,
}

async fn check(secrets: Vec<Secret>, headers: HeaderList, body: Bytes, freshness: Freshness) -> Checked {
    let bytes = body.len();
    let work = move || {
        let provider = headers.get(POSTERN_PROVIDER).and_then(|p| p.parse().ok()).unwrap_or(Provider::None);
        let verdict: Verdict = standard::verify(&secrets, &headers, &body, Some(freshness));
        // The one time the payload is parsed, and only when it is believed.
        let verdict = verdict.map(|verified| (verified, line::describe(provider, &headers, &body)));
        Checked { headers, body, provider, verdict }
    };
    on_body(bytes, work).await
}

/// Whether a body is a challenge's.
pub(super) fn challenge(body: &[u8]) -> Option<Challenge> {
    serde_json::from_slice::<Challenge>(body).ok().filter(|challenge| challenge.kind == Challenge::TYPE)
}
