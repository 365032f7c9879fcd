//! Noticing that this machine slept, or is on another network.
//!
//! Asleep, the wall clock goes on and the monotonic clock stands still; where
//! it does not, the look itself comes late. On another network the machine has
//! other addresses. Either way connections are dead and the lease may have run
//! out, so whoever keeps a line to the proxy watches [`Shared::awake`] and
//! acts at once rather than after its timers: the registration renews, a
//! tunnel dials anew.

use crate::state::Shared;
use postern_protocol::UnixMillis;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// Clocks that part by more than this between two looks have seen a sleep, or
/// were set.
const JUMP: Duration = Duration::from_secs(5);

/// Looks every [`crate::Timing::awake`] until `stop`.
pub(crate) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    let every = shared.config.timing.awake;
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen = Seen::new(every, shared.now(), Instant::now(), addresses().await);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let addresses = addresses().await;
        if let Some(change) = seen.look(shared.now(), Instant::now(), addresses) {
            tracing::info!(?change, "this machine woke up or changed networks: the lease is renewed");
            shared.wake_up();
        }
    }
}

/// This machine's addresses, without those that lead nowhere else; `None`
/// where the system does not tell.
async fn addresses() -> Option<BTreeSet<IpAddr>> {
    let list = tokio::task::spawn_blocking(if_addrs::get_if_addrs).await.ok()?.ok()?;
    let leads_out = |interface: &if_addrs::Interface| !interface.is_loopback() && !interface.is_link_local();
    Some(list.into_iter().filter(leads_out).map(|interface| interface.ip()).collect())
}

/// What has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// Time went on without us, by so much, or the clock was set.
    Time(Duration),
    /// The addresses are others.
    Network,
}

/// What the last look saw.
struct Seen {
    every: Duration,
    wall: UnixMillis,
    monotonic: Instant,
    addresses: Option<BTreeSet<IpAddr>>,
}

impl Seen {
    fn new(
        every: Duration,
        wall: UnixMillis,
        monotonic: Instant,
        addresses: Option<BTreeSet<IpAddr>>,
    ) -> Self {
        Self { every, wall, monotonic, addresses }
    }

    /// Compares with the last look.
    fn look(
        &mut self,
        wall: UnixMillis,
        monotonic: Instant,
        addresses: Option<BTreeSet<IpAddr>>,
    ) -> Option<Change> {
        let went = monotonic.duration_since(self.monotonic);
        let by_wall = wall.since(self.wall);
        let by_monotonic = i64::try_from(went.as_millis()).unwrap_or(i64::MAX);
        let apart = Duration::from_millis(by_wall.saturating_sub(by_monotonic).unsigned_abs());
        let late = went.saturating_sub(self.every);
        let elsewhere = addresses.is_some() && self.addresses.is_some() && addresses != self.addresses;
        self.wall = wall;
        self.monotonic = monotonic;
        if addresses.is_some() {
            self.addresses = addresses;
        }
        let jump = apart.max(late);
        if jump > JUMP {
            Some(Change::Time(jump))
        } else if elsewhere {
            Some(Change::Network)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: UnixMillis = UnixMillis(1_795_341_420_000);
    const EVERY: Duration = Duration::from_secs(2);

    fn at(addresses: &[&str]) -> Option<BTreeSet<IpAddr>> {
        Some(addresses.iter().map(|text| text.parse().unwrap()).collect())
    }

    fn look(seen: &mut Seen, wall: i64, monotonic: u64, addresses: &[&str]) -> Option<Change> {
        let start = seen.monotonic;
        seen.look(seen.wall.plus(wall), start + Duration::from_millis(monotonic), at(addresses))
    }

    #[test]
    fn clocks_that_go_together_say_nothing() {
        let mut seen = Seen::new(EVERY, T0, Instant::now(), at(&["10.0.0.2"]));
        for (wall, monotonic) in [(2_000, 2_000), (2_300, 2_010), (0, 2_000), (6_900, 2_000), (2_000, 6_900)]
        {
            assert_eq!(look(&mut seen, wall, monotonic, &["10.0.0.2"]), None, "{wall} {monotonic}");
        }
    }

    #[test]
    fn a_sleep_is_noticed_once() {
        let mut seen = Seen::new(EVERY, T0, Instant::now(), at(&["10.0.0.2"]));
        let slept = Some(Change::Time(Duration::from_millis(3_598_000)));
        assert_eq!(look(&mut seen, 3_600_000, 2_000, &["10.0.0.2"]), slept);
        assert_eq!(look(&mut seen, 2_000, 2_000, &["10.0.0.2"]), None);
        // A monotonic clock that goes on in sleep.
        assert!(look(&mut seen, 3_600_000, 3_600_000, &["10.0.0.2"]).is_some());
        // A clock that was set back.
        assert!(look(&mut seen, -60_000, 2_000, &["10.0.0.2"]).is_some());
    }

    #[test]
    fn another_network_is_noticed() {
        let mut seen = Seen::new(EVERY, T0, Instant::now(), at(&["10.0.0.2"]));
        assert_eq!(look(&mut seen, 2_000, 2_000, &[]), Some(Change::Network));
        assert_eq!(look(&mut seen, 2_000, 2_000, &["192.168.7.4"]), Some(Change::Network));
        assert_eq!(look(&mut seen, 2_000, 2_000, &["192.168.7.4"]), None);
        let now = seen.monotonic + EVERY;
        assert_eq!(seen.look(seen.wall.plus(2_000), now, None), None, "the system did not tell");
        assert_eq!(look(&mut seen, 2_000, 2_000, &["192.168.7.4"]), None);
    }
}
