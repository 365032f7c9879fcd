//! Standard Webhooks 1.0: `webhook-signature` holds space-separated
//! `v1,<base64>` of HMAC-SHA256 over `id.timestamp.body`; the key is the
//! base64 after `whsec_`. What the proxy signs its deliveries with.
//! Source: the standard-webhooks specification.

use super::{Freshness, Verdict, mac};
use crate::header::{WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP};
use crate::time::UnixMillis;
use crate::{HeaderList, Secret};
use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use zeroize::Zeroizing;

/// How far a delivery's signed time may lie from the receiver's, in
/// milliseconds (the specification's ±300 s).
pub const TOLERANCE_MS: i64 = 300_000;

const SECRET_PREFIX: &str = "whsec_";
const VERSION_PREFIX: &str = "v1,";

/// Secrets are pasted by people: with or without padding.
const KEY_TEXT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A new secret from 32 bytes of entropy: `whsec_` and base64.
#[must_use]
pub fn new_secret(entropy: [u8; 32]) -> Secret {
    let entropy = Zeroizing::new(entropy);
    let mut text = String::with_capacity(SECRET_PREFIX.len() + 44);
    text.push_str(SECRET_PREFIX);
    STANDARD.encode_string(*entropy, &mut text);
    Secret::new(text)
}

/// The value of `webhook-signature`: one `v1,…` per secret, space-separated.
/// `at` is signed in whole seconds. A secret that is not `whsec_` + base64 is
/// keyed with its bytes as they are.
#[must_use]
pub fn sign(secrets: &[Secret], id: &str, at: UnixMillis, body: &[u8]) -> String {
    let seconds = at.seconds().to_string();
    let parts = signed(id, &seconds, body);
    let signatures: Vec<_> = secrets
        .iter()
        .map(|secret| format!("{VERSION_PREFIX}{}", STANDARD.encode(mac::tag(&key(secret), &parts))))
        .collect();
    signatures.join(" ")
}

/// Verifies `body` under its three headers. Unknown signature versions are
/// passed over; any `v1` that any secret made is enough. An empty secret
/// matches nothing.
///
/// # Errors
/// In this order: a header is missing (id, timestamp, signature); one is
/// malformed (the same order; a signature is when it has no `v1,` with the
/// base64 of 32 bytes); no secret made a signature; the time is stale or ahead.
pub fn verify(
    secrets: &[Secret],
    headers: &HeaderList,
    body: &[u8],
    freshness: Option<Freshness>,
) -> Verdict {
    let id = mac::header(headers, WEBHOOK_ID)?;
    let timestamp = mac::header(headers, WEBHOOK_TIMESTAMP)?;
    let signatures = mac::header(headers, WEBHOOK_SIGNATURE)?;
    if id.is_empty() {
        return Err(mac::malformed(WEBHOOK_ID, "it is empty"));
    }
    let signed_at = mac::seconds(WEBHOOK_TIMESTAMP, timestamp)?;
    let claimed: Vec<_> = signatures.split_ascii_whitespace().filter_map(claim).collect();
    if claimed.is_empty() {
        return Err(mac::malformed(WEBHOOK_SIGNATURE, "it has no `v1,` followed by the base64 of 32 bytes"));
    }
    let secret = mac::find(secrets.iter().map(key), &signed(id, timestamp, body), &claimed)?;
    mac::judge(secret, signed_at, freshness)
}

fn signed<'p>(id: &'p str, timestamp: &'p str, body: &'p [u8]) -> [&'p [u8]; 5] {
    [id.as_bytes(), b".", timestamp.as_bytes(), b".", body]
}

fn key(secret: &Secret) -> Zeroizing<Vec<u8>> {
    let text = secret.reveal();
    let decoded = text.strip_prefix(SECRET_PREFIX).and_then(|b| KEY_TEXT.decode(b).ok());
    Zeroizing::new(decoded.unwrap_or_else(|| text.as_bytes().to_vec()))
}

fn claim(signature: &str) -> Option<[u8; mac::TAG]> {
    STANDARD.decode(signature.strip_prefix(VERSION_PREFIX)?).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests;
