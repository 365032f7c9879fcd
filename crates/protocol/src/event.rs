//! The event model: who sends, what happened, to what.

use serde::{Deserialize, Serialize};

/// Who sends to a source, and so which signature scheme, dedupe key and human
/// line apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// Linear (linear.app).
    Linear,
    /// GitHub.
    Github,
    /// Anything that signs by Standard Webhooks 1.0.
    StandardWebhooks,
    /// Stripe.
    Stripe,
    /// Slack: events, slash commands and interactions.
    Slack,
    /// A sender that puts an HMAC of the body into a header of its own.
    Hmac,
    /// A sender that signs time and body: `X-<Name>-Signature: t=…,v1=…`.
    Timestamped,
    /// A sender that signs nothing.
    None,
    /// Postern itself: what an operator should know. No source has it.
    Postern,
}

impl Provider {
    /// Every provider, for tables and tests.
    pub const ALL: [Self; 9] = [
        Self::Linear,
        Self::Github,
        Self::StandardWebhooks,
        Self::Stripe,
        Self::Slack,
        Self::Hmac,
        Self::Timestamped,
        Self::None,
        Self::Postern,
    ];

    /// The stable text, as in configuration and the CLI: `linear`, `github`,
    /// `standard_webhooks`, `stripe`, `slack`, `hmac`, `timestamped`, `none`,
    /// `postern`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Github => "github",
            Self::StandardWebhooks => "standard_webhooks",
            Self::Stripe => "stripe",
            Self::Slack => "slack",
            Self::Hmac => "hmac",
            Self::Timestamped => "timestamped",
            Self::None => "none",
            Self::Postern => "postern",
        }
    }
}

impl std::fmt::Display for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Provider {
    type Err = UnknownProvider;
    fn from_str(text: &str) -> Result<Self, UnknownProvider> {
        Self::ALL.into_iter().find(|p| p.as_str() == text).ok_or_else(|| UnknownProvider(text.to_owned()))
    }
}

/// A provider's name that is not one of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown provider `{0}`; known are linear, github, standard_webhooks, stripe, slack, hmac, timestamped, none, postern"
)]
pub struct UnknownProvider(pub String);

/// What can be said of an event from its headers and body alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Described {
    /// The resource or event type: `Issue`, `pull_request`, `unknown` where
    /// the body cannot be parsed.
    pub event_type: String,
    /// What happened to it: `create`, `opened`; absent where the provider has none.
    pub action: Option<String>,
    /// What the event is about, stable across events of the same thing
    /// (`linear:Issue:<uuid>`, `github:acme/web:pull_request:12`), the unit of
    /// ordering; absent where there is none.
    pub entity: Option<String>,
    /// The start of the human line, shown strong: `ENG-42 Fix login`.
    pub subject: String,
    /// The rest of it: `status Todo → In Progress · by Ada`. May be empty.
    pub detail: String,
}

impl Described {
    /// `Issue.update`, or the bare type where there is no action.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.action {
            Some(action) => format!("{}.{action}", self.event_type),
            None => self.event_type.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
