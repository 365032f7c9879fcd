//! The headers a provider would have sent with a body: those that name the
//! event as the caller gave them, the delivery's id where the caller gave
//! none, and the signature.

use crate::entropy;
use crate::http::error::ApiError;
use crate::store::Source;
use postern_protocol::dedupe::IdFrom;
use postern_protocol::dedupe::{GITHUB_DELIVERY, LINEAR_DELIVERY};
use postern_protocol::header::{WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP};
use postern_protocol::signature::{Scheme, github, linear, resign, slack, stripe};
use postern_protocol::{ErrorCode, HeaderList, Secret, UnixMillis};

/// Signatures are the proxy's to make, whatever the caller sent.
const SIGNATURES: [&str; 8] = [
    linear::SIGNATURE,
    github::SIGNATURE,
    "x-hub-signature",
    WEBHOOK_SIGNATURE,
    WEBHOOK_TIMESTAMP,
    stripe::SIGNATURE,
    slack::SIGNATURE,
    slack::TIMESTAMP,
];

pub(super) fn signed(
    source: &Source,
    named: HeaderList,
    body: &[u8],
    now: UnixMillis,
) -> Result<HeaderList, ApiError> {
    let own = match &source.scheme {
        Scheme::Hmac(hmac) => Some(hmac.header.to_string()),
        Scheme::Timestamped(named) => Some(named.signature_header()),
        _ => None,
    };
    let signature = |name: &str| SIGNATURES.contains(&name) || own.as_deref() == Some(name);
    let mut headers: HeaderList = named.iter().filter(|(name, _)| !signature(name)).collect();
    if headers.get("content-type").is_none() {
        headers.push("content-type", "application/json; charset=utf-8");
    }
    let mut identified = |name: &str, id: String| match headers.get(name) {
        Some(given) => given.to_owned(),
        None => {
            headers.push(name, &id);
            id
        }
    };
    if let (Scheme::Hmac(_) | Scheme::Timestamped(_) | Scheme::None, Some(IdFrom::Header(name))) =
        (&source.scheme, &source.id_from)
    {
        identified(name.as_str(), uuid());
    }
    let id = match &source.scheme {
        Scheme::Linear => identified(LINEAR_DELIVERY, uuid()),
        Scheme::Github => identified(GITHUB_DELIVERY, uuid()),
        Scheme::StandardWebhooks => {
            identified(WEBHOOK_ID, format!("msg_{}", hex::encode(entropy::bytes::<12>())))
        }
        Scheme::Timestamped(named) => identified(&named.delivery_header(), uuid()),
        Scheme::Stripe | Scheme::Slack | Scheme::Hmac(_) => String::new(),
        Scheme::None => return Ok(headers),
    };
    for (name, value) in resign::headers(&source.scheme, secret(source)?, &id, now, body) {
        headers.push(&name, value);
    }
    Ok(headers)
}

fn secret(source: &Source) -> Result<&Secret, ApiError> {
    source.secrets.first().ok_or_else(|| {
        let message = format!("the source `{}` has no secret to sign with; set one", source.name);
        ApiError::new(ErrorCode::BadRequest, message)
    })
}

/// A random UUID (RFC 9562, version 4).
fn uuid() -> String {
    let mut bytes = entropy::bytes::<16>();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = hex::encode(bytes);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}
