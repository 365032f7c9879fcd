//! GitHub: `X-Hub-Signature-256: sha256=<hex>` over the raw body. No time is
//! signed. Source: docs.github.com, "Validating webhook deliveries".

use super::{Verdict, Verified, mac};
use crate::{HeaderList, Secret};

/// The header that carries the signature.
pub const SIGNATURE: &str = "x-hub-signature-256";

const PREFIX: &str = "sha256=";

/// The value of `X-Hub-Signature-256` for `body`, with its `sha256=`.
#[must_use]
pub fn sign(secret: &Secret, body: &[u8]) -> String {
    format!("{PREFIX}{}", hex::encode(mac::tag(secret.reveal().as_bytes(), &[body])))
}

/// Verifies `body`. An empty secret matches nothing.
///
/// # Errors
/// In this order: the header is missing; it is not `sha256=` and 64 hex
/// digits; no secret made it.
pub fn verify(secrets: &[Secret], headers: &HeaderList, body: &[u8]) -> Verdict {
    let value = mac::header(headers, SIGNATURE)?;
    let digits = value
        .strip_prefix(PREFIX)
        .ok_or_else(|| mac::malformed(SIGNATURE, format!("it does not begin with `{PREFIX}`")))?;
    let claimed = mac::hex_tag(SIGNATURE, digits)?;
    let secret = mac::find(secrets.iter().map(|s| s.reveal().as_bytes()), &[body], &[claimed])?;
    Ok(Verified::by(secret))
}

#[cfg(test)]
mod tests;
