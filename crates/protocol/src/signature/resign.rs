//! Signing as a provider would: what `trigger` sends, and events that are sent
//! once more with the time of now, so that their receiver's own verification
//! passes however old they are.

use super::{Scheme, github, linear, slack, standard, stripe, timestamped};
use crate::header::{WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP};
use crate::time::UnixMillis;
use crate::{HeaderList, Secret};
use sha1::Sha1;

/// GitHub's older signature, which some receivers still check.
const GITHUB_SHA1: &str = "x-hub-signature";

/// Linear's unsigned copy of the signed time, in milliseconds.
const LINEAR_TIMESTAMP: &str = "linear-timestamp";

/// An event signed anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resigned {
    /// The headers, in their order; those that sign have new values.
    pub headers: HeaderList,
    /// The body: as it was, but for Linear's `webhookTimestamp`.
    pub body: Vec<u8>,
}

/// Why an event cannot be signed anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotResign {
    /// [`Scheme::None`].
    #[error("its source signs nothing")]
    Unsigned,
    /// Linear signs the time in the body, and this body has none.
    #[error(
        "its body has no top-level `webhookTimestamp`, or has it twice, and that is where Linear's signature has its time"
    )]
    NoTimestamp,
    /// A Standard Webhooks signature covers the id, and there is none.
    #[error("the header `webhook-id` is missing, and the signature covers it")]
    NoId,
}

/// The headers by which `scheme` signs `body`, with the time `at` where it
/// signs one; none for [`Scheme::None`]. `id` is the message's id, which only
/// Standard Webhooks signs. Linear's time is in the body: set it before.
#[must_use]
pub fn headers(
    scheme: &Scheme,
    secret: &Secret,
    id: &str,
    at: UnixMillis,
    body: &[u8],
) -> Vec<(String, String)> {
    let one = std::slice::from_ref(secret);
    let named = |name: &str, value: String| (name.to_owned(), value);
    match scheme {
        Scheme::Linear => vec![named(linear::SIGNATURE, linear::sign(secret, body))],
        Scheme::Github => vec![named(github::SIGNATURE, github::sign(secret, body))],
        Scheme::StandardWebhooks => vec![
            named(WEBHOOK_TIMESTAMP, at.seconds().to_string()),
            named(WEBHOOK_SIGNATURE, standard::sign(one, id, at, body)),
        ],
        Scheme::Stripe => vec![named(stripe::SIGNATURE, stripe::sign(one, at, body))],
        Scheme::Slack => vec![
            named(slack::TIMESTAMP, at.seconds().to_string()),
            named(slack::SIGNATURE, slack::sign(secret, at, body)),
        ],
        Scheme::Hmac(hmac) => vec![named(hmac.header.as_str(), hmac.sign(secret, body))],
        Scheme::Timestamped(prefix) => {
            vec![(prefix.signature_header(), timestamped::sign(one, at, body))]
        }
        Scheme::None => Vec::new(),
    }
}

/// Signs an event anew, as of `at`. `original` are the provider's headers; a
/// header that signs keeps its place, and is added where it was absent. Every
/// other header, and every other byte of the body, stays.
///
/// # Errors
/// [`CannotResign`].
pub fn resign(
    scheme: &Scheme,
    secret: &Secret,
    original: &HeaderList,
    body: &[u8],
    at: UnixMillis,
) -> Result<Resigned, CannotResign> {
    let body = match scheme {
        Scheme::None => return Err(CannotResign::Unsigned),
        Scheme::Linear => {
            let time = linear::timestamp_range(body).ok_or(CannotResign::NoTimestamp)?;
            [&body[..time.start], at.0.to_string().as_bytes(), &body[time.end..]].concat()
        }
        _ => body.to_vec(),
    };
    let id = original.get(WEBHOOK_ID).unwrap_or_default();
    if matches!(scheme, Scheme::StandardWebhooks) && id.is_empty() {
        return Err(CannotResign::NoId);
    }
    let mut signed = headers(scheme, secret, id, at, &body);
    let has = |name: &str| original.iter().any(|(n, _)| n == name);
    match scheme {
        Scheme::Linear if has(LINEAR_TIMESTAMP) => {
            signed.push((LINEAR_TIMESTAMP.to_owned(), at.0.to_string()));
        }
        Scheme::Github if has(GITHUB_SHA1) => {
            let tag = super::mac::hmac::<Sha1>(secret.reveal().as_bytes(), &[&body]);
            signed.push((GITHUB_SHA1.to_owned(), format!("sha1={}", hex::encode(tag))));
        }
        _ => {}
    }
    Ok(Resigned { headers: replaced(original, signed), body })
}

/// `original` with each of the `new` headers in the place of its first
/// namesake, or at the end.
fn replaced(original: &HeaderList, new: Vec<(String, String)>) -> HeaderList {
    let mut left: Vec<_> = new.iter().collect();
    let mut headers = HeaderList::new();
    for (name, value) in original.iter() {
        if !new.iter().any(|(n, _)| n == name) {
            headers.push(name, value);
        } else if let Some(at) = left.iter().position(|(n, _)| n == name) {
            let (name, value) = left.remove(at);
            headers.push(name, value);
        }
    }
    for (name, value) in left {
        headers.push(name, value);
    }
    headers
}

#[cfg(test)]
mod tests;
