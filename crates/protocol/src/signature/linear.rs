//! Linear: `Linear-Signature`, 64 hex digits of HMAC-SHA256 over the raw body,
//! keyed with the secret's UTF-8 text. Only the body is signed; the signed
//! time is its field `webhookTimestamp` (ms). Source: linear.app/developers/webhooks.

use super::{Freshness, Verdict};
use crate::{HeaderList, Secret};

/// The header that carries the signature.
pub const SIGNATURE: &str = "linear-signature";

/// The value of `Linear-Signature` for `body`.
#[must_use]
pub fn sign(secret: &Secret, body: &[u8]) -> String {
    todo!()
}

/// Verifies `body`; with `freshness`, also its `webhookTimestamp`.
pub fn verify(secrets: &[Secret], headers: &HeaderList, body: &[u8], freshness: Option<Freshness>) -> Verdict {
    todo!()
}
