//! Which two posts are the same event.
//!
//! | provider | key |
//! | --- | --- |
//! | Linear | `Linear-Delivery` and the digest of the body without the value of its top-level `webhookTimestamp`, which a retry may refresh |
//! | Linear, without that header | the digest of the whole body: its `webhookId` and `webhookTimestamp` tell two events apart |
//! | GitHub | `X-GitHub-Delivery` and the digest of the body; none without that header, since nothing in the body tells two events apart |
//! | Standard Webhooks | `webhook-id`, which is signed |
//! | Stripe | the body's `id` |
//! | Slack | the body's `event_id` |
//! | Slack, without that (commands, interactions) | the digest of time and body: the signed request itself |
//! | hmac, timestamped, unsigned | what the source is configured with ([`IdFrom`]) |
//! | timestamped, without that | `X-<Name>-Delivery` and the digest of the body, where that header is there |
//! | anything else | none |
//!
//! An id out of a header that is not signed counts together with the body's
//! digest: the same id over another body is another event.

use crate::HeaderList;
use crate::header::{HeaderName, WEBHOOK_ID};
use crate::json;
use crate::signature::{Scheme, Verified, linear, slack};
use serde::{Deserialize, Serialize};
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
    /// The key of an event that its id alone tells from others, whatever its
    /// body says.
    #[must_use]
    pub fn named(id: &str) -> Self {
        let digest = Sha256::digest(id).into();
        let id =
            if id.len() > LONGEST_ID { format!("sha256:{}", hex::encode(digest)) } else { id.to_owned() };
        Self { id, digest, digest_counts: false }
    }

    /// The key as one text, for a unique column: `{id}:{hex digest}`, or the
    /// id alone where that suffices. At most 265 bytes.
    #[must_use]
    pub fn as_text(&self) -> String {
        if self.digest_counts { format!("{}:{}", self.id, hex::encode(self.digest)) } else { self.id.clone() }
    }
}

/// Where the id of an event stands, for senders that Postern does not know.
/// As JSON: `{"header":"x-acme-delivery"}` or `{"pointer":"/event/id"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum IdFrom {
    /// In a header.
    Header(HeaderName),
    /// In the body, at a JSON pointer (RFC 6901), as a text or number.
    Pointer(Pointer),
}

/// A JSON pointer to a member, `/` before each step; at most 200 characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(try_from = "String", into = "String")]
#[ts(type = "string")]
pub struct Pointer(String);

impl Pointer {
    /// The text or number a body has there, as an id of at most 200 bytes (a
    /// longer one is `sha256:` and its hex digest); `None` for anything else.
    #[must_use]
    pub fn id(&self, body: &[u8]) -> Option<String> {
        body_id(body, &self.0)
    }
}

/// A text that is not a JSON pointer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a JSON pointer begins with `/`, has `~` only in `~0` and `~1`, and at most 200 characters")]
pub struct InvalidPointer;

impl std::str::FromStr for Pointer {
    type Err = InvalidPointer;
    fn from_str(text: &str) -> Result<Self, InvalidPointer> {
        let escaped = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        if text.starts_with('/') && escaped && text.chars().count() <= 200 {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidPointer)
        }
    }
}

crate::checked::by_its_text!(Pointer);

/// The key of what was posted; `None` where nothing tells a repetition from a
/// second event, so that every post is an event of its own. `configured` counts
/// for the schemes of unknown senders only: hmac, timestamped and none.
#[must_use]
pub fn key(
    scheme: &Scheme,
    configured: Option<&IdFrom>,
    headers: &HeaderList,
    body: &[u8],
) -> Option<DedupeKey> {
    key_of_verified(scheme, configured, headers, body, None)
}

/// The same [`key`], made of what the verification found, where there was one:
/// that spares reading the body again.
#[must_use]
pub fn key_of_verified(
    scheme: &Scheme,
    configured: Option<&IdFrom>,
    headers: &HeaderList,
    body: &[u8],
    verified: Option<&Verified>,
) -> Option<DedupeKey> {
    let whole = |id| DedupeKey { id, digest: digest(&[body]), digest_counts: true };
    let signed = |id| DedupeKey { id, digest: digest(&[body]), digest_counts: false };
    match scheme {
        Scheme::Linear => Some(match delivery_id(headers, LINEAR_DELIVERY) {
            Some(id) => DedupeKey { id, digest: linear_digest(body, verified), digest_counts: true },
            None => whole(String::new()),
        }),
        Scheme::Github => delivery_id(headers, GITHUB_DELIVERY).map(whole),
        Scheme::StandardWebhooks => delivery_id(headers, WEBHOOK_ID).map(signed),
        Scheme::Stripe => body_id(body, "/id").map(signed),
        Scheme::Slack => Some(match body_id(body, "/event_id") {
            Some(id) => signed(id),
            None => {
                let time = headers.get(slack::TIMESTAMP).unwrap_or_default();
                let digest = digest(&[time.as_bytes(), b":", body]);
                DedupeKey { id: String::new(), digest, digest_counts: true }
            }
        }),
        Scheme::Hmac(_) | Scheme::Timestamped(_) | Scheme::None => match (configured, scheme) {
            (Some(IdFrom::Header(name)), _) => delivery_id(headers, name.as_str()).map(whole),
            (Some(IdFrom::Pointer(pointer)), _) => pointer.id(body).map(signed),
            (None, Scheme::Timestamped(named)) => delivery_id(headers, &named.delivery_header()).map(whole),
            (None, _) => None,
        },
    }
}

/// The text or number at a pointer, as an id; `None` where it is empty.
fn body_id(body: &[u8], pointer: &str) -> Option<String> {
    let raw = json::pointer(json::valid(body)?, pointer)?;
    match raw.first() {
        b'"' => raw.text().and_then(|id| short(&id)),
        b'-' | b'0'..=b'9' => std::str::from_utf8(raw.bytes()).ok().and_then(short),
        _ => None,
    }
}

fn linear_digest(body: &[u8], verified: Option<&Verified>) -> [u8; 32] {
    let time = match verified {
        Some(verified) => verified.time_in_body,
        None => linear::timestamp_range(body).map(|at| (at.start, at.end)),
    };
    match time {
        Some((start, end)) => digest(&[&body[..start], &body[end..]]),
        None => digest(&[body]),
    }
}

fn digest(parts: &[&[u8]]) -> [u8; 32] {
    parts.iter().fold(Sha256::new(), |sha, part| sha.chain_update(part)).finalize().into()
}

fn delivery_id(headers: &HeaderList, name: &str) -> Option<String> {
    headers.get(name).and_then(short)
}

/// The id, or its digest where it is too long; `None` where it is empty.
fn short(id: &str) -> Option<String> {
    match id.len() {
        0 => None,
        1..=LONGEST_ID => Some(id.to_owned()),
        _ => Some(format!("sha256:{}", hex::encode(digest(&[id.as_bytes()])))),
    }
}

#[cfg(test)]
mod tests;
