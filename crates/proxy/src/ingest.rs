//! Webhooks come in: read, verify on the raw bytes, tell repetitions apart,
//! describe, commit with a delivery for each worker, have it delivered, answer.
//! 200 means that the event is committed; nothing else is said before.
//!
//! A chain of types: [`Posted`] (what came), [`Verified`] (the signature
//! holds, or the source signs nothing), [`Receipt`] (committed).

use crate::config::{Config, Limits};
use crate::delivery::dispatch::Dispatch;
use crate::http::body::BodyReader;
use crate::http::error::ApiError;
use crate::http::rate::Buckets;
use crate::notices::Notices;
use crate::store::{Accepted, NewEvent, RequestId, Source, Store};
use bytes::Bytes;
use futures_util::poll;
use postern_protocol::dedupe::IdFrom;
use postern_protocol::id::{EventId, SourceId, WorkerId};
use postern_protocol::signature::Scheme;
use postern_protocol::{Clock, HeaderList, Provider, Secret, UnixMillis};
use serde::Serialize;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use tokio::time::Instant;

mod early;
pub(crate) mod failing;
mod headers;
pub(crate) mod hook;
pub(crate) mod linear_app;
mod metrics;
mod verify;

use early::Early;
use failing::Failing;
pub(crate) use headers::kept;
pub(crate) use metrics::IngestMetrics;
pub(crate) use verify::Verified;

/// How often a second a refused webhook's cause is guessed at, of each source:
/// a guess costs milliseconds, and strangers can ask for it.
const GUESSES_PER_SECOND: f64 = 2.0;

/// Takes webhooks in.
pub(crate) struct Ingest {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    dispatch: Arc<Dispatch>,
    early: Early,
    bodies: BodyReader,
    limits: Limits,
    dedupe_millis: i64,
    rates: Buckets<SourceId>,
    guesses: Buckets<String>,
    metrics: IngestMetrics,
    failing: Failing,
    notices: Arc<Notices>,
}

/// What was posted, as it came.
#[derive(Clone, Debug)]
pub(crate) struct Posted {
    /// Its headers but those that end here.
    pub(crate) headers: HeaderList,
    /// The body, byte for byte.
    pub(crate) body: Bytes,
    /// When the body had been read.
    pub(crate) received_at: UnixMillis,
}

/// By what a webhook is judged.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    /// Whose these are, in the log: a source's id, or an app's slug.
    pub(crate) of: String,
    /// How it is signed.
    pub(crate) scheme: Scheme,
    /// Where its id stands, for senders that Postern does not know.
    pub(crate) id_from: Option<IdFrom>,
    /// The secrets it may be signed with.
    pub(crate) secrets: Vec<Secret>,
}

impl Terms {
    /// Those of a source's webhooks at `now`.
    pub(crate) fn of(source: &Source, now: UnixMillis) -> Self {
        Self {
            of: source.id.to_string(),
            scheme: source.scheme.clone(),
            id_from: source.id_from.clone(),
            secrets: source.accepted(now).to_vec(),
        }
    }
}

/// Where an event comes from and whom it is for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Origin {
    /// The request it came in by.
    pub(crate) request: Option<RequestId>,
    /// Made by `trigger`.
    pub(crate) synthetic: bool,
    /// For this worker alone.
    pub(crate) only: Option<WorkerId>,
}

impl Origin {
    /// A provider's request.
    pub(crate) fn of(request: RequestId) -> Self {
        Self { request: Some(request), ..Self::default() }
    }
}

/// The answer to a provider.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Receipt {
    /// The event; of a duplicate, the earlier one.
    pub(crate) event_id: EventId,
    /// Whether it came before.
    pub(crate) duplicate: bool,
    /// To how many workers it goes.
    #[serde(skip)]
    pub(crate) deliveries: usize,
}

impl Ingest {
    /// Takes webhooks in, into `store`, and has them delivered by `dispatch`.
    pub(crate) fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        dispatch: Arc<Dispatch>,
        bodies: BodyReader,
        config: &Config,
        metrics: IngestMetrics,
        notices: Arc<Notices>,
    ) -> Self {
        let Config { limits, retention, .. } = config;
        let rate = f64::from(limits.source_rate);
        Self {
            store,
            clock,
            dispatch,
            early: Early::new(config.delivery.early_dispatch),
            bodies,
            dedupe_millis: i64::try_from(retention.dedupe.as_millis()).unwrap_or(i64::MAX),
            rates: Buckets::new(rate, 2.0 * rate),
            guesses: Buckets::new(GUESSES_PER_SECOND, GUESSES_PER_SECOND),
            limits: limits.clone(),
            metrics,
            failing: Failing::default(),
            notices,
        }
    }

    /// The largest body a provider's webhook may have, in bytes.
    pub(crate) fn largest(&self, provider: Provider) -> usize {
        let limit = if provider == Provider::Github { self.limits.github_body } else { self.limits.body };
        usize::try_from(limit).unwrap_or(usize::MAX)
    }

    /// Verifies what was posted. A refusal says what is probably wrong, as far
    /// as that can be told and was not asked too often.
    pub(crate) async fn verify(&self, posted: Posted, terms: Terms) -> Result<Verified, ApiError> {
        let oldest = posted.received_at.plus(-self.dedupe_millis);
        let may_guess = |of: &str| self.guesses.take(of.to_owned(), self.clock.now()).is_ok();
        let provider = terms.scheme.provider();
        verify::verify(posted, terms, oldest, may_guess)
            .await
            .inspect_err(|_| self.metrics.mismatched(provider))
    }

    /// [`Ingest::verify`] for a source's own webhooks: whoever asks for it is
    /// told when many of them fail.
    pub(crate) async fn verify_of(&self, source: &Source, posted: Posted) -> Result<Verified, ApiError> {
        let now = posted.received_at;
        let verified = self.verify(posted, Terms::of(source, now)).await;
        match &verified {
            Ok(_) => self.failing.accepted(source.id),
            Err(error) => {
                if let Some(seen) = self.failing.refused(source.id, now) {
                    self.notices.signature_failing(source, seen, error.code()).await;
                }
            }
        }
        verified
    }

    /// Commits a verified webhook as an event of `source`.
    pub(crate) async fn commit(
        &self,
        source: &Source,
        verified: Verified,
        origin: Origin,
    ) -> Result<Receipt, ApiError> {
        let Verified { posted, dedupe, mut described } = verified;
        if let Some(pointer) = &source.entity_pointer {
            let found = pointer.id(&posted.body);
            described.entity = found.map(|id| format!("{}:{id}", source.name));
        }
        let id = crate::entropy::event_id(posted.received_at);
        let event = NewEvent {
            id,
            workspace: source.workspace,
            source: source.id,
            source_name: source.name.clone(),
            provider: source.provider(),
            received_at: posted.received_at,
            dedupe,
            dedupe_since: posted.received_at.plus(-self.dedupe_millis),
            described,
            headers: posted.headers,
            body: posted.body,
            synthetic: origin.synthetic,
            request: origin.request,
            only: origin.only,
            new_delivery: crate::entropy::delivery_id,
        };
        let early = self.early.allows(&event);
        let mut ahead = self.dispatch.ahead(&event, early);
        if early {
            self.dispatch.start(std::mem::take(&mut ahead));
        }
        let began = Instant::now();
        let mut accepting = pin!(self.store.accept_event(event));
        // The commit is under way from the first poll on: what waits for it is made ready meanwhile.
        let at_once = poll!(accepting.as_mut());
        self.dispatch.start(ahead);
        let accepted = match at_once {
            Poll::Ready(accepted) => accepted,
            Poll::Pending => accepting.await,
        };
        self.early.committed(accepted.is_ok());
        let accepted = accepted?;
        self.metrics.committed(began.elapsed(), &accepted);
        match accepted {
            Accepted::Stored { workers } => {
                if !workers.is_empty() {
                    self.dispatch.fresh();
                }
                // By this line and the event's id, a request is followed through every hop.
                tracing::debug!(event = %id, workers = workers.len(), "accepted");
                Ok(Receipt { event_id: id, duplicate: false, deliveries: workers.len() })
            }
            Accepted::Unasked => Ok(Receipt { event_id: id, duplicate: false, deliveries: 0 }),
            Accepted::Duplicate { of } => Ok(Receipt { event_id: of, duplicate: true, deliveries: 0 }),
        }
    }
}
