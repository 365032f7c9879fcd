//! What is logged, and how.

use super::ConfigError;
use serde::Deserialize;
use tracing_subscriber::EnvFilter;

/// What is logged, and how.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// For people or for programs.
    pub format: LogFormat,
    /// A level, or directives of `tracing`.
    pub level: String,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Log {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        self.filter().map(drop)
    }

    /// The level as a filter.
    ///
    /// # Errors
    /// When it cannot be read; a checked configuration's can.
    pub fn filter(&self) -> Result<EnvFilter, ConfigError> {
        // Migrations of an up-to-date database are no news.
        EnvFilter::builder().parse(format!("refinery_core=warn,{}", self.level)).map_err(|_| {
            let cure =
                "write error, warn, info, debug or trace, or directives such as \"info,postern_proxy=debug\"";
            ConfigError::invalid("log.level", format!("{:?}", self.level), cure)
        })
    }
}
