//! A verification step by step, for the developer whose secret it is: what was
//! checked, what was found, and what would have made it pass.
//!
//! It shows the beginning of the signature that the secret makes beside the
//! beginning of the one received. It is not for answers to strangers.

use super::{Failure, Freshness, Guess, Scheme, guess, linear, resign, slack, standard, timestamped, verify};
use crate::header::{WEBHOOK_ID, WEBHOOK_TIMESTAMP};
use crate::time::UnixMillis;
use crate::{HeaderList, Secret};

/// So many characters of a signature tell two apart.
const SHOWN: usize = 12;

/// One check and its finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What is checked: `Signature header`, `Signature`, `Signed time`.
    pub name: &'static str,
    /// Whether it held; `None` where it could not be judged, because of an
    /// earlier one or because the scheme has nothing of the kind.
    pub passed: Option<bool>,
    /// In words; where it failed, with what would have made it pass.
    pub reason: String,
}

impl Scheme {
    /// How far a signed time may lie from the receiver's, in milliseconds, by
    /// the provider's own libraries; `None` where no time is signed.
    #[must_use]
    pub fn tolerance(&self) -> Option<i64> {
        match self {
            Self::Linear => Some(linear::TOLERANCE_MS),
            Self::StandardWebhooks => Some(standard::TOLERANCE_MS),
            Self::Stripe | Self::Timestamped(_) => Some(timestamped::TOLERANCE_MS),
            Self::Slack => Some(slack::TOLERANCE_MS),
            Self::Github | Self::Hmac(_) | Self::None => None,
        }
    }
}

/// Verifies `body` by `scheme` with one secret, as the provider's own library
/// would at `now`, and says how each step went. Empty for [`Scheme::None`].
#[must_use]
pub fn explain(
    scheme: &Scheme,
    secret: &Secret,
    headers: &HeaderList,
    body: &[u8],
    now: UnixMillis,
) -> Vec<Step> {
    let secrets = std::slice::from_ref(secret);
    let tolerance = scheme.tolerance();
    let freshness = tolerance.map(|tolerance| Freshness { now, tolerance });
    let Some(verdict) = verify(scheme, secrets, headers, body, freshness) else { return Vec::new() };
    let step = |name, passed, reason: String| Step { name, passed, reason };
    let names = signing(scheme);
    let shown = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ");
    let unreached = |name| step(name, None, "not reached".into());
    let timeless = || step(TIME, None, "this scheme signs no time: any age passes".into());
    let present = || step(HEADER, Some(true), format!("{shown} {}", is_there(&names)));
    match verdict {
        Err(failure @ (Failure::MissingHeader { .. } | Failure::Malformed { .. })) => {
            let cure = match guess(scheme, &failure, secrets, headers, body) {
                Some(guess) => guess.to_string(),
                None if matches!(failure, Failure::MissingHeader { .. }) => {
                    "it would pass with the headers that the provider sends; something on the way may have dropped them"
                        .into()
                }
                None => "it would pass with the value as the provider wrote it".into(),
            };
            // Linear's time is in the body, and is read after the signature.
            if matches!(&failure, Failure::Malformed { field, .. } if field == linear::TIMESTAMP) {
                return vec![present(), made(), step(TIME, Some(false), format!("{failure}; {cure}"))];
            }
            vec![
                step(HEADER, Some(false), format!("{failure}; {cure}")),
                unreached(SIGNATURE),
                unreached(TIME),
            ]
        }
        Err(failure @ Failure::WrongSecret { .. }) => {
            let cure = match guess(scheme, &failure, secrets, headers, body) {
                Some(Guess::Rewritten { form }) => {
                    format!(
                        "the secret is right, but the body was rewritten on its way: the signature holds for {form}"
                    )
                }
                _ => "it would pass with the secret that the sender signs with, over the bytes that it sent"
                    .into(),
            };
            let reason = match compared(scheme, secret, headers, body) {
                Some((ours, theirs)) => {
                    format!(
                        "this secret makes {ours} of these {} bytes, received was {theirs}; {cure}",
                        body.len()
                    )
                }
                None => cure,
            };
            vec![present(), step(SIGNATURE, Some(false), reason), unreached(TIME)]
        }
        Err(Failure::Stale { by_ms, tolerance_ms }) => vec![
            present(),
            made(),
            step(
                TIME,
                Some(false),
                format!(
                    "signed {} ago, {} are allowed: it would pass replayed with a new signature, or within that time",
                    span(by_ms),
                    span(tolerance_ms)
                ),
            ),
        ],
        Err(Failure::Future { by_ms, tolerance_ms }) => vec![
            present(),
            made(),
            step(
                TIME,
                Some(false),
                format!(
                    "signed {} ahead of this machine's clock, {} are allowed: it would pass with both clocks right",
                    span(by_ms),
                    span(tolerance_ms)
                ),
            ),
        ],
        Ok(verified) => {
            let time = match (verified.signed_at, tolerance) {
                (Some(at), Some(tolerance)) => {
                    let age = now.since(at);
                    let side = if age < 0 { "ahead of this machine's clock" } else { "ago" };
                    step(
                        TIME,
                        Some(true),
                        format!(
                            "signed {} {side}, {} are allowed",
                            span(age.saturating_abs()),
                            span(tolerance)
                        ),
                    )
                }
                _ => timeless(),
            };
            vec![present(), made(), time]
        }
    }
}

const HEADER: &str = "Signature header";
const SIGNATURE: &str = "Signature";
const TIME: &str = "Signed time";

fn made() -> Step {
    Step { name: SIGNATURE, passed: Some(true), reason: "made with this secret over these bytes".into() }
}

fn is_there(names: &[String]) -> &'static str {
    if names.len() == 1 { "is there, in the right form" } else { "are there, in the right form" }
}

/// The headers a verification reads.
fn signing(scheme: &Scheme) -> Vec<String> {
    let mut names: Vec<_> = resign::headers(scheme, &Secret::new(""), "", UnixMillis(0), b"")
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    if matches!(scheme, Scheme::StandardWebhooks) {
        names.insert(0, WEBHOOK_ID.to_owned());
    }
    names
}

/// The beginnings of the signature that the secret makes, with the time that
/// the request claims, and of the one received.
fn compared(scheme: &Scheme, secret: &Secret, headers: &HeaderList, body: &[u8]) -> Option<(String, String)> {
    let at = match scheme {
        Scheme::StandardWebhooks => seconds(headers.get(WEBHOOK_TIMESTAMP)?)?,
        Scheme::Slack => seconds(headers.get(slack::TIMESTAMP)?)?,
        Scheme::Stripe => seconds(timestamped::time(headers.get(super::stripe::SIGNATURE)?)?)?,
        Scheme::Timestamped(named) => seconds(timestamped::time(headers.get(&named.signature_header())?)?)?,
        Scheme::Linear | Scheme::Github | Scheme::Hmac(_) | Scheme::None => UnixMillis(0),
    };
    let id = headers.get(WEBHOOK_ID).unwrap_or_default();
    let (name, ours) = resign::headers(scheme, secret, id, at, body).pop()?;
    let theirs = headers.get(&name)?;
    Some((beginning(&ours), beginning(theirs)))
}

fn seconds(text: &str) -> Option<UnixMillis> {
    text.parse::<i64>().ok()?.checked_mul(1000).map(UnixMillis)
}

/// The tag's first characters: what stands before it (`sha256=`, `t=…,v1=`)
/// is the same on both sides.
fn beginning(value: &str) -> String {
    let tag = value
        .rsplit_once("v1=")
        .map(|(_, tag)| tag)
        .or_else(|| value.strip_prefix("v1,"))
        .or_else(|| value.split_once('=').map(|(_, tag)| tag).filter(|tag| tag.len() > 2))
        .unwrap_or(value);
    let shown: String = tag.chars().take(SHOWN).collect();
    format!("`{shown}…`")
}

/// `240 ms`, `12 s`, `4 min`, `3 h`, `9 days`.
fn span(ms: i64) -> String {
    match ms {
        ..1000 => format!("{ms} ms"),
        1000..120_000 => format!("{} s", ms / 1000),
        120_000..7_200_000 => format!("{} min", ms / 60_000),
        7_200_000..172_800_000 => format!("{} h", ms / 3_600_000),
        _ => format!("{} days", ms / 86_400_000),
    }
}

#[cfg(test)]
mod tests;
