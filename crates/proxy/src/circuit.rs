//! A worker's circuit: a pure state machine over what attempts and pings say.
//!
//! | state | what happens | then |
//! | --- | --- | --- |
//! | closed | an attempt, or a health check, does not reach the worker | open: unreachable |
//! | closed | too many of the window's attempts were answered with failures | open: failing |
//! | open | an attempt that was under way reaches an unreachable worker | closed |
//! | open | a ping does not reach it, or is answered 408, 429 or 5xx | open, for longer |
//! | open | a ping is answered 2xx: of an unreachable worker | closed |
//! | open | … of a failing one, or any other answer (it may know no pings) | half-open |
//! | half-open | the one delivery is taken | closed |
//! | half-open | the one delivery is not | open, for longer |
//!
//! While a circuit is open deliveries wait and use nothing up. What an attempt
//! says that began before the present state did is not held against the
//! worker: several that fail together are one failure.

use postern_protocol::UnixMillis;
use postern_protocol::api::{Circuit, CircuitCause, CircuitState};
use postern_protocol::id::{WorkerId, WorkspaceId};
use std::time::Duration;

/// When a circuit opens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Breaker {
    /// Over how long answered failures are counted.
    pub window: Duration,
    /// How many attempts the window must have seen to say anything.
    pub min_attempts: u32,
    /// From which part of failures on a worker counts as failing, above 0 to 1.
    pub failure_ratio: f64,
    /// How long a circuit stays open before the first ping.
    pub open_min: Duration,
    /// How long it stays open between pings at most.
    pub open_max: Duration,
    /// How much these are varied at random, as a fraction.
    pub jitter: f64,
}

/// What an attempt or a ping says of the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observed {
    /// It answered 2xx, or merely that the clocks differ.
    Well,
    /// It answered something else; or it did not answer this, and others
    /// meanwhile.
    Badly,
    /// It answered nothing.
    Unreached,
}

/// Who observed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observer {
    /// An attempt that began then.
    Attempt(UnixMillis),
    /// A ping, of a worker whose circuit was open or that was idle.
    /// `Badly`: it answered as servers do that are out of order.
    Ping {
        /// Whether the answer was 2xx.
        taken: bool,
    },
}

/// An observation, with all that judging it takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// What was observed.
    pub observed: Observed,
    /// By whom.
    pub by: Observer,
    /// What went wrong, in words.
    pub error: Option<String>,
    /// When.
    pub at: UnixMillis,
    /// From 0 to 1.
    pub random: f64,
    /// By what it is judged.
    pub breaker: Breaker,
}

/// That a worker's circuit changed its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CircuitChange {
    /// Whose.
    pub worker: WorkerId,
    /// The worker's workspace.
    pub workspace: WorkspaceId,
    /// The worker's name.
    pub name: String,
    /// The state before.
    pub from: CircuitState,
    /// The circuit now.
    pub to: Circuit,
}

/// What follows from a report; `None`: nothing changes. `failing`: whether the
/// window, this report included, has seen too many failures.
#[must_use]
pub fn after(circuit: &Circuit, report: &Observation, failing: bool) -> Option<Circuit> {
    use CircuitCause::{Failing, Unreachable};
    use CircuitState::{Closed, HalfOpen, Open};
    let fresh = match report.by {
        Observer::Attempt(began) => began >= circuit.since,
        Observer::Ping { .. } => true,
    };
    let closed = || Some(Circuit::closed(report.at));
    let opened = |cause| Some(open(circuit, report, cause));
    match (circuit.state, report.observed, report.by) {
        (Closed, Observed::Unreached, _) if fresh => opened(Unreachable),
        (Closed, Observed::Badly, Observer::Attempt(_)) if fresh && failing => opened(Failing),
        (Closed, ..) => None,

        (Open, Observed::Unreached, Observer::Ping { .. }) => opened(Unreachable),
        (Open, Observed::Badly, Observer::Ping { .. }) => opened(circuit.cause.unwrap_or(Failing)),
        (Open, Observed::Well, Observer::Ping { taken }) => {
            if taken && circuit.cause == Some(Unreachable) {
                closed()
            } else {
                Some(half_open(circuit, report))
            }
        }
        (Open, Observed::Unreached, Observer::Attempt(_)) => None,
        (Open, Observed::Well | Observed::Badly, Observer::Attempt(_)) => {
            if circuit.cause == Some(Unreachable) { closed() } else { None }
        }

        (HalfOpen, Observed::Well, Observer::Attempt(_)) => closed(),
        (HalfOpen, Observed::Badly, Observer::Attempt(_)) if fresh => {
            if circuit.cause == Some(Unreachable) {
                closed()
            } else {
                opened(Failing)
            }
        }
        (HalfOpen, Observed::Unreached, _) if fresh => opened(Unreachable),
        (HalfOpen, ..) => None,
    }
}

/// Open, for twice as long as the last time.
fn open(before: &Circuit, report: &Observation, cause: CircuitCause) -> Circuit {
    let breaker = &report.breaker;
    let doubled = 2u32.saturating_pow(before.trips.min(31));
    let pause = breaker.open_min.saturating_mul(doubled).min(breaker.open_max);
    let still = before.state == CircuitState::Open;
    Circuit {
        state: CircuitState::Open,
        since: if still { before.since } else { report.at },
        until: Some(report.at.plus(jittered(pause, breaker.jitter, report.random))),
        trips: before.trips.saturating_add(1),
        cause: Some(cause),
        error: report.error.clone(),
    }
}

fn half_open(before: &Circuit, report: &Observation) -> Circuit {
    Circuit { state: CircuitState::HalfOpen, since: report.at, until: None, ..before.clone() }
}

/// The circuit of a worker that has said it is there: the ping is overdue.
#[must_use]
pub fn heard_of(circuit: &Circuit) -> Option<Circuit> {
    let waits = circuit.state == CircuitState::Open && circuit.until != Some(circuit.since);
    waits.then(|| Circuit { until: Some(circuit.since), ..circuit.clone() })
}

/// A wait varied at random by `jitter` of it, in milliseconds.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "waits are far from the limits"
)]
pub(crate) fn jittered(wait: Duration, jitter: f64, random: f64) -> i64 {
    let factor = 1.0 + jitter * (2.0 * random.clamp(0.0, 1.0) - 1.0);
    (wait.as_millis() as f64 * factor).round() as i64
}

/// How many slots a window has: it moves on by one of them at a time.
const SLOTS: usize = 6;

/// What a worker's attempts of the last while came to. Kept in memory alone.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Window {
    slots: [Slot; SLOTS],
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    number: i64,
    well: u32,
    badly: u32,
}

impl Window {
    /// Counts an attempt. Whether too many have failed, this one included.
    pub(crate) fn count(&mut self, report: &Observation) -> bool {
        let breaker = &report.breaker;
        let slots = i64::try_from(SLOTS).unwrap_or(1);
        let length = i64::try_from(breaker.window.as_millis()).unwrap_or(i64::MAX) / slots;
        let number = report.at.0.div_euclid(length.max(1));
        let slot = &mut self.slots[usize::try_from(number.rem_euclid(slots)).unwrap_or(0)];
        if slot.number != number {
            *slot = Slot { number, ..Slot::default() };
        }
        match report.observed {
            Observed::Well => slot.well = slot.well.saturating_add(1),
            Observed::Badly | Observed::Unreached => slot.badly = slot.badly.saturating_add(1),
        }
        let present = self.slots.iter().filter(|slot| number - slots < slot.number && slot.number <= number);
        let (well, badly) = present.fold((0u32, 0u32), |(well, badly), slot| {
            (well.saturating_add(slot.well), badly.saturating_add(slot.badly))
        });
        let all = well.saturating_add(badly);
        all >= breaker.min_attempts && f64::from(badly) >= breaker.failure_ratio * f64::from(all)
    }
}

#[cfg(test)]
mod tests;
