//! The first step: a claimed delivery becomes a request. The provider's body
//! byte for byte; its headers in order and repeated; the signature by Standard
//! Webhooks, or in the style the worker asked for; Postern's own headers. A provider's header that bears one of our
//! names travels as `postern-original-…`.

use crate::store::{Claimed, Grant, RequestId};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use postern_protocol::api::RetryPolicy;
use postern_protocol::header as names;
use postern_protocol::id::{DeliveryId, EventId, WorkerId, WorkspaceId};
use postern_protocol::signature::SignatureStyle;
use postern_protocol::{HeaderList, UnixMillis};
use std::sync::Arc;

/// The client sets these itself, or they speak of another connection.
const NOT_FORWARDED: [&str; 7] =
    ["content-length", "connection", "keep-alive", "transfer-encoding", "upgrade", "te", "expect"];

/// How long a header's value made from a payload may be, in characters.
const LONGEST_VALUE: usize = 200;

/// Which delivery it is and what came before, for whoever decides and records.
#[derive(Clone, Debug)]
pub(crate) struct Ticket {
    /// The delivery.
    pub(crate) delivery: DeliveryId,
    /// Its event.
    pub(crate) event: EventId,
    /// The request that brought it, in the log.
    pub(crate) request: Option<RequestId>,
    /// Whose event it is.
    pub(crate) workspace: WorkspaceId,
    /// To whom.
    pub(crate) worker: WorkerId,
    /// This attempt's number, from 1.
    pub(crate) attempt: u32,
    /// Answered failures so far.
    pub(crate) failures: u32,
    /// Whether the next of its entity waits for it.
    pub(crate) ordered: bool,
    /// From when on its age counts.
    pub(crate) counts_from: Option<UnixMillis>,
    /// The worker's own retry policy.
    pub(crate) retry: Option<Arc<RetryPolicy>>,
    /// When the event was accepted.
    pub(crate) received_at: UnixMillis,
}

impl From<&Claimed> for Ticket {
    fn from(claimed: &Claimed) -> Self {
        Self {
            delivery: claimed.delivery,
            event: claimed.event,
            request: claimed.request,
            workspace: claimed.workspace,
            worker: claimed.worker,
            attempt: claimed.attempt,
            failures: claimed.failures,
            ordered: claimed.entity.is_some(),
            counts_from: claimed.counts_from,
            retry: claimed.retry.clone(),
            received_at: claimed.received_at,
        }
    }
}

impl From<&Grant> for Ticket {
    fn from(grant: &Grant) -> Self {
        Self {
            delivery: grant.delivery,
            event: grant.event,
            request: grant.request,
            workspace: grant.workspace,
            worker: grant.worker,
            attempt: grant.attempts,
            failures: grant.failures,
            ordered: grant.ordered,
            counts_from: grant.counts_from,
            retry: grant.retry.clone(),
            received_at: grant.received_at,
        }
    }
}

/// A delivery that can be sent.
#[derive(Debug)]
pub(crate) struct Signed {
    pub(super) ticket: Ticket,
    pub(super) at: UnixMillis,
    pub(super) to: Destination,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// The way a delivery takes.
#[derive(Debug)]
pub(super) enum Destination {
    /// To the worker's own address.
    Url(Uri),
    /// Through the worker's tunnel.
    Tunnel,
}

impl Destination {
    /// The worker's URL, or its tunnel when it has none.
    pub(super) fn of(url: Option<&str>) -> Result<Self, Unaddressable> {
        match url {
            Some(url) => url.parse().map(Self::Url).map_err(|_| Unaddressable),
            None => Ok(Self::Tunnel),
        }
    }
}

/// The worker's URL is no address for a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the worker's URL cannot be posted to")]
pub(crate) struct Unaddressable;

/// Signs a delivery at `at`.
pub(crate) fn sign(claimed: Claimed, at: UnixMillis) -> Result<Signed, Unaddressable> {
    let to = Destination::of(claimed.url.as_deref())?;
    let mut headers = originals(&claimed.headers, &claimed.style);
    let mut ours = |name: &'static str, value: &str| {
        headers.insert(HeaderName::from_static(name), text_value(value));
    };
    ours(names::POSTERN_EVENT, &claimed.event_name);
    ours(names::POSTERN_SOURCE, &claimed.source_name);
    ours(names::POSTERN_PROVIDER, claimed.provider.as_str());
    ours(names::POSTERN_WORKSPACE, &claimed.workspace.to_string());
    ours(names::POSTERN_ATTEMPT, &claimed.attempt.to_string());
    ours(names::POSTERN_RECEIVED_AT, &claimed.received_at.0.to_string());
    if let Some(request) = claimed.request {
        ours(names::POSTERN_REQUEST_ID, &request.to_string());
    }
    if claimed.redriven > 0 {
        ours(names::POSTERN_REDRIVEN, &claimed.redriven.to_string());
    }
    if let Some(entity) = &claimed.entity {
        ours(names::POSTERN_ENTITY, entity);
    }
    if let Some(granted) = &claimed.granted {
        ours(names::POSTERN_GROUP, granted.group.as_str());
        ours(names::POSTERN_CLAIM, &granted.number.to_string());
        ours(names::POSTERN_CLAIM_LEASE, &granted.lease.as_secs().to_string());
    }
    if claimed.synthetic {
        ours(names::POSTERN_SYNTHETIC, "true");
    }
    let Claimed { style, secrets, webhook_id, event_name, body, .. } = &claimed;
    for (name, value) in style.headers(secrets, webhook_id, event_name, at, body) {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Unaddressable)?;
        headers.insert(name, HeaderValue::from_str(&value).unwrap_or_else(|_| text_value(&value)));
    }
    Ok(Signed { ticket: Ticket::from(&claimed), at, to, headers, body: claimed.body })
}

/// The provider's headers as they travel on; the host it posted to as an
/// original, since a delivery has its own.
fn originals(stored: &HeaderList, style: &SignatureStyle) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(stored.len() + 10);
    for (name, value) in stored.iter().filter(|(name, _)| !NOT_FORWARDED.contains(name)) {
        let renamed = (name == "host" || is_ours(name, style))
            .then(|| format!("{}{name}", names::POSTERN_ORIGINAL_PREFIX));
        let name = HeaderName::from_bytes(renamed.as_deref().unwrap_or(name).as_bytes());
        // What came in as a header can go out as one; nothing is lost here.
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    headers
}

fn is_ours(name: &str, style: &SignatureStyle) -> bool {
    name.starts_with("webhook-") || name.starts_with("postern-") || style.uses(name)
}

/// A value that may come from a payload: on one line, and not endless.
fn text_value(text: &str) -> HeaderValue {
    let line: String =
        text.chars().take(LONGEST_VALUE).map(|c| if c.is_control() { '?' } else { c }).collect();
    HeaderValue::from_bytes(line.as_bytes()).unwrap_or_else(|_| HeaderValue::from_static("?"))
}

#[cfg(test)]
mod tests;
