//! HTTP header names Postern puts on the wire, and a list of headers that
//! keeps order, repetition and raw bytes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// Standard Webhooks: the delivery's id, the same for every attempt.
pub const WEBHOOK_ID: &str = "webhook-id";
/// Standard Webhooks: when this attempt was signed, in Unix seconds.
pub const WEBHOOK_TIMESTAMP: &str = "webhook-timestamp";
/// Standard Webhooks: space-separated `v1,<base64>` signatures.
pub const WEBHOOK_SIGNATURE: &str = "webhook-signature";
/// `Issue.update`, `github:push`'s bare `push`: what happened.
pub const POSTERN_EVENT: &str = "postern-event";
/// The name of the source the event came in by.
pub const POSTERN_SOURCE: &str = "postern-source";
/// The provider of that source: `linear`, `github`, …
pub const POSTERN_PROVIDER: &str = "postern-provider";
/// The workspace's id.
pub const POSTERN_WORKSPACE: &str = "postern-workspace";
/// Which attempt this is, from 1.
pub const POSTERN_ATTEMPT: &str = "postern-attempt";
/// When the proxy accepted the event, in Unix milliseconds.
pub const POSTERN_RECEIVED_AT: &str = "postern-received-at";
/// The id of the request the event came in by: the `x-request-id` of the answer
/// to its provider. Absent on what came in by none.
pub const POSTERN_REQUEST_ID: &str = "postern-request-id";
/// `true` on events made by `trigger` or a canary.
pub const POSTERN_SYNTHETIC: &str = "postern-synthetic";
/// On a delivery that had ended and was made due again: how often.
pub const POSTERN_REDRIVEN: &str = "postern-redriven";
/// What the event is about, to a worker that gets the events of each entity
/// in their order; absent otherwise.
pub const POSTERN_ENTITY: &str = "postern-entity";
/// The name of the claim group a delivery is to; absent on others.
pub const POSTERN_GROUP: &str = "postern-group";
/// With a claim group: which time the delivery is given to a member, from 1; to
/// be said in the member's reports.
pub const POSTERN_CLAIM: &str = "postern-claim";
/// With a claim group: for how many seconds the member has it from the answer
/// on, unless it reports before.
pub const POSTERN_CLAIM_LEASE: &str = "postern-claim-lease";
/// `challenge` on the ownership challenge, `ping` on pings, `canary` on quiet
/// canaries, absent otherwise.
pub const POSTERN_KIND: &str = "postern-kind";
/// Prefix under which a provider's header travels whose name collides with
/// one of ours; the edge restores it when it forwards.
pub const POSTERN_ORIGINAL_PREFIX: &str = "postern-original-";

/// A header's name out of a configuration: 1–100 characters that HTTP allows
/// in a field name (RFC 9110, section 5.1), kept in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(try_from = "String", into = "String")]
#[ts(type = "string")]
pub struct HeaderName(String);

/// A text that cannot name a header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a header's name has 1 to 100 letters, digits and characters of !#$%&'*+-.^_`|~")]
pub struct InvalidHeaderName;

impl HeaderName {
    /// The name, in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for HeaderName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for HeaderName {
    type Err = InvalidHeaderName;
    fn from_str(text: &str) -> Result<Self, InvalidHeaderName> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if (1..=100).contains(&text.len()) && text.bytes().all(fits) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(InvalidHeaderName)
        }
    }
}

crate::checked::by_its_text!(HeaderName);

/// Headers in order of arrival, repeated ones repeated, values as bytes.
///
/// As JSON: `[["content-type","application/json"], …]`; a value that is not
/// UTF-8 is `{"base64":"…"}`, so that nothing is lost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(String, HeaderText)>")]
pub struct HeaderList(Vec<(String, HeaderText)>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct HeaderText(Vec<u8>);

impl HeaderList {
    /// An empty list.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a header at the end. The name is kept in lower case.
    pub fn push(&mut self, name: &str, value: impl AsRef<[u8]>) {
        self.0.push((name.to_ascii_lowercase(), HeaderText(value.as_ref().to_vec())));
    }

    /// The first value of `name` (any case), when there is one and it is UTF-8.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).and_then(|(_, v)| std::str::from_utf8(v).ok())
    }

    /// Names (lower case) and raw values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> + Clone {
        self.0.iter().map(|(n, v)| (n.as_str(), v.0.as_slice()))
    }

    /// How many headers there are, repeats counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<N: AsRef<str>, V: AsRef<[u8]>> FromIterator<(N, V)> for HeaderList {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(items: I) -> Self {
        let mut list = Self::new();
        for (name, value) in items {
            list.push(name.as_ref(), value);
        }
        list
    }
}

impl From<Vec<(String, HeaderText)>> for HeaderList {
    fn from(mut items: Vec<(String, HeaderText)>) -> Self {
        items.iter_mut().for_each(|(name, _)| name.make_ascii_lowercase());
        Self(items)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum HeaderJson {
    Text(String),
    Bytes { base64: String },
}

impl Serialize for HeaderText {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => s.serialize_str(text),
            Err(_) => HeaderJson::Bytes { base64: STANDARD.encode(&self.0) }.serialize(s),
        }
    }
}

impl<'de> Deserialize<'de> for HeaderText {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        match HeaderJson::deserialize(d)? {
            HeaderJson::Text(text) => Ok(Self(text.into_bytes())),
            HeaderJson::Bytes { base64 } => {
                STANDARD.decode(base64).map(Self).map_err(serde::de::Error::custom)
            }
        }
    }
}

#[cfg(test)]
mod tests;
