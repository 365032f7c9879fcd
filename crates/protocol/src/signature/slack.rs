//! Slack: `X-Slack-Signature: v0=<hex>`, HMAC-SHA256 over `v0:{ts}:{body}`
//! with the time of `X-Slack-Request-Timestamp`; the key is the signing
//! secret's text. Source: docs.slack.dev, "Verifying requests from Slack".

use super::{Freshness, Verdict, mac};
use crate::json::{self, Raw};
use crate::time::UnixMillis;
use crate::{HeaderList, Secret};

/// The header that carries the signature.
pub const SIGNATURE: &str = "x-slack-signature";

/// The header that carries the signed time, in seconds.
pub const TIMESTAMP: &str = "x-slack-request-timestamp";

/// How far the signed time may lie from the receiver's, in milliseconds.
pub const TOLERANCE_MS: i64 = 300_000;

const PREFIX: &str = "v0=";

/// The longest challenge that is echoed, in bytes: Slack's have 52.
const LONGEST_CHALLENGE: usize = 1000;

/// The value of `X-Slack-Signature` for `body`, where
/// `X-Slack-Request-Timestamp` is `at` in whole seconds.
#[must_use]
pub fn sign(secret: &Secret, at: UnixMillis, body: &[u8]) -> String {
    let seconds = at.seconds().to_string();
    format!("{PREFIX}{}", hex::encode(mac::tag(secret.reveal().as_bytes(), &signed(&seconds, body))))
}

/// Verifies `body` under its two headers. An empty secret matches nothing.
///
/// # Errors
/// In this order: a header is missing (timestamp, signature); one is malformed
/// (the same order; a signature is when it is not `v0=` and 64 hex digits); no
/// secret made it; the time is stale or ahead.
pub fn verify(
    secrets: &[Secret],
    headers: &HeaderList,
    body: &[u8],
    freshness: Option<Freshness>,
) -> Verdict {
    let timestamp = mac::header(headers, TIMESTAMP)?;
    let value = mac::header(headers, SIGNATURE)?;
    let signed_at = mac::seconds(TIMESTAMP, timestamp)?;
    let digits = value
        .strip_prefix(PREFIX)
        .ok_or_else(|| mac::malformed(SIGNATURE, format!("it does not begin with `{PREFIX}`")))?;
    let claimed = mac::hex_tag(SIGNATURE, digits)?;
    let keys = secrets.iter().map(|s| s.reveal().as_bytes());
    let secret = mac::find(keys, &signed(timestamp, body), &[claimed])?;
    mac::judge(secret, signed_at, freshness)
}

/// The challenge to answer with, as `text/plain`, when the body is Slack's
/// question whether this URL is ours (`url_verification`). It is signed like
/// any other request: verify first. It is answered, and not stored.
#[must_use]
pub fn challenge(body: &[u8]) -> Option<String> {
    let body = json::valid(body)?;
    if json::pointer(body, "/type").and_then(Raw::text)? != "url_verification" {
        return None;
    }
    let challenge = json::pointer(body, "/challenge").and_then(Raw::text)?;
    (1..=LONGEST_CHALLENGE).contains(&challenge.len()).then(|| challenge.into_owned())
}

fn signed<'p>(seconds: &'p str, body: &'p [u8]) -> [&'p [u8]; 4] {
    [b"v0:", seconds.as_bytes(), b":", body]
}

#[cfg(test)]
mod tests;
