//! The signature, on the raw bytes and before anything is parsed; then what
//! tells the event from others and what can be said of it.
//!
//! The signed time is held against the dedupe window, not against the
//! providers' short tolerances: a late retry or a skewed clock must not lose an
//! event, and what is replayed within the window is a duplicate.

use super::{Posted, Terms};
use crate::http::error::ApiError;
use postern_protocol::dedupe::{self, DedupeKey};
use postern_protocol::signature::{self, Failure};
use postern_protocol::{Described, UnixMillis, line};

/// From this size on, a body is hashed and parsed where blocking is allowed.
const LARGE: usize = 256 * 1024;

/// A webhook whose signature holds.
#[derive(Clone, Debug)]
pub(crate) struct Verified {
    pub(super) posted: Posted,
    pub(super) dedupe: Option<DedupeKey>,
    pub(super) described: Described,
}

impl Verified {
    /// The body, byte for byte.
    pub(crate) fn body(&self) -> &[u8] {
        &self.posted.body
    }
}

/// Verifies against any of the secrets; what was signed before `oldest` is
/// stale. Why it failed is guessed at where `may_guess` allows it.
pub(super) async fn verify(
    posted: Posted,
    terms: Terms,
    oldest: UnixMillis,
    may_guess: impl FnOnce(&str) -> bool,
) -> Result<Verified, ApiError> {
    let judged = if posted.body.len() < LARGE {
        judge(posted, terms, oldest)
    } else {
        tokio::task::spawn_blocking(move || judge(posted, terms, oldest)).await.map_err(ApiError::internal)?
    };
    let Refusal { failure, posted, terms } = match judged {
        Ok(verified) => return Ok(verified),
        Err(refusal) => *refusal,
    };
    if matches!(failure, Failure::Stale { .. } | Failure::Future { .. }) || !may_guess(&terms.of) {
        return Err(failure.into());
    }
    let error = tokio::task::spawn_blocking(move || explained(&failure, &posted, &terms));
    Err(error.await.map_err(ApiError::internal)?)
}

/// A webhook that is not let in.
struct Refusal {
    failure: Failure,
    posted: Posted,
    terms: Terms,
}

fn judge(posted: Posted, terms: Terms, oldest: UnixMillis) -> Result<Verified, Box<Refusal>> {
    let Posted { headers, body, received_at } = &posted;
    let verdict = signature::verify(&terms.scheme, &terms.secrets, headers, body, None);
    let judged = verdict.transpose().and_then(|verified| {
        let signed_at = verified.and_then(|verified| verified.signed_at);
        signed_at.and_then(|at| outside(at, *received_at, oldest)).map_or(Ok(verified), Err)
    });
    let verified = match judged {
        Ok(verified) => verified,
        Err(failure) => return Err(Box::new(Refusal { failure, posted, terms })),
    };
    let dedupe =
        dedupe::key_of_verified(&terms.scheme, terms.id_from.as_ref(), headers, body, verified.as_ref());
    let described = line::describe(terms.scheme.provider(), headers, body);
    Ok(Verified { dedupe, described, posted })
}

/// The refusal with its probable cause, which is logged too: whoever sets the
/// source up seldom sees what the sender is answered.
fn explained(failure: &Failure, posted: &Posted, terms: &Terms) -> ApiError {
    let guess = signature::guess(&terms.scheme, failure, &terms.secrets, &posted.headers, &posted.body);
    let Some(guess) = guess else { return ApiError::new(failure.code(), failure.to_string()) };
    tracing::info!(source = terms.of, code = %failure.code(), %guess, "webhook refused");
    ApiError::new(failure.code(), format!("{failure}. Probably: {guess}"))
}

fn outside(signed_at: UnixMillis, now: UnixMillis, oldest: UnixMillis) -> Option<Failure> {
    let tolerance_ms = now.since(oldest);
    let age = now.since(signed_at);
    if age > tolerance_ms {
        return Some(Failure::Stale { by_ms: age, tolerance_ms });
    }
    let ahead = signed_at.since(now);
    (ahead > tolerance_ms).then_some(Failure::Future { by_ms: ahead, tolerance_ms })
}
