//! How long things are kept.

use super::{ConfigError, units};
use serde::Deserialize;
use std::time::Duration;

/// How long things are kept.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// Events and dead letters.
    #[serde(deserialize_with = "units::duration")]
    pub events: Duration,
    /// How many bytes the database may use before the oldest settled events go
    /// earlier; 0: no limit.
    #[serde(deserialize_with = "units::size")]
    pub size: u64,
    /// How long a webhook is recognised as a repetition of an earlier one.
    #[serde(deserialize_with = "units::duration")]
    pub dedupe: Duration,
}

impl Retention {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.events < Duration::from_secs(3_600) {
            return Err(ConfigError::invalid(
                "retention.events",
                format!("{:?}", self.events),
                "write at least \"1h\"",
            ));
        }
        if self.dedupe > self.events {
            let cure = "make it at most retention.events: what is not kept cannot be recognised";
            return Err(ConfigError::invalid("retention.dedupe", format!("{:?}", self.dedupe), cure));
        }
        if self.size != 0 && self.size < 16 << 20 {
            let cure = "write at least \"16MiB\", or \"0B\" for no limit";
            return Err(ConfigError::invalid("retention.size", format!("{}B", self.size), cure));
        }
        Ok(())
    }
}
