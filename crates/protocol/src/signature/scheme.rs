//! What a source is configured with: a provider, and the parameters of its
//! scheme where it has any.

use super::{Freshness, Hmac, Timestamped, Verdict, github, linear, slack, standard, stripe};
use crate::{HeaderList, Provider, Secret};
use serde::{Deserialize, Serialize};

/// A signature scheme with its parameters.
///
/// As JSON: `{"provider":"github"}`,
/// `{"provider":"hmac","header":"x-acme-signature","algorithm":"sha256","encoding":"hex","prefix":"sha256="}`
/// (all but the header may be left out: sha256, hex, no prefix),
/// `{"provider":"timestamped","headerPrefix":"x-acme"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(tag = "provider", rename_all = "snake_case")]
pub enum Scheme {
    /// [`linear`]
    Linear,
    /// [`github`]
    Github,
    /// [`standard`]
    StandardWebhooks,
    /// [`stripe`]
    Stripe,
    /// [`slack`]
    Slack,
    /// [`super::generic`]
    Hmac(Hmac),
    /// [`super::timestamped`]
    Timestamped(Timestamped),
    /// Nothing is signed.
    None,
}

impl Scheme {
    /// The scheme of a provider that needs no parameters; `None` for
    /// [`Provider::Hmac`], [`Provider::Timestamped`] and [`Provider::Postern`].
    #[must_use]
    pub fn of(provider: Provider) -> Option<Self> {
        Some(match provider {
            Provider::Linear => Self::Linear,
            Provider::Github => Self::Github,
            Provider::StandardWebhooks => Self::StandardWebhooks,
            Provider::Stripe => Self::Stripe,
            Provider::Slack => Self::Slack,
            Provider::None => Self::None,
            Provider::Hmac | Provider::Timestamped | Provider::Postern => return None,
        })
    }

    /// Whose scheme it is.
    #[must_use]
    pub fn provider(&self) -> Provider {
        match self {
            Self::Linear => Provider::Linear,
            Self::Github => Provider::Github,
            Self::StandardWebhooks => Provider::StandardWebhooks,
            Self::Stripe => Provider::Stripe,
            Self::Slack => Provider::Slack,
            Self::Hmac(_) => Provider::Hmac,
            Self::Timestamped(_) => Provider::Timestamped,
            Self::None => Provider::None,
        }
    }
}

/// Verifies by a scheme. `None` for [`Scheme::None`], which signs nothing.
/// Without `freshness` the signed time is not judged (at ingest, the dedupe
/// window does that).
#[must_use]
pub fn verify(
    scheme: &Scheme,
    secrets: &[Secret],
    headers: &HeaderList,
    body: &[u8],
    freshness: Option<Freshness>,
) -> Option<Verdict> {
    Some(match scheme {
        Scheme::Linear => linear::verify(secrets, headers, body, freshness),
        Scheme::Github => github::verify(secrets, headers, body),
        Scheme::StandardWebhooks => standard::verify(secrets, headers, body, freshness),
        Scheme::Stripe => stripe::verify(secrets, headers, body, freshness),
        Scheme::Slack => slack::verify(secrets, headers, body, freshness),
        Scheme::Hmac(hmac) => hmac.verify(secrets, headers, body),
        Scheme::Timestamped(named) => named.verify(secrets, headers, body, freshness),
        Scheme::None => return None,
    })
}

#[cfg(test)]
mod tests;
