//! GitHub: `X-Hub-Signature-256: sha256=<hex>` over the raw body. No time is
//! signed. Source: docs.github.com, "Validating webhook deliveries".

use super::Verdict;
use crate::{HeaderList, Secret};

/// The header that carries the signature.
pub const SIGNATURE: &str = "x-hub-signature-256";

/// The value of `X-Hub-Signature-256` for `body`, with its `sha256=`.
#[must_use]
pub fn sign(secret: &Secret, body: &[u8]) -> String {
    todo!()
}

/// Verifies `body`.
pub fn verify(secrets: &[Secret], headers: &HeaderList, body: &[u8]) -> Verdict {
    todo!()
}
