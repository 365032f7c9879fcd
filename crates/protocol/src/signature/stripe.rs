//! Stripe: `Stripe-Signature: t=<s>,v1=<hex>[,v1=…]`, HMAC-SHA256 over
//! `t.body`; the key is the secret's whole text, `whsec_` included and not
//! decoded. Source: docs.stripe.com/webhooks, "Verify webhook signatures manually".

use super::{Freshness, Verdict, timestamped};
use crate::time::UnixMillis;
use crate::{HeaderList, Secret};

/// The header that carries the signature.
pub const SIGNATURE: &str = "stripe-signature";

/// How far the signed time may lie from the receiver's, in milliseconds (what
/// Stripe's libraries allow).
pub const TOLERANCE_MS: i64 = 300_000;

/// The value of `Stripe-Signature`: `t=…` in whole seconds, and one `v1=…` per
/// secret, as Stripe sends while a secret is rolled.
#[must_use]
pub fn sign(secrets: &[Secret], at: UnixMillis, body: &[u8]) -> String {
    timestamped::sign(secrets, at, body)
}

/// Verifies `body`. Other schemes than `v1` (`v0`, of test events) are passed
/// over, the order is free; any `v1` that any secret made is enough. An empty
/// secret matches nothing.
///
/// # Errors
/// In this order: the header is missing; it has no `t`, two, or one that is
/// not a number; it has no `v1` of 64 hex digits; no secret made one; the time
/// is stale or ahead.
pub fn verify(
    secrets: &[Secret],
    headers: &HeaderList,
    body: &[u8],
    freshness: Option<Freshness>,
) -> Verdict {
    timestamped::verify(SIGNATURE, secrets, headers, body, freshness)
}

#[cfg(test)]
mod tests;
