//! When to tell of arrivals, and of how many at once: a state machine over
//! time that is handed in.

use super::note::Note;
use postern_edge::api::EventSummary;
use std::time::Duration;
use tokio::time::Instant;

/// How long arrivals are gathered after a note.
const SHORTEST: Duration = Duration::from_secs(1);
/// How long at most, when they keep coming.
const LONGEST: Duration = Duration::from_secs(30);

/// Arrivals between two notes.
#[derive(Default)]
pub(super) struct Grouping {
    /// Set after a note: until when to gather, and for how long that is.
    gathering: Option<(Instant, Duration)>,
    count: usize,
    newest: Vec<EventSummary>,
}

impl Grouping {
    /// Takes arrivals, oldest first; gives a note when they are to be told now.
    pub(super) fn arrive(&mut self, now: Instant, rows: Vec<EventSummary>) -> Option<Note> {
        self.count += rows.len();
        self.newest.extend(rows);
        let surplus = self.newest.len().saturating_sub(Note::LINES);
        self.newest.drain(..surplus);
        if self.gathering.is_some() { None } else { self.tell(now, SHORTEST) }
    }

    /// When [`Self::close`] is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.gathering.map(|(until, _)| until)
    }

    /// Ends the gathering; gives a note when something was gathered.
    pub(super) fn close(&mut self, now: Instant) -> Option<Note> {
        let (_, lasted) = self.gathering.take()?;
        self.tell(now, (lasted * 2).min(LONGEST))
    }

    fn tell(&mut self, now: Instant, gather: Duration) -> Option<Note> {
        let note = Note::of(std::mem::take(&mut self.count), &std::mem::take(&mut self.newest))?;
        self.gathering = Some((now + gather, gather));
        Some(note)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notifications::note::tests::row;

    #[test]
    fn the_first_is_told_at_once_and_the_rest_together() {
        let start = Instant::now();
        let mut grouping = Grouping::default();
        let first = grouping.arrive(start, vec![row("a", 1)]).unwrap();
        assert_eq!(first.event.as_deref(), Some("a"));
        for n in 0..12 {
            assert_eq!(grouping.arrive(start, vec![row(&n.to_string(), n)]), None);
        }
        assert_eq!(grouping.deadline(), Some(start + SHORTEST));
        let rest = grouping.close(start + SHORTEST).unwrap();
        assert_eq!((rest.summary.as_str(), rest.event), ("12 events", None));
    }

    #[test]
    fn a_flood_is_told_ever_more_rarely() {
        let mut now = Instant::now();
        let mut grouping = Grouping::default();
        assert!(grouping.arrive(now, vec![row("a", 1)]).is_some());
        let mut waits = Vec::new();
        for n in 0..8 {
            grouping.arrive(now, vec![row(&n.to_string(), n)]);
            let due = grouping.deadline().unwrap();
            waits.push((due - now).as_secs());
            now = due;
            assert!(grouping.close(now).is_some());
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30, 30]);
    }

    #[test]
    fn silence_ends_the_gathering() {
        let now = Instant::now();
        let mut grouping = Grouping::default();
        assert!(grouping.arrive(now, vec![row("a", 1)]).is_some());
        assert_eq!(grouping.close(now + SHORTEST), None);
        assert_eq!(grouping.deadline(), None);
        assert!(grouping.arrive(now, vec![row("b", 2)]).is_some());
    }

    #[test]
    fn nothing_new_is_not_told() {
        let mut grouping = Grouping::default();
        assert_eq!(grouping.arrive(Instant::now(), vec![]), None);
        assert_eq!(grouping.deadline(), None);
    }
}
