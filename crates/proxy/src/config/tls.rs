//! The public listener's TLS.

use super::{ConfigError, units};
use postern_tls::Files;
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;

/// The public listener's TLS.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    #[serde(default)]
    cert_file: Option<PathBuf>,
    #[serde(default)]
    key_file: Option<PathBuf>,
    /// How long a handshake may take.
    #[serde(deserialize_with = "units::duration")]
    pub handshake_timeout: Duration,
}

impl Tls {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let missing = match (&self.cert_file, &self.key_file) {
            (Some(_), None) => Some(("tls.key_file", "tls.cert_file")),
            (None, Some(_)) => Some(("tls.cert_file", "tls.key_file")),
            _ => None,
        };
        if let Some((missing, given)) = missing {
            let cure = format!("{given} is set: set both, or neither");
            return Err(ConfigError::invalid(missing, "nothing", cure));
        }
        if self.handshake_timeout.is_zero() {
            return Err(ConfigError::invalid(
                "tls.handshake_timeout",
                "\"0s\"",
                "make it longer than nothing",
            ));
        }
        Ok(())
    }

    /// Certificate and key, where the listener speaks TLS.
    #[must_use]
    pub fn files(&self) -> Option<Files> {
        let (certificate, key) = (self.cert_file.clone()?, self.key_file.clone()?);
        Some(Files { certificate, key })
    }
}
