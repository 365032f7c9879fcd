//! The signature, on the raw bytes and before anything is parsed; then what
//! tells the event from others and what can be said of it.
//!
//! The signed time is held against the dedupe window, not against the
//! providers' short tolerances: a late retry or a skewed clock must not lose an
//! event, and what is replayed within the window is a duplicate.

use super::Posted;
use crate::http::error::ApiError;
use postern_protocol::dedupe::{self, DedupeKey};
use postern_protocol::signature::{self, Failure};
use postern_protocol::{Described, Secret, UnixMillis, line};

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

/// Verifies against any of the secrets; what was signed before `oldest` is stale.
pub(super) async fn verify(
    posted: Posted,
    secrets: &[Secret],
    oldest: UnixMillis,
) -> Result<Verified, ApiError> {
    if posted.body.len() < LARGE {
        return judge(posted, secrets, oldest);
    }
    let secrets = secrets.to_vec();
    tokio::task::spawn_blocking(move || judge(posted, &secrets, oldest)).await.map_err(ApiError::internal)?
}

fn judge(posted: Posted, secrets: &[Secret], oldest: UnixMillis) -> Result<Verified, ApiError> {
    let Posted { provider, headers, body, received_at } = &posted;
    if let Some(verdict) = signature::verify(*provider, secrets, headers, body, None) {
        let signed_at = verdict?.signed_at;
        if let Some(failure) = signed_at.and_then(|at| outside(at, *received_at, oldest)) {
            return Err(failure.into());
        }
    }
    let dedupe = dedupe::key(*provider, headers, body);
    let described = line::describe(*provider, headers, body);
    Ok(Verified { dedupe, described, posted })
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
