//! Why a verification may have failed, for the person who must mend it. A
//! guess is never a verdict: nothing is accepted because of one.
//!
//! The work is bounded: bodies of at most 1 MiB are looked at, at most 64
//! levels deep, and no more than 16 MiB are hashed in all. That is still worth
//! milliseconds, so whoever asks for strangers' requests limits how often.

use super::{Failure, Scheme, github, linear, slack, stripe, verify};
use crate::header::WEBHOOK_SIGNATURE;
use crate::{HeaderList, Provider, Secret};
use rewrite::Document;
use serde::{Deserialize, Serialize};

mod rewrite;

/// The largest body that is looked at, in bytes.
const LARGEST: usize = 1024 * 1024;

/// How many bytes are hashed before giving up.
const WORK: usize = 16 * 1024 * 1024;

/// What is probably wrong. Its text is a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize, ts_rs::TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Guess {
    /// The request carries another scheme's signature.
    #[error("`{header}` looks like {}: is the source set up for the right sender?", Self::signature_of(*provider))]
    OtherScheme {
        /// Whose scheme it looks like; [`Provider::Hmac`] and
        /// [`Provider::Timestamped`] for headers that no known sender uses.
        provider: Provider,
        /// The header that says so.
        header: String,
    },
    /// A configured secret signed this content in another form: something
    /// between the sender and here read the body and wrote it anew.
    #[error(
        "the body was rewritten on its way: the signature holds for {form}; the raw bytes must be passed on"
    )]
    Rewritten {
        /// The form that was signed: `the same JSON, compact`.
        form: String,
    },
}

impl Guess {
    /// A provider's signature in words: `a GitHub signature`.
    #[must_use]
    pub fn signature_of(provider: Provider) -> &'static str {
        match provider {
            Provider::Linear => "a Linear signature",
            Provider::Github => "a GitHub signature",
            Provider::StandardWebhooks => "a Standard Webhooks signature",
            Provider::Stripe => "a Stripe signature",
            Provider::Slack => "a Slack signature",
            Provider::Hmac => "an HMAC of the body (provider hmac)",
            Provider::Timestamped => "a timestamped signature (provider timestamped)",
            Provider::None | Provider::Postern => "no signature",
        }
    }
}

/// Guesses why `failure` came of verifying `body` by `scheme`; `None` where
/// nothing is probable. That the secret belongs to another source cannot be
/// told.
#[must_use]
pub fn guess(
    scheme: &Scheme,
    failure: &Failure,
    secrets: &[Secret],
    headers: &HeaderList,
    body: &[u8],
) -> Option<Guess> {
    match failure {
        Failure::MissingHeader { .. } | Failure::Malformed { .. } => other_scheme(scheme, headers),
        Failure::WrongSecret { .. } => rewritten(scheme, secrets, headers, body),
        Failure::Stale { .. } | Failure::Future { .. } => None,
    }
}

fn other_scheme(scheme: &Scheme, headers: &HeaderList) -> Option<Guess> {
    const KNOWN: [(&str, Provider); 6] = [
        (linear::SIGNATURE, Provider::Linear),
        (github::SIGNATURE, Provider::Github),
        (stripe::SIGNATURE, Provider::Stripe),
        (slack::SIGNATURE, Provider::Slack),
        (WEBHOOK_SIGNATURE, Provider::StandardWebhooks),
        // Svix's name for the same, from before the specification.
        ("svix-signature", Provider::StandardWebhooks),
    ];
    let configured = scheme.provider();
    let known = KNOWN.iter().find(|(name, provider)| *provider != configured && headers.get(name).is_some());
    let (provider, header) = match known {
        Some((name, provider)) => (*provider, (*name).to_owned()),
        None => headers.iter().find_map(|(name, value)| {
            let provider = shape(name, std::str::from_utf8(value).ok()?)?;
            // Its own scheme under its own name: malformed for another reason.
            (!own_header(scheme, name)).then(|| (provider, name.to_owned()))
        })?,
    };
    Some(Guess::OtherScheme { provider, header })
}

fn own_header(scheme: &Scheme, name: &str) -> bool {
    match scheme {
        Scheme::Linear => name == linear::SIGNATURE,
        Scheme::Github => name == github::SIGNATURE,
        Scheme::StandardWebhooks => name == WEBHOOK_SIGNATURE,
        Scheme::Stripe => name == stripe::SIGNATURE,
        Scheme::Slack => name == slack::SIGNATURE,
        Scheme::Hmac(hmac) => name == hmac.header.as_str(),
        Scheme::Timestamped(named) => name == named.signature_header(),
        Scheme::None => false,
    }
}

/// Which generic scheme a header has the name and the form of.
fn shape(name: &str, value: &str) -> Option<Provider> {
    if !["signature", "hmac"].iter().any(|word| name.contains(word)) {
        return None;
    }
    let has = |key: &str| value.split(',').any(|part| part.trim().starts_with(key));
    if has("t=") && has("v1=") {
        return Some(Provider::Timestamped);
    }
    let tag = value.split_once('=').filter(|(_, tag)| tag.len() > 1).map_or(value, |(_, tag)| tag);
    let hex = matches!(tag.len(), 40 | 64 | 128) && tag.bytes().all(|b| b.is_ascii_hexdigit());
    let base64 = matches!(tag.trim_end_matches('=').len(), 27 | 43 | 86)
        && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b));
    (hex || base64).then_some(Provider::Hmac)
}

fn rewritten(scheme: &Scheme, secrets: &[Secret], headers: &HeaderList, body: &[u8]) -> Option<Guess> {
    if body.len() > LARGEST {
        return None;
    }
    let mut work = WORK;
    let mut signed = |candidate: &[u8]| {
        let cost = candidate.len().saturating_mul(secrets.len());
        work = work.checked_sub(cost)?;
        Some(matches!(verify(scheme, secrets, headers, candidate, None), Some(Ok(_))))
    };
    for (candidate, form) in rewrite::raw(body) {
        if signed(&candidate)? {
            return Some(Guess::Rewritten { form: form.to_owned() });
        }
    }
    let document = Document::read(body)?;
    for style in rewrite::STYLES {
        let Some(mut candidate) = document.write(style) else { continue };
        for ended in [false, true] {
            if ended {
                candidate.push(b'\n');
            }
            if candidate != body && signed(&candidate)? {
                let end = if ended { ", with a newline at its end" } else { "" };
                return Some(Guess::Rewritten { form: format!("the same JSON, {style}{end}") });
            }
        }
    }
    None
}

#[cfg(test)]
mod tests;
