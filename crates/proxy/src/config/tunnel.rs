//! How tunnels are watched over, and what visitors of public ones may do.

use super::{ConfigError, Network, units};
use postern_tunnel::Timing;
use serde::Deserialize;
use std::net::IpAddr;
use std::time::Duration;

/// How tunnels are watched over, and what visitors of public ones may do.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tunnel {
    /// Between two heartbeats.
    #[serde(deserialize_with = "units::duration")]
    pub heartbeat: Duration,
    /// How long a heartbeat's answer may take while nothing else arrives.
    #[serde(deserialize_with = "units::duration")]
    pub tolerance: Duration,
    /// Public tunnels are at `{name}.{domain}`; absent: at none.
    #[serde(default)]
    pub domain: Option<String>,
    /// Whether they are at `/t/{name}/` too.
    pub paths: bool,
    /// Reverse proxies in front, whose `X-Forwarded-…` headers are believed.
    pub trusted_proxies: Vec<Network>,
    /// Requests and streams under way at once in one public tunnel.
    pub concurrency: u32,
    /// Requests per second to one public tunnel of one visitor's address; 0:
    /// no limit.
    pub rate: u32,
    /// How long a visitor's request may go on without a byte either way.
    #[serde(deserialize_with = "units::duration")]
    pub idle_timeout: Duration,
}

impl Tunnel {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let times = [
            ("tunnel.heartbeat", self.heartbeat),
            ("tunnel.tolerance", self.tolerance),
            ("tunnel.idle_timeout", self.idle_timeout),
        ];
        for (key, value) in times {
            if value.is_zero() {
                return Err(ConfigError::invalid(key, "\"0s\"", "make it longer than nothing"));
            }
        }
        if let Some(domain) = &self.domain
            && !is_domain(domain)
        {
            let cure = "write a domain in small letters, such as \"tunnels.example.com\", without a port";
            return Err(ConfigError::invalid("tunnel.domain", format!("{domain:?}"), cure));
        }
        if !(1..=10_000).contains(&self.concurrency) {
            return Err(ConfigError::invalid("tunnel.concurrency", self.concurrency, "write 1 to 10000"));
        }
        Ok(())
    }

    /// The transport's times.
    pub(crate) fn timing(&self) -> Timing {
        Timing { ping_every: self.heartbeat, ping_tolerance: self.tolerance, ..Timing::default() }
    }

    /// Whether this address is a reverse proxy's whose word counts.
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(address))
    }
}

fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // With a name and its dot it is a host name still.
    text.len() <= 200 && text.split('.').all(label) && text.parse::<IpAddr>().is_err()
}
