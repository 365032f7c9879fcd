//! How tunnels are watched over.

use super::{ConfigError, units};
use postern_tunnel::Timing;
use serde::Deserialize;
use std::time::Duration;

/// How tunnels are watched over.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tunnel {
    /// Between two heartbeats.
    #[serde(deserialize_with = "units::duration")]
    pub heartbeat: Duration,
    /// How long a heartbeat's answer may take while nothing else arrives.
    #[serde(deserialize_with = "units::duration")]
    pub tolerance: Duration,
}

impl Tunnel {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        for (key, value) in [("tunnel.heartbeat", self.heartbeat), ("tunnel.tolerance", self.tolerance)] {
            if value.is_zero() {
                return Err(ConfigError::invalid(key, "\"0s\"", "make it longer than nothing"));
            }
        }
        Ok(())
    }

    /// The transport's times.
    pub(crate) fn timing(&self) -> Timing {
        Timing { ping_every: self.heartbeat, ping_tolerance: self.tolerance, ..Timing::default() }
    }
}
