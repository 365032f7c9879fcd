//! The last step of a delivery: on the disk, then 200.

use super::answer::Refusal;
use super::verify::Delivery;
use crate::history::{Accepted, NewClaim, NewEvent};
use crate::large::on_body;
use crate::state::{Session, Shared, with_causes};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use postern_protocol::header::{
    POSTERN_ATTEMPT, POSTERN_CLAIM, POSTERN_CLAIM_LEASE, POSTERN_ENTITY, POSTERN_RECEIVED_AT,
    POSTERN_REQUEST_ID, POSTERN_SOURCE, POSTERN_SYNTHETIC, WEBHOOK_ID,
};
use postern_protocol::{Described, HeaderList, Provider, UnixMillis};
use std::sync::Arc;

/// Stores the delivery unless its id is known; 200 either way.
pub(super) async fn store(
    shared: &Arc<Shared>,
    session: &Arc<Session>,
    delivery: Delivery,
) -> Result<Response, Refusal> {
    let Delivery { headers, body, verified, mut described, provider } = delivery;
    // A source's own notion of what its events are about.
    if let Some(entity) = headers.get(POSTERN_ENTITY) {
        described.entity = Some(entity.to_owned());
    }
    let (pending, notify) = wanted(shared, session, provider, &described, &body).await;
    let now = shared.now();
    let request = headers.get(POSTERN_REQUEST_ID).and_then(loggable).map(ToOwned::to_owned);
    let event = NewEvent {
        profile: session.profile.id,
        webhook_id: headers.get(WEBHOOK_ID).unwrap_or_default().to_owned(),
        received_at: number(&headers, POSTERN_RECEIVED_AT).map_or(now, UnixMillis),
        stored_at: now,
        signed_at: verified.signed_at.unwrap_or(now),
        secret: verified.secret,
        attempt: number(&headers, POSTERN_ATTEMPT).and_then(|n| u32::try_from(n).ok()).unwrap_or(1),
        source: headers.get(POSTERN_SOURCE).unwrap_or("unknown").to_owned(),
        provider,
        described,
        synthetic: headers.get(POSTERN_SYNTHETIC) == Some("true"),
        headers: serde_json::to_string(&headers).map_err(|_| Refusal::store_down())?,
        body,
        pending,
        notify,
        claim: claim(&headers),
    };
    let (webhook_id, attempt, claimed) = (event.webhook_id.clone(), event.attempt, event.claim.is_some());
    match shared.history.accept(event).await {
        Ok(accepted) => {
            tracing::debug!(event = webhook_id, attempt, request, ?accepted, "delivery received");
            if claimed {
                shared.claimed.notify_one();
            }
            if let Accepted::Again(event) = accepted {
                crate::handlers::handle_again(shared, session, event);
            }
            Ok(ok(match accepted {
                Accepted::Stored => r#"{"status":"stored"}"#,
                Accepted::Known | Accepted::Again(_) => r#"{"status":"known"}"#,
            }))
        }
        Err(e) => {
            tracing::warn!(error = %with_causes(&e), "an event could not be stored");
            Err(Refusal::store_down())
        }
    }
}

/// Whether the event is to be forwarded, and the notify rules that take it,
/// where there are any. A large body is looked into off the async threads.
async fn wanted(
    shared: &Arc<Shared>,
    session: &Arc<Session>,
    provider: Provider,
    described: &Described,
    body: &Bytes,
) -> (bool, Option<Vec<String>>) {
    let rules = Arc::clone(&session.rules.borrow());
    let ask = {
        let (shared, described, body) = (Arc::clone(shared), described.clone(), body.clone());
        move || {
            let (forwards, notify) = rules.at_arrival(provider, &described, &body);
            let listening = || !shared.listeners.wanting(provider, &described, &body).is_empty();
            (forwards || listening(), notify)
        }
    };
    on_body(body.len(), ask).await
}

/// A request's id as proxies write them: headers are not signed, and the log is
/// not for whatever somebody puts there.
fn loggable(id: &str) -> Option<&str> {
    Some(id).filter(|id| id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// That the delivery is given to this machine as a member of a claim group.
fn claim(headers: &HeaderList) -> Option<NewClaim> {
    let number = u32::try_from(number(headers, POSTERN_CLAIM)?).ok()?;
    let seconds = u32::try_from(self::number(headers, POSTERN_CLAIM_LEASE)?).ok()?;
    Some(NewClaim { number, lease: i64::from(seconds) * 1000 })
}

fn number(headers: &HeaderList, name: &str) -> Option<i64> {
    headers.get(name)?.parse().ok()
}

fn ok(body: &'static str) -> Response {
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}
