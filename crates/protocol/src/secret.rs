//! Text that must not be printed.

use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

/// A secret: a signing key, a token, a credential. It has no `Display`, its
/// `Debug` is a constant, it is wiped when dropped, and it never serialises by
/// accident: whoever must write it says [`Secret::reveal`].
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps the text of a secret.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The secret's text. Never pass it to a log, an error or a URL.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d).map(Self::new)
    }
}

/// Serialises a secret's text, for the few answers that show one once:
/// `#[serde(serialize_with = "secret::expose")]`.
pub fn expose<S: serde::Serializer>(secret: &Secret, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(secret.reveal())
}

/// [`expose`] for a secret that may be left out; with
/// `skip_serializing_if = "Option::is_none"`.
///
/// # Errors
/// Those of the serializer.
pub fn expose_given<S: serde::Serializer>(secret: &Option<Secret>, s: S) -> Result<S::Ok, S::Error> {
    match secret {
        Some(secret) => expose(secret, s),
        None => s.serialize_none(),
    }
}

#[cfg(test)]
mod tests;
