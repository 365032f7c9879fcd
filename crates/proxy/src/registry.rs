//! The workers: who they are, where they are, until when they are leased.
//!
//! Registering takes a workspace token; renewing, changing and leaving take
//! the worker's own credential. A worker gets nothing until whoever answers at
//! its URL has proved to hold its secret ([`challenge`]); a worker without a
//! URL is posted to by nobody, and comes for its deliveries ([`crate::tunnel`]).

use crate::bus::Bus;
use crate::config::Registration;
use crate::http::body::BodyReader;
use crate::http::rate::Buckets;
use crate::linear::LinearSignIn;
use crate::store::{Store, StoreError};
use postern_protocol::api::Waiting;
use postern_protocol::id::{TokenId, WorkerId};
use postern_protocol::{Clock, UnixMillis};
use std::net::IpAddr;
use std::sync::Arc;

pub(crate) mod address;
pub(crate) mod catch_up;
pub(crate) mod challenge;
pub(crate) mod expiry;
pub(crate) mod lasting;
pub(crate) mod lease;
pub(crate) mod register;
pub(crate) mod request;
pub(crate) mod retirement;
pub(crate) mod secret;
pub(crate) mod settings;
mod url;
pub(crate) mod version;
pub(crate) mod work;

use address::AddressPolicy;
use challenge::Challenger;

/// Keeps the workers.
pub(crate) struct Registry {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    bus: Arc<dyn Bus>,
    bodies: BodyReader,
    settings: Registration,
    policy: AddressPolicy,
    challenger: Arc<Challenger>,
    linear: Arc<LinearSignIn>,
    by_address: Buckets<IpAddr>,
    by_token: Buckets<TokenId>,
}

impl Registry {
    /// Keeps workers in `store`.
    pub(crate) fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        bus: Arc<dyn Bus>,
        bodies: BodyReader,
        settings: Registration,
        challenger: Arc<Challenger>,
        linear: Arc<LinearSignIn>,
    ) -> Self {
        let per_minute = f64::from(settings.rate_per_minute);
        let buckets = per_minute / 60.0;
        Self {
            store,
            clock,
            bus,
            bodies,
            policy: policy(&settings),
            settings,
            challenger,
            linear,
            by_address: Buckets::new(buckets, per_minute),
            by_token: Buckets::new(buckets, per_minute),
        }
    }

    /// When a lease given at `now` ends.
    fn leased_until(&self, now: UnixMillis) -> UnixMillis {
        leased_until(&self.settings, now)
    }
}

/// What waits for a worker, and for its claim group.
pub(crate) async fn waiting(store: &dyn Store, id: WorkerId) -> Result<Waiting, StoreError> {
    let (own, group) = (store.waiting(id).await?, store.group_waiting(id).await?);
    let oldest = own.oldest.into_iter().chain(group.oldest).min();
    Ok(Waiting { count: own.count + group.count, oldest, held: own.held })
}

/// When a lease given at `now` ends.
pub(crate) fn leased_until(settings: &Registration, now: UnixMillis) -> UnixMillis {
    now.plus(i64::from(settings.lease_seconds) * 1000)
}

/// Which addresses workers may have.
pub(crate) fn policy(settings: &Registration) -> AddressPolicy {
    AddressPolicy { allow_loopback: settings.allow_loopback, allow: settings.allow_private.clone() }
}
