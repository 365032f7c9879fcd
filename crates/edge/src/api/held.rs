//! What the proxy holds for this machine after an absence, to choose among.

use super::ApiError;
use super::operations::credential;
use crate::EdgeHandle;
use postern_protocol::api::{DeliveryFilter, DeliveryState};
use postern_protocol::{ErrorCode, Provider, UnixMillis};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// `held_events`: which page.
#[derive(Clone, Debug, Default, Serialize, Deserialize, TS)]
#[serde(default, deny_unknown_fields)]
#[ts(optional_fields)]
pub struct HeldQuery {
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// At most so many, 1–200.
    pub limit: Option<u32>,
}

/// Events that are held, the newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct HeldPage {
    /// They.
    pub events: Vec<HeldEvent>,
    /// The cursor of the next page; absent: there is none.
    pub next: Option<String>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct HeldEvent {
    /// Its id at the proxy, by which it is chosen.
    pub id: String,
    /// When the proxy received it.
    pub received_at: UnixMillis,
    /// The source's name.
    pub source: String,
    /// Who posted it.
    pub provider: Provider,
    /// `Issue.update`.
    pub name: String,
    /// The start of its line for people; empty where there is none.
    pub subject: String,
}

/// The events that the proxy holds for this machine until someone chooses.
///
/// # Errors
/// `edge.not_signed_in`; `unavailable` before the registration is through; the
/// proxy's refusal; `proxy.unreachable`.
pub async fn held_events(edge: &EdgeHandle, args: HeldQuery) -> Result<HeldPage, ApiError> {
    let session = edge.shared.session()?;
    let credential = credential(&session)?;
    let worker = session.worker.borrow().as_ref().and_then(|worker| worker.worker_id.parse().ok());
    if worker.is_none() {
        return Err(ApiError::new(ErrorCode::Unavailable, "the proxy does not know this machine yet"));
    }
    let filter = DeliveryFilter { worker, state: Some(DeliveryState::Held), ..DeliveryFilter::default() };
    let page = session.proxy.deliveries(&credential, &filter, args.cursor.as_deref(), args.limit).await?;
    let events = page.deliveries.into_iter().map(|delivery| HeldEvent {
        id: delivery.event_id.to_string(),
        received_at: delivery.received_at,
        source: delivery.source,
        provider: delivery.provider,
        name: delivery.name,
        subject: delivery.subject,
    });
    Ok(HeldPage { events: events.collect(), next: page.next })
}
