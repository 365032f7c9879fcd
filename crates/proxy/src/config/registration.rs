//! Who may register, and where their workers may be.

use super::{ConfigError, Network, units};
use serde::Deserialize;
use std::net::SocketAddr;
use std::time::Duration;

/// Who may register, and where their workers may be.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// How long a worker's lease lasts without renewal, in seconds: 1 to
    /// 86,400.
    pub lease_seconds: u32,
    /// Registrations per minute of one address, and of one token.
    pub rate_per_minute: u32,
    /// How long a replaced signing secret goes on signing beside the new one.
    #[serde(deserialize_with = "units::duration")]
    pub secret_grace: Duration,
    /// How long a worker may be away before it is retired.
    #[serde(deserialize_with = "units::duration")]
    pub retire_after: Duration,
    /// Whether workers may register `http://` URLs on this machine.
    pub allow_loopback: bool,
    /// Private networks in which workers may be.
    pub allow_private: Vec<Network>,
}

impl Registration {
    pub(super) fn check(&self, listen: SocketAddr) -> Result<(), ConfigError> {
        if !(1..=86_400).contains(&self.lease_seconds) {
            let cure = "write 1 to 86400";
            return Err(ConfigError::invalid("registration.lease_seconds", self.lease_seconds, cure));
        }
        if self.rate_per_minute == 0 {
            return Err(ConfigError::invalid("registration.rate_per_minute", 0, "write at least 1"));
        }
        if self.retire_after < Duration::from_secs(86_400) {
            let value = format!("{:?}", self.retire_after);
            let cure = "write at least \"1d\": laptops sleep for longer than that";
            return Err(ConfigError::invalid("registration.retire_after", value, cure));
        }
        if self.allow_loopback && !listen.ip().is_loopback() {
            let cure = format!(
                "`listen` is {listen}, which others can reach, and they could make the proxy post to this \
                 machine's own services: listen on 127.0.0.1, or set it to false"
            );
            return Err(ConfigError::invalid("registration.allow_loopback", true, cure));
        }
        Ok(())
    }
}
