//! What is taken in: sizes, times, rates.

use super::{ConfigError, units};
use serde::Deserialize;
use std::time::Duration;

/// What is taken in.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// The largest body, in bytes.
    #[serde(deserialize_with = "units::size")]
    pub body: u64,
    /// The largest body from GitHub, in bytes.
    #[serde(deserialize_with = "units::size")]
    pub github_body: u64,
    /// Memory for bodies being read, all together, in bytes.
    #[serde(deserialize_with = "units::size")]
    pub inflight: u64,
    /// How long a request's headers may take to arrive.
    #[serde(deserialize_with = "units::duration")]
    pub header_timeout: Duration,
    /// How long a body may take to arrive.
    #[serde(deserialize_with = "units::duration")]
    pub body_timeout: Duration,
    /// Webhooks per second of one source; 0: no limit.
    pub source_rate: u32,
}

impl Limits {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        for (key, value) in [("limits.body", self.body), ("limits.github_body", self.github_body)] {
            if value == 0 || value > 1 << 29 {
                return Err(ConfigError::invalid(key, format!("{value}B"), "write 1B to 512MiB"));
            }
        }
        let largest = self.body.max(self.github_body);
        if self.inflight < largest {
            let cure = format!("make it at least {largest}B, the largest body, or no such body gets in");
            return Err(ConfigError::invalid("limits.inflight", format!("{}B", self.inflight), cure));
        }
        let times =
            [("limits.header_timeout", self.header_timeout), ("limits.body_timeout", self.body_timeout)];
        for (key, value) in times {
            if value.is_zero() {
                return Err(ConfigError::invalid(key, "\"0s\"", "make it longer than nothing"));
            }
        }
        Ok(())
    }
}
