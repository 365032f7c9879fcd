//! The operations on what the proxy could not deliver, or is to deliver once
//! more. All are done by the proxy, with this worker's credential, or with the
//! workspace's token while there is none.

use super::ApiError;
use crate::EdgeHandle;
use crate::proxy_client::ProxyClient;
use crate::state::Session;
use postern_protocol::api::{
    DeadLetterFilter, DeliveryDetail, DeliveryList, DiscardRequest, Progress, RecoverRequest, Recovered,
    RedriveRequest, ReplayRequest, ReplayTo, Replayed, Which,
};
use postern_protocol::id::WorkerId;
use postern_protocol::{ErrorCode, Secret};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// `dead_letters`: which, and which page.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeadLetterQuery {
    /// Which; of this worker, unless it names one or `all` is said.
    #[serde(default)]
    pub filter: DeadLetterFilter,
    /// Those of all workers.
    #[serde(default)]
    pub all: bool,
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// At most so many, 1–200.
    pub limit: Option<u32>,
}

/// `dead_letter`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeliveryKey {
    /// The delivery's id.
    pub id: String,
}

/// `redrive` and `discard`: a part of the work.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeadLetterWork {
    /// On which; a filter means those of this worker, unless it names one or
    /// `all` is said.
    pub which: Which,
    /// Those of all workers.
    #[serde(default)]
    pub all: bool,
    /// Only say how many it concerns.
    #[serde(default)]
    pub dry_run: bool,
    /// `next` of the answer before.
    pub cursor: Option<String>,
    /// Why they are discarded.
    pub reason: Option<String>,
}

/// `proxy_replay`: has the proxy deliver an event once more.
#[derive(Clone, Debug, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProxyReplay {
    /// The event's id, also with the `.r{n}` of an earlier replay.
    pub id: String,
    /// To every worker whose filter takes it, instead of this one.
    #[serde(default)]
    pub all: bool,
}

/// A page of dead letters, of those of the newest events first.
///
/// # Errors
/// `edge.not_signed_in`; the proxy's refusal; `proxy.unreachable`.
pub async fn dead_letters(edge: &EdgeHandle, args: DeadLetterQuery) -> Result<DeliveryList, ApiError> {
    let asking = Asking::new(edge)?;
    let filter = asking.narrowed(args.filter, args.all)?;
    Ok(asking.proxy().dead_letters(&asking.bearer, &filter, args.cursor.as_deref(), args.limit).await?)
}

/// One delivery with its attempts.
///
/// # Errors
/// As [`dead_letters`]; `not_found`.
pub async fn dead_letter(edge: &EdgeHandle, args: DeliveryKey) -> Result<DeliveryDetail, ApiError> {
    let asking = Asking::new(edge)?;
    // What is no id would change the path.
    let id = args.id.parse().map_err(|_| ApiError::new(ErrorCode::NotFound, "there is no such delivery"))?;
    Ok(asking.proxy().delivery(id, &asking.bearer).await?)
}

/// Makes dead letters due again, a part of them.
///
/// # Errors
/// As [`dead_letters`]; `auth.forbidden` for those of others without the scope.
pub async fn redrive(edge: &EdgeHandle, args: DeadLetterWork) -> Result<Progress, ApiError> {
    let asking = Asking::new(edge)?;
    let DeadLetterWork { which, all, dry_run, cursor, .. } = args;
    let which = asking.meant(which, all)?;
    Ok(asking.proxy().redrive(&asking.bearer, &RedriveRequest { which, dry_run, cursor }).await?)
}

/// Says that dead letters are not to be delivered, a part of them.
///
/// # Errors
/// As [`redrive`]; `request.malformed` without a reason.
pub async fn discard(edge: &EdgeHandle, args: DeadLetterWork) -> Result<Progress, ApiError> {
    let asking = Asking::new(edge)?;
    let DeadLetterWork { which, all, dry_run, cursor, reason } = args;
    let reason = reason
        .ok_or_else(|| ApiError::new(ErrorCode::BadRequest, "`discard`: say why it is done, in `reason`"))?;
    let which = asking.meant(which, all)?;
    Ok(asking.proxy().discard(&asking.bearer, &DiscardRequest { which, reason, dry_run, cursor }).await?)
}

/// Has events that did not reach this worker delivered to it, a part of them.
///
/// # Errors
/// As [`dead_letters`]; `request.unsupported` while this machine has not
/// registered.
pub async fn recover(edge: &EdgeHandle, args: RecoverRequest) -> Result<Recovered, ApiError> {
    let asking = Asking::new(edge)?;
    Ok(asking.proxy().recover(asking.own()?, &asking.bearer, &args).await?)
}

/// Has the proxy deliver an event once more, as a new delivery.
///
/// # Errors
/// As [`recover`]; `not_found`.
pub async fn proxy_replay(edge: &EdgeHandle, args: ProxyReplay) -> Result<Replayed, ApiError> {
    let asking = Asking::new(edge)?;
    let to = if args.all { ReplayTo::All } else { ReplayTo::Worker(asking.own()?) };
    let event = super::operations::event_id(&args.id)?;
    Ok(asking.proxy().replay(event, &asking.bearer, &ReplayRequest { to }).await?)
}

/// Whom is asked, and as whom.
struct Asking {
    session: Arc<Session>,
    bearer: Secret,
    worker: Option<WorkerId>,
}

impl Asking {
    fn new(edge: &EdgeHandle) -> Result<Self, ApiError> {
        let session = edge.shared.session()?;
        let worker = session.worker.borrow().clone();
        let bearer = worker.as_ref().map_or(&session.token, |worker| &worker.credential).clone();
        let worker = worker.and_then(|worker| worker.worker_id.parse().ok());
        Ok(Self { session, bearer, worker })
    }

    fn proxy(&self) -> &ProxyClient {
        &self.session.proxy
    }

    fn own(&self) -> Result<WorkerId, ApiError> {
        self.worker.ok_or_else(|| {
            ApiError::new(ErrorCode::Unsupported, "this machine has not registered with the proxy yet")
        })
    }

    fn narrowed(&self, filter: DeadLetterFilter, all: bool) -> Result<DeadLetterFilter, ApiError> {
        let worker = match filter.worker {
            None if !all => Some(self.own()?),
            named => named,
        };
        Ok(DeadLetterFilter { worker, ..filter })
    }

    fn meant(&self, which: Which, all: bool) -> Result<Which, ApiError> {
        match which {
            Which::Filter(filter) => self.narrowed(filter, all).map(Which::Filter),
            ids => Ok(ids),
        }
    }
}
