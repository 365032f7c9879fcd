//! What taking in is measured by.

use crate::store::Accepted;
use metrics::{Counter, Histogram, counter, describe_counter, describe_histogram, histogram};
use postern_protocol::{ErrorCode, Provider};
use std::time::Duration;

/// The codes a webhook can be refused with.
const CODES: [ErrorCode; 13] = [
    ErrorCode::BadRequest,
    ErrorCode::NotFound,
    ErrorCode::TooLarge,
    ErrorCode::BodyTimeout,
    ErrorCode::BodyIncomplete,
    ErrorCode::SignatureMissing,
    ErrorCode::SignatureMalformed,
    ErrorCode::SignatureMismatch,
    ErrorCode::TimestampStale,
    ErrorCode::TimestampFuture,
    ErrorCode::RateLimited,
    ErrorCode::StoreUnavailable,
    ErrorCode::Internal,
];

/// The intake's metrics. Made where a recorder is set.
pub(crate) struct IngestMetrics {
    accepted: Counter,
    duplicate: Counter,
    unlinked: Counter,
    rejected: Vec<(ErrorCode, Counter)>,
    signatures: Vec<(Provider, Counter)>,
    commit: Histogram,
}

impl IngestMetrics {
    /// Registers them with the recorder that is set.
    pub(crate) fn new() -> Self {
        describe_counter!("postern_ingest_accepted_total", "Webhooks committed as new events");
        describe_counter!("postern_ingest_duplicate_total", "Webhooks that had come before");
        describe_counter!(
            "postern_ingest_unlinked_total",
            "Webhooks of organizations linked to no workspace"
        );
        describe_counter!("postern_ingest_rejected_total", "Webhooks refused, by error code");
        describe_histogram!("postern_ingest_commit_seconds", "How long commits of webhooks took");
        const SIGNATURES: &str = "postern_ingest_signature_failures_total";
        describe_counter!(SIGNATURES, "Webhooks refused for their signature, by provider");
        let signatures =
            |provider: Provider| (provider, counter!(SIGNATURES, "provider" => provider.as_str()));
        let rejected =
            |code: &ErrorCode| (*code, counter!("postern_ingest_rejected_total", "code" => code.as_str()));
        Self {
            accepted: counter!("postern_ingest_accepted_total"),
            duplicate: counter!("postern_ingest_duplicate_total"),
            unlinked: counter!("postern_ingest_unlinked_total"),
            rejected: CODES.iter().map(rejected).collect(),
            signatures: Provider::ALL.map(signatures).into(),
            commit: histogram!("postern_ingest_commit_seconds"),
        }
    }

    /// Counts a webhook that was committed.
    pub(super) fn committed(&self, took: Duration, accepted: &Accepted) {
        self.commit.record(took.as_secs_f64());
        match accepted {
            Accepted::Stored { .. } => self.accepted.increment(1),
            Accepted::Duplicate { .. } => self.duplicate.increment(1),
            Accepted::Unasked => {}
        }
    }

    /// Counts a webhook of nobody's organisation.
    pub(super) fn unlinked(&self) {
        self.unlinked.increment(1);
    }

    /// Counts a webhook that was refused.
    pub(super) fn rejected(&self, code: ErrorCode) {
        if let Some((_, counter)) = self.rejected.iter().find(|(known, _)| *known == code) {
            counter.increment(1);
        }
    }

    /// Counts a webhook whose signature did not hold.
    pub(super) fn mismatched(&self, provider: Provider) {
        if let Some((_, counter)) = self.signatures.iter().find(|(known, _)| *known == provider) {
            counter.increment(1);
        }
    }
}
