//! Which sources refuse more than they take: since the first refusal, for five
//! minutes, what a source refused for its signature is held against what it
//! took. Once it is [`LEAST`] and no less than what was taken, that is worth
//! an event, at most once in an hour.

use postern_protocol::UnixMillis;
use postern_protocol::id::SourceId;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// For how long it is counted.
pub(crate) const WINDOW: Duration = Duration::from_secs(300);
/// How many refusals in one window are worth an event.
const LEAST: u32 = 10;
/// For how long a source that was spoken of is left alone, in milliseconds.
const QUIET: i64 = 3_600_000;

/// What came to a source in one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Refused for the signature.
    pub(crate) refused: u32,
    /// Its signature held.
    pub(crate) accepted: u32,
}

/// The sources that refused something.
#[derive(Debug, Default)]
pub(super) struct Failing(Mutex<HashMap<SourceId, Window>>);

#[derive(Debug)]
struct Window {
    began: UnixMillis,
    seen: Seen,
    told: Option<UnixMillis>,
}

impl Failing {
    /// A signature held.
    pub(super) fn accepted(&self, source: SourceId) {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(window) = windows.get_mut(&source) {
            window.seen.accepted = window.seen.accepted.saturating_add(1);
        }
    }

    /// A webhook was refused at `now`. What its source saw, when that is worth
    /// an event.
    pub(super) fn refused(&self, source: SourceId, now: UnixMillis) -> Option<Seen> {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let none = Seen { refused: 0, accepted: 0 };
        let window = windows.entry(source).or_insert(Window { began: now, seen: none, told: None });
        if is_over(window.began, now, i64::try_from(WINDOW.as_millis()).unwrap_or(i64::MAX)) {
            (window.began, window.seen) = (now, none);
        }
        window.seen.refused = window.seen.refused.saturating_add(1);
        let seen = window.seen;
        let failing = seen.refused >= LEAST && seen.refused >= seen.accepted;
        if !failing || window.told.is_some_and(|told| !is_over(told, now, QUIET)) {
            return None;
        }
        window.told = Some(now);
        Some(seen)
    }
}

/// Whether `millis` have passed; a clock that was set back ends it, too.
fn is_over(began: UnixMillis, now: UnixMillis, millis: i64) -> bool {
    !(0..millis).contains(&now.since(began))
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: UnixMillis = UnixMillis(1_800_000_000_000);

    fn refusals(failing: &Failing, source: SourceId, now: UnixMillis, count: u32) -> Vec<Seen> {
        (0..count).filter_map(|_| failing.refused(source, now)).collect()
    }

    #[test]
    fn ten_in_five_minutes_are_told_once_in_an_hour() {
        let (failing, source) = (Failing::default(), crate::entropy::source_id(T0));
        assert_eq!(refusals(&failing, source, T0, 9), []);
        // The window is over: these nine are forgotten.
        assert_eq!(refusals(&failing, source, T0.plus(300_000), 9), []);
        let seen = Seen { refused: 10, accepted: 0 };
        assert_eq!(refusals(&failing, source, T0.plus(599_999), 50), [seen]);
        assert_eq!(refusals(&failing, source, T0.plus(599_999 + 3_599_999), 50), []);
        assert_eq!(refusals(&failing, source, T0.plus(599_999 + 3_600_000), 10).len(), 1);
    }

    #[test]
    fn a_few_among_many_are_no_failure() {
        let (failing, source) = (Failing::default(), crate::entropy::source_id(T0));
        assert_eq!(refusals(&failing, source, T0, 1), []);
        (0..20).for_each(|_| failing.accepted(source));
        assert_eq!(refusals(&failing, source, T0, 18), []);
        assert_eq!(refusals(&failing, source, T0, 1), [Seen { refused: 20, accepted: 20 }]);
        let other = crate::entropy::source_id(T0);
        assert_eq!(refusals(&failing, other, T0, 9), [], "each source has its own window");
    }
}
