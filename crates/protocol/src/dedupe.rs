//! Which two posts are the same event.
//!
//! | provider | key |
//! | --- | --- |
//! | Linear | `Linear-Delivery` and the digest of the body without the value of its top-level `webhookTimestamp`, which a retry may refresh |
//! | Linear, without that header | the digest of the whole body: its `webhookId` and `webhookTimestamp` tell two events apart |
//! | GitHub | `X-GitHub-Delivery` and the digest of the body; none without that header, since nothing in the body tells two events apart |
//! | Standard Webhooks | `webhook-id`, which is signed |
//! | unsigned | none |
//!
//! Headers of Linear and GitHub are not signed, hence the digest: the same id
//! over another body is another event.

use crate::header::WEBHOOK_ID;
use crate::signature::linear::timestamp_range;
use crate::{HeaderList, Provider};
use sha2::{Digest, Sha256};

/// Linear's header with the delivery's id.
pub const LINEAR_DELIVERY: &str = "linear-delivery";
/// GitHub's header with the delivery's id, the same for a redelivery.
pub const GITHUB_DELIVERY: &str = "x-github-delivery";

/// Ids longer than this many bytes are replaced by their digest.
const LONGEST_ID: usize = 200;

/// What a source's events are told apart by, within that source.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DedupeKey {
    /// The provider's id of the delivery, at most 200 bytes (a longer one is
    /// `sha256:` and its hex digest); empty where the provider gave none.
    pub id: String,
    /// SHA-256 of the body, without what a retry may change.
    pub digest: [u8; 32],
    /// Whether two bodies under one id are two events.
    digest_counts: bool,
}

impl DedupeKey {
    /// The key as one text, for a unique column: `{id}:{hex digest}`, or the
    /// id alone where that suffices. At most 265 bytes.
    #[must_use]
    pub fn as_text(&self) -> String {
        if self.digest_counts { format!("{}:{}", self.id, hex::encode(self.digest)) } else { self.id.clone() }
    }
}

/// The key of what was posted; `None` where nothing tells a repetition from a
/// second event, so that every post is an event of its own.
#[must_use]
pub fn key(provider: Provider, headers: &HeaderList, body: &[u8]) -> Option<DedupeKey> {
    match provider {
        Provider::Linear => Some(match delivery_id(headers, LINEAR_DELIVERY) {
            Some(id) => DedupeKey { id, digest: linear_digest(body), digest_counts: true },
            None => DedupeKey { id: String::new(), digest: digest(&[body]), digest_counts: true },
        }),
        Provider::Github => delivery_id(headers, GITHUB_DELIVERY).map(|id| DedupeKey {
            id,
            digest: digest(&[body]),
            digest_counts: true,
        }),
        Provider::StandardWebhooks => delivery_id(headers, WEBHOOK_ID).map(|id| DedupeKey {
            id,
            digest: digest(&[body]),
            digest_counts: false,
        }),
        Provider::None => None,
    }
}

fn linear_digest(body: &[u8]) -> [u8; 32] {
    match timestamp_range(body) {
        Some(cut) => digest(&[&body[..cut.start], &body[cut.end..]]),
        None => digest(&[body]),
    }
}

fn digest(parts: &[&[u8]]) -> [u8; 32] {
    parts.iter().fold(Sha256::new(), |sha, part| sha.chain_update(part)).finalize().into()
}

fn delivery_id(headers: &HeaderList, name: &str) -> Option<String> {
    let id = headers.get(name).filter(|id| !id.is_empty())?;
    Some(if id.len() > LONGEST_ID {
        format!("sha256:{}", hex::encode(digest(&[id.as_bytes()])))
    } else {
        id.to_owned()
    })
}

#[cfg(test)]
mod tests;
