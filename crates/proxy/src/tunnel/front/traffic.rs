//! How much goes on in each tunnel: requests and streams under way at once,
//! and requests per second of each visitor's address.

use super::Visit;
use super::page::Failure;
use crate::config;
use crate::http::rate::Buckets;
use http::header::{HeaderValue, RETRY_AFTER};
use postern_protocol::UnixMillis;
use postern_protocol::api::tunnels::TunnelName;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How many tunnels are kept in mind before idle ones are forgotten.
const SWEEP_ABOVE: usize = 10_000;

/// That of all tunnels.
#[derive(Default)]
pub(super) struct All(Mutex<HashMap<TunnelName, Arc<Traffic>>>);

/// That of one tunnel.
#[derive(Default)]
pub(super) struct Traffic {
    under_way: AtomicU32,
    /// The rate it was made for, and the buckets.
    rates: Mutex<Option<(u32, Arc<Buckets<IpAddr>>)>>,
}

/// A place among those under way, until dropped.
pub(super) struct Room(Arc<Traffic>);

impl Drop for Room {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

impl All {
    /// That of this tunnel.
    pub(super) fn of(&self, name: &TunnelName) -> Arc<Traffic> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(traffic) = all.get(name) {
            return traffic.clone();
        }
        if all.len() > SWEEP_ABOVE {
            all.retain(|_, traffic| Arc::strong_count(traffic) > 1);
        }
        all.entry(name.clone()).or_default().clone()
    }
}

impl Traffic {
    /// Counts a request of a visitor's against the rate.
    pub(super) fn rate(
        &self,
        visit: &Visit,
        settings: &config::Tunnel,
        now: UnixMillis,
    ) -> Result<(), Failure> {
        let rate = visit.tunnel.options.rate.unwrap_or(settings.rate);
        let buckets = {
            let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
            match rates.as_ref() {
                Some((made_for, buckets)) if *made_for == rate => buckets.clone(),
                _ => {
                    let per_second = f64::from(rate);
                    let buckets = Arc::new(Buckets::new(per_second, 2.0 * per_second));
                    *rates = Some((rate, buckets.clone()));
                    buckets
                }
            }
        };
        buckets
            .take(network(visit.visitor.address), now)
            .map_err(|_| too_many("more requests come from you than this tunnel takes"))
    }

    /// Takes a place among those under way, if one is free.
    pub(super) fn enter(self: &Arc<Self>, visit: &Visit, settings: &config::Tunnel) -> Result<Room, Failure> {
        let most = visit.tunnel.options.concurrency.unwrap_or(settings.concurrency);
        let entered = self.under_way.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |under_way| {
            (under_way < most).then_some(under_way + 1)
        });
        match entered {
            Ok(_) => Ok(Room(self.clone())),
            Err(_) => Err(too_many("as many requests are under way in this tunnel as it takes")),
        }
    }
}

fn too_many(message: &str) -> Failure {
    Failure::too_many(message).with(RETRY_AFTER, HeaderValue::from_static("1"))
}

/// Who has one IPv6 address has a network of them.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}
