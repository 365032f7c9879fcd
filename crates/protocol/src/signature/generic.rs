//! Any sender that puts an HMAC of the raw body into a header: which header,
//! which hash, how the tag is written and what stands before it is configured.
//! `X-Shopify-Hmac-Sha256` (base64), `X-Gitea-Signature` (hex),
//! `X-Hub-Signature: sha1=…` and many more. No time is signed.

use super::{Failure, Verdict, Verified, mac};
use crate::header::HeaderName;
use crate::{HeaderList, Secret};
use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Sha256, Sha512};

/// Padded when written, with or without padding when read.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The longest prefix, in characters.
const LONGEST_PREFIX: usize = 64;

/// How a sender signs with an HMAC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hmac {
    /// The header that carries the signature.
    pub header: HeaderName,
    /// The hash.
    #[serde(default)]
    pub algorithm: Algorithm,
    /// How the tag is written.
    #[serde(default)]
    pub encoding: Encoding,
    /// What stands before it: `sha256=`; empty where nothing does.
    #[serde(default)]
    pub prefix: Prefix,
}

/// The hash of an HMAC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// HMAC-SHA256.
    #[default]
    Sha256,
    /// HMAC-SHA1, for senders that have nothing better.
    Sha1,
    /// HMAC-SHA512.
    Sha512,
}

impl Algorithm {
    /// The length of its tag, in bytes.
    #[must_use]
    pub fn tag_len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    fn tag(self, key: &[u8], body: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => mac::hmac::<Sha1>(key, &[body]).to_vec(),
            Self::Sha256 => mac::hmac::<Sha256>(key, &[body]).to_vec(),
            Self::Sha512 => mac::hmac::<Sha512>(key, &[body]).to_vec(),
        }
    }
}

/// How an HMAC is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Two hex digits a byte, of either case.
    #[default]
    Hex,
    /// Standard base64, with or without padding.
    Base64,
}

/// What stands before the signature: at most 64 visible ASCII characters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(try_from = "String", into = "String")]
#[ts(type = "string")]
pub struct Prefix(String);

/// A text that cannot stand before a signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a signature's prefix has at most {LONGEST_PREFIX} visible ASCII characters")]
pub struct InvalidPrefix;

impl std::str::FromStr for Prefix {
    type Err = InvalidPrefix;
    fn from_str(text: &str) -> Result<Self, InvalidPrefix> {
        // A space at its end would be lost on the way: values arrive trimmed.
        let fits = text.len() <= LONGEST_PREFIX
            && text.bytes().all(|b| b.is_ascii_graphic() || b == b' ')
            && !text.starts_with(' ');
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidPrefix) }
    }
}

crate::checked::by_its_text!(Prefix);

impl Hmac {
    /// The header's value for `body`, its prefix included.
    #[must_use]
    pub fn sign(&self, secret: &Secret, body: &[u8]) -> String {
        let tag = self.algorithm.tag(secret.reveal().as_bytes(), body);
        let written = match self.encoding {
            Encoding::Hex => hex::encode(tag),
            Encoding::Base64 => BASE64.encode(tag),
        };
        format!("{}{written}", self.prefix.0)
    }

    /// Verifies `body`. An empty secret matches nothing.
    ///
    /// # Errors
    /// In this order: the header is missing; it does not begin with the
    /// prefix; what follows is not a tag of this algorithm in this encoding; no
    /// secret made it.
    pub fn verify(&self, secrets: &[Secret], headers: &HeaderList, body: &[u8]) -> Verdict {
        let claimed = self.claimed(mac::header(headers, self.header.as_str())?)?;
        let keys = secrets.iter().map(|s| s.reveal().as_bytes());
        let secret = mac::find_by(keys, |key| self.algorithm.tag(key, body), &[claimed])?;
        Ok(Verified::by(secret))
    }

    fn claimed(&self, value: &str) -> Result<Vec<u8>, Failure> {
        let malformed = |reason: String| mac::malformed(self.header.as_str(), reason);
        let prefix = &self.prefix.0;
        let written = value
            .strip_prefix(prefix.as_str())
            .ok_or_else(|| malformed(format!("it does not begin with `{prefix}`")))?;
        let len = self.algorithm.tag_len();
        let (tag, form) = match self.encoding {
            Encoding::Hex => (hex::decode(written).ok(), format!("{} hex digits", 2 * len)),
            Encoding::Base64 => (BASE64.decode(written).ok(), format!("the base64 of {len} bytes")),
        };
        match tag {
            Some(tag) if tag.len() == len => Ok(tag),
            Some(tag) => Err(malformed(format!("expected {form}, got {} bytes", tag.len()))),
            None => {
                Err(malformed(format!("expected {form}, got {} other characters", written.chars().count())))
            }
        }
    }
}

#[cfg(test)]
mod tests;
