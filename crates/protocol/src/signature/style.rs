//! How a worker wants to be signed for: by Standard Webhooks, or, where its
//! receiver expects that, by the timestamped scheme under a name of its own.

use super::standard;
use super::timestamped::{self, Timestamped};
use crate::header::{WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP};
use crate::{Secret, UnixMillis};
use serde::{Deserialize, Serialize};

/// The id under which a challenge's answer is signed, where ids are signed.
const ANSWER_ID: &str = "challenge";

/// A style of signature with its parameters. As JSON: `{"style":"standard"}`,
/// `{"style":"timestamped","headerPrefix":"x-acme"}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "style", rename_all = "snake_case")]
pub enum SignatureStyle {
    /// [`standard`]
    #[default]
    Standard,
    /// [`timestamped`]
    Timestamped(Timestamped),
}

impl SignatureStyle {
    /// The three headers of what is posted to a worker: its id, its signature
    /// by each secret, and its time or, where that is part of the signature,
    /// what happened (`event`).
    #[must_use]
    pub fn headers(
        &self,
        secrets: &[Secret],
        id: &str,
        event: &str,
        at: UnixMillis,
        body: &[u8],
    ) -> [(String, String); 3] {
        match self {
            Self::Standard => [
                (WEBHOOK_ID.to_owned(), id.to_owned()),
                (WEBHOOK_TIMESTAMP.to_owned(), at.seconds().to_string()),
                (WEBHOOK_SIGNATURE.to_owned(), standard::sign(secrets, id, at, body)),
            ],
            Self::Timestamped(named) => named.headers(secrets, id, event, at, body),
        }
    }

    /// Whether a header of that name, in lower case, is one of ours in this
    /// style.
    #[must_use]
    pub fn uses(&self, header: &str) -> bool {
        match self {
            // All of `webhook-…` is, in either style.
            Self::Standard => false,
            Self::Timestamped(named) => header
                .strip_prefix(named.header_prefix.as_str())
                .is_some_and(|rest| matches!(rest, "-signature" | "-delivery" | "-event")),
        }
    }

    /// What a worker answers a challenge with: a signature over its text, with
    /// the time 0 and, where ids are signed, the id `challenge`.
    #[must_use]
    pub fn answer(&self, secret: &Secret, challenge: &str) -> String {
        let (secrets, at, text) = (std::slice::from_ref(secret), UnixMillis(0), challenge.as_bytes());
        match self {
            Self::Standard => standard::sign(secrets, ANSWER_ID, at, text),
            Self::Timestamped(_) => timestamped::sign(secrets, at, text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_a_signature_over_the_text_at_time_zero() {
        let secret = Secret::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD");
        let standard = SignatureStyle::Standard.answer(&secret, "9f2c");
        assert_eq!(
            standard,
            standard::sign(std::slice::from_ref(&secret), "challenge", UnixMillis(0), b"9f2c")
        );
        let named = Timestamped { header_prefix: "X-Acme".parse().unwrap() };
        let timestamped = SignatureStyle::Timestamped(named).answer(&secret, "9f2c");
        assert!(timestamped.starts_with("t=0,v1=") && timestamped.len() == 7 + 64, "{timestamped}");
    }

    #[test]
    fn its_own_headers_are_known() {
        let style = SignatureStyle::Timestamped(Timestamped { header_prefix: "X-Acme".parse().unwrap() });
        for (name, _) in style.headers(&[], "evt_1", "Issue.update", UnixMillis(0), b"") {
            assert!(style.uses(&name), "{name}");
            assert!(!SignatureStyle::Standard.uses(&name), "{name}");
        }
        assert!(!style.uses("x-acme-signature-2") && !style.uses("x-acme"));
    }

    #[test]
    fn as_json() {
        let style = SignatureStyle::Timestamped(Timestamped { header_prefix: "X-Acme".parse().unwrap() });
        let json = serde_json::json!({ "style": "timestamped", "headerPrefix": "x-acme" });
        assert_eq!(serde_json::to_value(&style).unwrap(), json);
        assert_eq!(serde_json::from_value::<SignatureStyle>(json).unwrap(), style);
    }
}
