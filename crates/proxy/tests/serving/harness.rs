//! What the tests stand on.

mod agent;
mod client;
mod clock;
mod proxy;
mod receiver;
mod spy;

pub(crate) use agent::Tunnel;
pub(crate) use client::{Answer, call, exchange};
pub(crate) use clock::HandClock;
pub(crate) use proxy::{Proxy, Registered, linear_body};
pub(crate) use receiver::{Challenges, Receiver, Reply};
pub(crate) use spy::Spy;

use std::time::Duration;

/// How long anything may take before a test fails instead of hanging.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What should come soon.
pub(crate) async fn soon<T>(what: &str, coming: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, coming).await {
        Ok(came) => came,
        Err(_) => panic!("waited in vain for {what}"),
    }
}
