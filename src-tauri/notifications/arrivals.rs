//! Which of the changed rows are new events: a row also changes when a
//! handler run ends or someone replays it, and that is no arrival.

use postern_edge::api::EventSummary;
use postern_protocol::UnixMillis;
use std::collections::{HashSet, VecDeque};

/// How many ids are remembered; rows older than all of them are told apart by
/// when they were stored.
const REMEMBERED: usize = 4096;

/// Knows the events it has seen.
pub(super) struct Arrivals {
    /// Rows stored at or before this moment are not new.
    floor: UnixMillis,
    order: VecDeque<(String, UnixMillis)>,
    known: HashSet<String>,
}

impl Arrivals {
    /// Knows everything stored before `start`.
    pub(super) fn since(start: UnixMillis) -> Self {
        Self { floor: start.plus(-1), order: VecDeque::new(), known: HashSet::new() }
    }

    /// The rows seen for the first time that are to be told, in their order.
    pub(super) fn among(&mut self, rows: Vec<EventSummary>) -> Vec<EventSummary> {
        rows.into_iter().filter(|row| self.first_sight(row) && is_told(row)).collect()
    }

    fn first_sight(&mut self, row: &EventSummary) -> bool {
        if row.stored_at <= self.floor || !self.known.insert(row.id.clone()) {
            return false;
        }
        self.order.push_back((row.id.clone(), row.stored_at));
        if self.order.len() > REMEMBERED
            && let Some((id, stored_at)) = self.order.pop_front()
        {
            self.known.remove(&id);
            self.floor = self.floor.max(stored_at);
        }
        true
    }
}

/// With notify rules only what one of them took is told.
fn is_told(row: &EventSummary) -> bool {
    row.notify.as_ref().is_none_or(|rules| !rules.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notifications::note::tests::row;

    #[test]
    fn a_changed_row_is_not_an_arrival() {
        let mut arrivals = Arrivals::since(UnixMillis(100));
        assert_eq!(arrivals.among(vec![row("a", 100), row("b", 101)]).len(), 2);
        assert_eq!(arrivals.among(vec![row("b", 101), row("c", 102)]), [row("c", 102)]);
    }

    #[test]
    fn with_notify_rules_only_what_they_took_is_told() {
        let mut arrivals = Arrivals::since(UnixMillis(0));
        let row = |id, notify| EventSummary { notify, ..row(id, 1) };
        let told = row("b", Some(vec!["urgent".to_owned()]));
        assert_eq!(arrivals.among(vec![row("a", Some(vec![])), told.clone()]), [told]);
    }

    #[test]
    fn a_replay_of_an_old_event_is_not_an_arrival() {
        let mut arrivals = Arrivals::since(UnixMillis(100));
        assert_eq!(arrivals.among(vec![row("yesterday", 7)]), []);
    }

    #[test]
    fn forgotten_rows_stay_old() {
        let mut arrivals = Arrivals::since(UnixMillis(0));
        let all: Vec<_> = (0..=REMEMBERED).map(|n| row(&n.to_string(), 10 + n as i64)).collect();
        assert_eq!(arrivals.among(all).len(), REMEMBERED + 1);
        assert_eq!(arrivals.known.len(), REMEMBERED);
        assert_eq!(arrivals.among(vec![row("0", 10)]), []);
    }
}
