//! The second step: a signed delivery is posted once, and what came of it is
//! told apart: delivered, refused with an answer, or never answered.

use super::client::{Answer, Outbound, Unanswered};
use super::sign::{Destination, Signed, Ticket};
use super::tunnel::Tunnelled;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use postern_protocol::api::{AttemptOutcome, AttemptRecord};
use postern_protocol::id::WorkerId;
use postern_protocol::{ErrorBody, ErrorCode, UnixMillis};
use tokio::time::Instant;

/// A delivery after its attempt.
#[derive(Debug)]
pub(crate) struct Sent {
    /// Which delivery it is.
    pub(crate) ticket: Ticket,
    /// The record of the attempt.
    pub(crate) record: AttemptRecord,
    /// `Retry-After`, as the worker wrote it.
    pub(crate) retry_after: Option<String>,
}

/// Posts once.
pub(crate) async fn send(client: &Outbound, tunnels: &Tunnelled, signed: Signed) -> Sent {
    let Signed { ticket, at, to, headers, body } = signed;
    let began = Instant::now();
    let result = post(client, tunnels, ticket.worker, to, headers, body).await;
    let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    let retry_after = result.as_ref().ok().and_then(|answer| answer.retry_after.clone());
    let mut record = judged(result);
    record.number = ticket.attempt;
    record.at = at;
    record.micros = micros;
    Sent { ticket, record, retry_after }
}

/// What came of a request, without when it was.
pub(super) fn judged(result: Result<Answer, Unanswered>) -> AttemptRecord {
    match result {
        Ok(answer) => answered(&answer),
        Err(unanswered) => not_answered(&unanswered),
    }
}

/// Posts to a worker, by the way that leads to it.
pub(super) async fn post(
    client: &Outbound,
    tunnels: &Tunnelled,
    worker: WorkerId,
    to: Destination,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Answer, Unanswered> {
    match to {
        Destination::Url(uri) => client.post(uri, headers, body).await,
        Destination::Tunnel => tunnels.post(worker, headers, body).await,
    }
}

/// An attempt that failed within the proxy: it counts as an answered failure,
/// so that a delivery that cannot be made ends as a dead letter.
pub(crate) fn defect(ticket: Ticket, at: UnixMillis, error: String) -> Sent {
    let mut record = record(AttemptOutcome::Refused, None, Some(error), None);
    record.number = ticket.attempt;
    record.at = at;
    Sent { ticket, record, retry_after: None }
}

fn record(
    outcome: AttemptOutcome,
    status: Option<u16>,
    error: Option<String>,
    answer: Option<String>,
) -> AttemptRecord {
    AttemptRecord { number: 0, at: UnixMillis(0), micros: 0, outcome, status, error, answer }
}

fn answered(answer: &Answer) -> AttemptRecord {
    let status = answer.status.as_u16();
    let shown = (answer.showable && !answer.body.is_empty())
        .then(|| String::from_utf8_lossy(&answer.body).into_owned());
    if answer.status.is_success() {
        return record(AttemptOutcome::Delivered, Some(status), None, shown);
    }
    let (outcome, error) = match refusal(answer) {
        // It has not had the whole request: the way there is at fault.
        _ if answer.status == StatusCode::REQUEST_TIMEOUT => {
            (AttemptOutcome::Timeout, "answered 408: the request did not arrive whole".to_owned())
        }
        Some(error) if is_skew(&error.code) => (AttemptOutcome::ClockSkew, error.message),
        Some(error) if answer.showable => {
            (AttemptOutcome::Refused, format!("{}: {}", error.code, error.message))
        }
        _ if answer.status.is_redirection() => {
            (AttemptOutcome::Refused, format!("answered {status}: redirects are not followed"))
        }
        _ => (AttemptOutcome::Refused, format!("answered {status}")),
    };
    record(outcome, Some(status), Some(error), shown)
}

/// What an edge's receiver says, when it is one that answers.
fn refusal(answer: &Answer) -> Option<postern_protocol::error::ErrorDetail> {
    serde_json::from_slice::<ErrorBody>(&answer.body).ok().map(|body| body.error)
}

fn is_skew(code: &str) -> bool {
    [ErrorCode::TimestampStale, ErrorCode::TimestampFuture].iter().any(|c| c.as_str() == code)
}

fn not_answered(why: &Unanswered) -> AttemptRecord {
    let outcome = match why {
        Unanswered::Dns(_) => AttemptOutcome::Dns,
        Unanswered::Connect(_) => AttemptOutcome::Connect,
        Unanswered::Tls(_) => AttemptOutcome::Tls,
        Unanswered::Timeout(_) => AttemptOutcome::Timeout,
        // The delivery is at fault: it uses up its schedule, as a defect does.
        Unanswered::Unsendable(_) => AttemptOutcome::Refused,
    };
    record(outcome, None, Some(why.to_string()), None)
}
