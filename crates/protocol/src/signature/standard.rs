//! Standard Webhooks 1.0: `webhook-signature` holds space-separated
//! `v1,<base64>` of HMAC-SHA256 over `id.timestamp.body`; the key is the
//! base64 after `whsec_`. What the proxy signs its deliveries with.
//! Source: the standard-webhooks specification.

use super::{Freshness, Verdict};
use crate::time::UnixMillis;
use crate::{HeaderList, Secret};

/// How far a delivery's signed time may lie from the receiver's, in
/// milliseconds (the specification's ±300 s).
pub const TOLERANCE_MS: i64 = 300_000;

/// A new secret from 32 bytes of entropy: `whsec_` and base64.
#[must_use]
pub fn new_secret(entropy: [u8; 32]) -> Secret {
    todo!()
}

/// The value of `webhook-signature`: one `v1,…` per secret, space-separated.
/// `at` is signed in whole seconds. A secret that is not `whsec_` + base64 is
/// keyed with its bytes as they are.
#[must_use]
pub fn sign(secrets: &[Secret], id: &str, at: UnixMillis, body: &[u8]) -> String {
    todo!()
}

/// Verifies `body` under its three headers. Unknown signature versions are
/// passed over; any `v1` that any secret made is enough.
pub fn verify(secrets: &[Secret], headers: &HeaderList, body: &[u8], freshness: Option<Freshness>) -> Verdict {
    todo!()
}
