//! Linear: `Linear-Signature`, 64 hex digits of HMAC-SHA256 over the raw body,
//! keyed with the secret's UTF-8 text. Only the body is signed; the signed
//! time is its field `webhookTimestamp` (ms). Source: linear.app/developers/webhooks.
//!
//! The header `Linear-Timestamp` is not signed and is never read: a fresh
//! header must not rescue a stale body.

use super::{Failure, Freshness, Verdict, Verified, mac};
use crate::time::UnixMillis;
use crate::{HeaderList, Secret};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::ops::Range;

/// The header that carries the signature.
pub const SIGNATURE: &str = "linear-signature";

/// The body's field that carries the signed time, in milliseconds.
pub const TIMESTAMP: &str = "webhookTimestamp";

/// How far the signed time may lie from the receiver's, in milliseconds (what
/// Linear's SDK allows).
pub const TOLERANCE_MS: i64 = 60_000;

/// The value of `Linear-Signature` for `body`.
#[must_use]
pub fn sign(secret: &Secret, body: &[u8]) -> String {
    hex::encode(mac::tag(secret.reveal().as_bytes(), &[body]))
}

/// Verifies `body`; with `freshness`, also its `webhookTimestamp`. Without,
/// a body whose time cannot be read passes with no `signed_at`. An empty
/// secret matches nothing.
///
/// # Errors
/// In this order: the header is missing; it is not 64 hex digits; no secret
/// made it; the time is missing, not a number, stale or ahead.
pub fn verify(
    secrets: &[Secret],
    headers: &HeaderList,
    body: &[u8],
    freshness: Option<Freshness>,
) -> Verdict {
    let claimed = mac::hex_tag(SIGNATURE, mac::header(headers, SIGNATURE)?)?;
    let secret = mac::find(secrets.iter().map(|s| s.reveal().as_bytes()), &[body], &[claimed])?;
    let text = timestamp(body);
    let time_in_body = text.ok().and_then(|text| within(body, text)).map(|at| (at.start, at.end));
    let verified = match millis(text) {
        Ok(at) => mac::judge(secret, at, freshness)?,
        Err(_) if freshness.is_none() => Verified::by(secret),
        Err(failure) => return Err(failure),
    };
    Ok(Verified { time_in_body, ..verified })
}

/// Only the one field; everything else is skipped without being built, and
/// without recursion, however deep it nests.
#[derive(Deserialize)]
struct Envelope<'b> {
    #[serde(borrow, rename = "webhookTimestamp")]
    timestamp: Option<&'b RawValue>,
}

/// The text of the top-level `webhookTimestamp`, or why there is none.
fn timestamp(body: &[u8]) -> Result<&str, &'static str> {
    // serde would also read a struct from an array.
    if body.iter().find(|b| !b.is_ascii_whitespace()) != Some(&b'{') {
        return Err("the body is not a JSON object");
    }
    match serde_json::from_slice::<Envelope<'_>>(body) {
        Ok(Envelope { timestamp: Some(raw) }) => Ok(raw.get()),
        Ok(Envelope { timestamp: None }) => Err("the body does not have it"),
        Err(_) => Err("the body is not valid JSON, or has it twice"),
    }
}

/// Where the value of the top-level `webhookTimestamp` lies in `body`; `None`
/// when `body` is not one JSON object that has it once.
pub(crate) fn timestamp_range(body: &[u8]) -> Option<Range<usize>> {
    within(body, timestamp(body).ok()?)
}

/// Where a text that is borrowed from the body lies in it: its address says so.
fn within(body: &[u8], text: &str) -> Option<Range<usize>> {
    let start = text.as_ptr().addr().checked_sub(body.as_ptr().addr())?;
    Some(start..start + text.len())
}

pub(super) fn signed_at(body: &[u8]) -> Result<UnixMillis, Failure> {
    millis(timestamp(body))
}

fn millis(text: Result<&str, &str>) -> Result<UnixMillis, Failure> {
    let text = text.map_err(|reason| mac::malformed(TIMESTAMP, reason))?;
    text.parse()
        .map(UnixMillis)
        .map_err(|_| mac::malformed(TIMESTAMP, "it is not a whole number of milliseconds"))
}

#[cfg(test)]
mod tests;
