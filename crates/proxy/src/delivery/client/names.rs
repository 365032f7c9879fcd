//! How names become addresses: the system's way, or, in tests, a scripted one.

use async_trait::async_trait;
use std::fmt::Debug;
use std::io;
use std::net::IpAddr;

/// Resolves names.
#[async_trait]
pub(crate) trait Names: Debug + Send + Sync {
    /// The addresses of `name`, in the order to try them.
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// What the operating system says.
#[derive(Debug)]
pub(super) struct System;

#[async_trait]
impl Names for System {
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((name, 0)).await?.map(|found| found.ip()).collect())
    }
}
