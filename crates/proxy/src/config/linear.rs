//! Where Linear is asked who holds a key.

use super::{ConfigError, units};
use serde::Deserialize;
use url::Url;

/// Where Linear is asked who holds a key.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Linear {
    /// Linear's GraphQL API.
    #[serde(deserialize_with = "units::url")]
    pub api_url: Option<Url>,
}

impl Linear {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let Some(url) = &self.api_url else {
            return Err(ConfigError::invalid("linear.api_url", "nothing", "write https:// and a host"));
        };
        let local = url.host_str().is_some_and(|host| ["127.0.0.1", "localhost", "[::1]"].contains(&host));
        let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        if !plain || !(url.scheme() == "https" || url.scheme() == "http" && local) {
            let cure = "write https:// and a host: keys would travel in the clear";
            return Err(ConfigError::invalid("linear.api_url", url, cure));
        }
        Ok(())
    }
}
