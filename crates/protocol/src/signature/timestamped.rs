//! The timestamped scheme: `X-<Name>-Signature: t=<s>,v1=<hex>[,v1=…]`,
//! HMAC-SHA256 over `t.body`, keyed with the secret's whole text. Stripe's
//! scheme under any name. Postern verifies it at sources, and signs with it for
//! receivers that expect it (`signatureStyle = "timestamped"`), which also get
//! `X-<Name>-Delivery` and `X-<Name>-Event`.

use super::{Failure, Freshness, Verdict, mac};
use crate::header::HeaderName;
use crate::time::UnixMillis;
use crate::{HeaderList, Secret};
use serde::{Deserialize, Serialize};

/// How far the signed time may lie from the receiver's, in milliseconds.
pub const TOLERANCE_MS: i64 = 300_000;

/// The scheme under a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Timestamped {
    /// What its headers begin with: `X-Acme` for `X-Acme-Signature`.
    pub header_prefix: HeaderName,
}

impl Timestamped {
    /// The header that carries the signature: `x-acme-signature`.
    #[must_use]
    pub fn signature_header(&self) -> String {
        format!("{}-signature", self.header_prefix)
    }

    /// The header with the delivery's id: `x-acme-delivery`. Not signed.
    #[must_use]
    pub fn delivery_header(&self) -> String {
        format!("{}-delivery", self.header_prefix)
    }

    /// The header that names the event: `x-acme-event`. Not signed.
    #[must_use]
    pub fn event_header(&self) -> String {
        format!("{}-event", self.header_prefix)
    }

    /// The three headers of a delivery: signature (as [`sign`] makes it), id
    /// and the event's name.
    #[must_use]
    pub fn headers(
        &self,
        secrets: &[Secret],
        id: &str,
        event: &str,
        at: UnixMillis,
        body: &[u8],
    ) -> [(String, String); 3] {
        [
            (self.signature_header(), sign(secrets, at, body)),
            (self.delivery_header(), id.to_owned()),
            (self.event_header(), event.to_owned()),
        ]
    }

    /// Verifies `body`. Parts other than `t` and `v1` are passed over, the
    /// order is free; any `v1` that any secret made is enough. An empty secret
    /// matches nothing.
    ///
    /// # Errors
    /// In this order: the header is missing; it has no `t`, two, or one that
    /// is not a number; it has no `v1` of 64 hex digits; no secret made one;
    /// the time is stale or ahead.
    pub fn verify(
        &self,
        secrets: &[Secret],
        headers: &HeaderList,
        body: &[u8],
        freshness: Option<Freshness>,
    ) -> Verdict {
        verify(&self.signature_header(), secrets, headers, body, freshness)
    }
}

/// The value of the signature's header: `t=…` in whole seconds, and one
/// `v1=…` per secret.
#[must_use]
pub fn sign(secrets: &[Secret], at: UnixMillis, body: &[u8]) -> String {
    let seconds = at.seconds().to_string();
    let mut value = format!("t={seconds}");
    for secret in secrets {
        value.push_str(",v1=");
        value.push_str(&hex::encode(mac::tag(secret.reveal().as_bytes(), &signed(&seconds, body))));
    }
    value
}

pub(super) fn verify(
    header: &str,
    secrets: &[Secret],
    headers: &HeaderList,
    body: &[u8],
    freshness: Option<Freshness>,
) -> Verdict {
    let (time, claimed) = parts(header, mac::header(headers, header)?)?;
    let signed_at = mac::seconds(header, time)?;
    if claimed.is_empty() {
        return Err(mac::malformed(header, "it has no `v1=` followed by 64 hex digits"));
    }
    let secret = mac::find(secrets.iter().map(|s| s.reveal().as_bytes()), &signed(time, body), &claimed)?;
    mac::judge(secret, signed_at, freshness)
}

/// The text of `t`, and what the `v1`s claim.
fn parts<'v>(header: &str, value: &'v str) -> Result<(&'v str, Vec<[u8; mac::TAG]>), Failure> {
    let mut time = None;
    let mut claimed = Vec::new();
    for (name, value) in value.split(',').filter_map(|part| part.trim().split_once('=')) {
        match name {
            "t" if time.replace(value).is_some() => return Err(mac::malformed(header, "it has `t=` twice")),
            "v1" => claimed.extend(mac::hex_tag(header, value)),
            _ => {}
        }
    }
    Ok((time.ok_or_else(|| mac::malformed(header, "it has no `t=`"))?, claimed))
}

/// The text of a signature's `t`.
pub(super) fn time(value: &str) -> Option<&str> {
    value.split(',').find_map(|part| part.trim().strip_prefix("t="))
}

fn signed<'p>(seconds: &'p str, body: &'p [u8]) -> [&'p [u8]; 3] {
    [seconds.as_bytes(), b".", body]
}

#[cfg(test)]
mod tests;
