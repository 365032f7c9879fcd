//! `POST /edge/workers/{id}/canary`: a request of the proxy's own making that
//! shows a worker whether what a provider posts would reach it.
//!
//! A quiet canary is signed and posted to the worker at once, by the way its
//! deliveries take. Nothing is stored for it, no attempt is counted, no circuit
//! hears of it. The other is a synthetic event of provider `postern`, for the
//! worker that asks: signed, verified, committed, claimed and delivered like a
//! webhook; the answer says when it had come how far.

use crate::bus::Bus;
use crate::delivery::canaries::{Canaries, Steps};
use crate::delivery::client::Outbound;
use crate::delivery::ping;
use crate::delivery::tunnel::Tunnelled;
use crate::entropy;
use crate::http::auth;
use crate::http::body::{BodyReader, JSON_LIMIT};
use crate::http::error::ApiError;
use crate::http::rate::Buckets;
use crate::ingest::{Ingest, Posted, Terms};
use crate::store::{NewEvent, Ping, RequestId, Store, Worker};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use http::HeaderMap;
use postern_protocol::api::{AttemptRecord, Canary, CanaryReport, CanaryRequest, WorkerState};
use postern_protocol::header::{WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP};
use postern_protocol::id::{SourceId, WorkerId};
use postern_protocol::signature::{Scheme, standard};
use postern_protocol::{Clock, ErrorCode, HeaderList, Provider, UnixMillis, line};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long a canary is waited for.
const WAIT: Duration = Duration::from_secs(10);
/// How many canaries a worker may ask for in a second, and at once.
const RATE: (f64, f64) = (0.5, 10.0);

/// Sends canaries.
pub(crate) struct Canaried {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) bodies: BodyReader,
    pub(crate) ingest: Arc<Ingest>,
    pub(crate) client: Outbound,
    pub(crate) tunnels: Tunnelled,
    pub(crate) canaries: Arc<Canaries>,
    pub(crate) rates: Buckets<WorkerId>,
}

impl Canaried {
    /// How often a worker may ask.
    pub(crate) fn rates() -> Buckets<WorkerId> {
        Buckets::new(RATE.0, RATE.1)
    }
}

/// 200 with what became of the canary, be it good or bad; 422 where the
/// worker's events are held.
pub(crate) async fn send(
    State(canaried): State<Arc<Canaried>>,
    Extension(request_id): Extension<RequestId>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<CanaryReport>, ApiError> {
    let now = canaried.clock.now();
    let (worker, _) = auth::calling_worker(canaried.store.as_ref(), &headers, now).await?;
    if worker.id.to_string() != id {
        return Err(ApiError::new(ErrorCode::Forbidden, "this credential is another worker's"));
    }
    let request: CanaryRequest = canaried.bodies.json(&headers, body, JSON_LIMIT).await?;
    if !request.is_well_formed() {
        let message = "nonce: 8 to 64 letters, digits, `-` and `_`";
        return Err(ApiError::new(ErrorCode::BadRequest, message));
    }
    if worker.state != WorkerState::Active {
        let message = "this worker is paused, away, or not active yet: its events are held";
        return Err(ApiError::new(ErrorCode::Unsupported, message));
    }
    canaried.rates.take(worker.id, now)?;
    let canary = Canary::new(request.nonce, now);
    let report = if request.quiet {
        canaried.quiet(&worker, &canary, now).await
    } else {
        canaried.whole_path(&worker, &canary, request_id, now).await?
    };
    Ok(Json(report))
}

impl Canaried {
    async fn quiet(&self, worker: &Worker, canary: &Canary, now: UnixMillis) -> CanaryReport {
        let began = Instant::now();
        let body = serde_json::to_vec(canary).unwrap_or_default();
        let to = addressed(worker, now);
        let mut report = report(now);
        report.sent = Some(micros(began, Instant::now()));
        let sending = ping::quiet_canary(&self.client, &self.tunnels, &to, body.into(), now);
        match tokio::time::timeout(WAIT, sending).await {
            Ok(record) => {
                report.answered = Some(micros(began, Instant::now()));
                judged(&mut report, record);
            }
            Err(_) => report.error = Some(format!("no answer within {} s", WAIT.as_secs())),
        }
        report.reported = micros(began, Instant::now());
        report
    }

    async fn whole_path(
        &self,
        worker: &Worker,
        canary: &Canary,
        request: RequestId,
        now: UnixMillis,
    ) -> Result<CanaryReport, ApiError> {
        let began = Instant::now();
        let posted = signed(canary, now)?;
        let (headers, body) = (posted.0.headers.clone(), posted.0.body.clone());
        self.ingest.verify(posted.0, posted.1).await?;
        let verified = micros(began, Instant::now());
        let event = NewEvent {
            id: entropy::event_id(now),
            workspace: worker.workspace,
            // It came in by none.
            source: SourceId::from_bytes([0; 16]),
            source_name: Provider::Postern.as_str().to_owned(),
            provider: Provider::Postern,
            received_at: now,
            dedupe: None,
            dedupe_since: now,
            described: line::describe(Provider::Postern, &headers, &body),
            headers: [("content-type", "application/json")].into_iter().collect(),
            body,
            synthetic: true,
            request: Some(request),
            only: Some(worker.id),
            new_delivery: entropy::delivery_id,
        };
        let id = event.id;
        let mut watch = self.canaries.watch(id);
        self.store.accept_event(event).await?;
        let committed = micros(began, Instant::now());
        self.bus.wake();
        let waited = tokio::time::timeout(WAIT, watch.done()).await;
        let Steps { claimed, sent, answered } = watch.steps();
        let since = |at: Instant| micros(began, at);
        let mut report = CanaryReport {
            event_id: Some(id),
            verified: Some(verified),
            committed: Some(committed),
            claimed: claimed.map(since),
            sent: sent.map(since),
            answered: answered.as_ref().map(|(at, _)| since(*at)),
            ..report(now)
        };
        match answered {
            Some((_, record)) => judged(&mut report, record),
            None if waited.is_err() && claimed.is_some() => {
                report.error = Some(format!("no answer within {} s", WAIT.as_secs()));
            }
            None => {
                let message = "nothing was sent within {s} s: other deliveries come first, or the proxy leaves this \
                               worker alone for a while, since it could not be reached";
                report.error = Some(message.replace("{s}", &WAIT.as_secs().to_string()));
            }
        }
        report.reported = micros(began, Instant::now());
        Ok(report)
    }
}

/// The canary as a provider that signs by Standard Webhooks would post it, with
/// a secret made for it.
fn signed(canary: &Canary, now: UnixMillis) -> Result<(Posted, Terms), ApiError> {
    let body = serde_json::to_vec(canary).map_err(ApiError::internal)?;
    let secrets = vec![standard::new_secret(entropy::bytes())];
    let id = format!("canary_{}", canary.nonce);
    let signature = standard::sign(&secrets, &id, now, &body);
    let seconds = now.seconds().to_string();
    let headers: HeaderList =
        [(WEBHOOK_ID, id.as_str()), (WEBHOOK_TIMESTAMP, &seconds), (WEBHOOK_SIGNATURE, &signature)]
            .into_iter()
            .collect();
    let posted = Posted { headers, body: body.into(), received_at: now };
    let terms = Terms { of: "canary".to_owned(), scheme: Scheme::StandardWebhooks, id_from: None, secrets };
    Ok((posted, terms))
}

fn addressed(worker: &Worker, now: UnixMillis) -> Ping {
    let previous = worker.previous_secret.iter().filter(|(_, until)| now <= *until);
    let secrets = std::iter::once(&worker.secret).chain(previous.map(|(secret, _)| secret));
    Ping {
        worker: worker.id,
        workspace: worker.workspace,
        url: worker.url.clone(),
        secrets: secrets.cloned().collect(),
        style: worker.style.clone(),
    }
}

fn report(accepted_at: UnixMillis) -> CanaryReport {
    CanaryReport {
        event_id: None,
        accepted_at,
        verified: None,
        committed: None,
        claimed: None,
        sent: None,
        answered: None,
        reported: 0,
        outcome: None,
        status: None,
        error: None,
    }
}

fn judged(report: &mut CanaryReport, record: AttemptRecord) {
    report.outcome = Some(record.outcome);
    report.status = record.status;
    report.error = record.error;
}

fn micros(began: Instant, at: Instant) -> u64 {
    u64::try_from(at.saturating_duration_since(began).as_micros()).unwrap_or(u64::MAX)
}
