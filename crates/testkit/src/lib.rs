//! The harness of the tests that cross parts: proxies, edges, receivers, fake
//! providers and a link that can be cut, each on a port of its own choosing
//! and in a directory of its own.
//!
//! Waiting is always for something that was seen to happen, never for a
//! while; [`DEADLINE`] only bounds how long a test that fails takes to say so.
//! Whatever goes wrong in here ends the test with a sentence.

#![expect(clippy::expect_used, reason = "a harness fails its test by panicking")]

pub mod binary;
pub mod clock;
pub mod disk;
pub mod edge;
pub mod invariants;
pub mod leftovers;
pub mod link;
pub mod process;
pub mod proxy;
pub mod receiver;
pub mod sender;

pub use clock::JumpClock;
pub use edge::{EdgeInProcess, EdgeProcess, Machine};
pub use link::FlakyLink;
pub use process::Process;
pub use proxy::{Proxy, ProxyHome, ProxyProcess};

pub use receiver::{Answer, Receiver, Request};
pub use sender::{Load, Sender};

use postern_protocol::{Clock, UnixMillis};
use std::time::Duration;

/// How long anything a test waits for may take before the test fails.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixMillis {
        #[expect(clippy::disallowed_methods, reason = "this is the clock that is handed in")]
        let now = std::time::SystemTime::now();
        let since = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// How often a test repeats what it repeats, where the environment says so: this
/// is how `make soak` has them go on for longer.
///
/// # Panics
/// When what is set is not a number.
#[must_use]
pub fn setting(name: &str, default: u64) -> u64 {
    let Some(value) = std::env::var_os(name) else { return default };
    value.to_str().and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{name} is not a number"))
}

/// An HTTP client that speaks to loopback and nothing in between.
#[must_use]
pub fn client() -> reqwest::Client {
    // Installed already: as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().timeout(DEADLINE).build().expect("a plain HTTP client can be built")
}

/// `future`'s value, or a failed test that names what never came.
///
/// # Panics
/// After [`DEADLINE`].
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {} s for {what}", DEADLINE.as_secs()),
    }
}
