//! Walking a selection from the newest row to the older ones, in windows, until
//! enough is found or the time is up.

use super::selection::Selection;
use super::{SUMMARY, provider, summary};
use crate::api::EventSummary;
use crate::history::search::Part;
use rusqlite::{Connection, Row, params_from_iter};
use std::time::{Duration, Instant};

/// The first window's length, in ids.
const FIRST: i64 = 1 << 14;
/// A window shorter than this would cost more to begin than to read.
const SHORTEST: i64 = 1 << 10;
/// A window that took less lets the next be four times as long.
const QUICK: Duration = Duration::from_millis(5);
/// A window that took more lets the next be half as long.
const SLOW: Duration = Duration::from_millis(25);

/// What a walk brought.
pub(super) struct Walked {
    /// With their row ids, the newest first.
    pub(super) rows: Vec<(i64, EventSummary)>,
    /// Rows from here on have been looked at; absent when all have.
    pub(super) seen_to: Option<i64>,
    /// The time was up before enough was found.
    pub(super) late: bool,
}

/// At most `limit` rows before the row `before`.
pub(super) fn rows(
    tx: &Connection,
    selection: &Selection,
    before: Option<i64>,
    limit: usize,
    budget: Duration,
) -> rusqlite::Result<Walked> {
    let deadline = Instant::now() + budget;
    let mut windows = Windows::new(tx, selection, before)?;
    let mut found = Vec::new();
    while let Some(window) = windows.next() {
        let mut statement = tx.prepare_cached(&selection.rows(SUMMARY, window.part.as_ref()))?;
        let mut rows = statement.query(params_from_iter(selection.values(window.from, window.to)))?;
        while let Some(row) = rows.next()? {
            let id: i64 = row.get(0)?;
            if found.len() == limit {
                let seen_to = found.last().map(|(id, _)| *id);
                return Ok(Walked { rows: found, seen_to, late: false });
            }
            if wanted(selection, row)? {
                found.push((id, summary(row)?));
            }
            if selection.predicate.is_some() && Instant::now() > deadline {
                return Ok(Walked { rows: found, seen_to: Some(id), late: true });
            }
        }
        if Instant::now() > deadline && !windows.is_done() {
            return Ok(Walked { rows: found, seen_to: Some(windows.to), late: true });
        }
    }
    Ok(Walked { rows: found, seen_to: None, late: false })
}

/// How many rows there are, unless that cannot be said in time.
pub(super) fn count(
    tx: &Connection,
    selection: &Selection,
    budget: Duration,
) -> rusqlite::Result<Option<u64>> {
    let deadline = Instant::now() + budget;
    let mut windows = Windows::new(tx, selection, None)?;
    let mut total = 0;
    while let Some(window) = windows.next() {
        if Instant::now() > deadline {
            return Ok(None);
        }
        let mut statement = tx.prepare_cached(&selection.count(window.part.as_ref()))?;
        let values = params_from_iter(selection.values(window.from, window.to));
        total += statement.query_row(values, |row| row.get::<_, i64>(0))?.unsigned_abs();
    }
    Ok(Some(total))
}

fn wanted(selection: &Selection, row: &Row<'_>) -> rusqlite::Result<bool> {
    let Some(predicate) = &selection.predicate else { return Ok(true) };
    // The body follows the columns of the summary.
    let body = row.get_ref("body")?.as_blob()?;
    Ok(predicate.holds(provider(row.get_ref(5)?.as_str()?), body))
}

/// Rows from `from` on, up to `to`, which is not among them.
struct Window {
    from: i64,
    to: i64,
    part: Option<Part>,
}

/// The windows still to be looked at.
struct Windows {
    /// Where the last one began.
    to: i64,
    floor: i64,
    length: i64,
    begun: Option<Instant>,
    /// The parts of the index, the oldest first; absent: there is no search.
    parts: Option<Vec<Part>>,
}

impl Windows {
    fn new(tx: &Connection, selection: &Selection, before: Option<i64>) -> rusqlite::Result<Self> {
        let newest: i64 = tx.query_row("SELECT coalesce(max(id), 0) FROM event", [], |row| row.get(0))?;
        let oldest: i64 = tx.query_row("SELECT coalesce(min(id), 1) FROM event", [], |row| row.get(0))?;
        let to = before.unwrap_or(i64::MAX).min(newest + 1);
        let floor = match selection.stored_from {
            Some(at) => first_stored(tx, at, oldest, newest + 1)?,
            None => oldest,
        };
        let parts = match selection.searches() {
            true => {
                let mut parts = Part::before(tx, to)?;
                parts.retain(|part| part.last >= floor);
                parts.reverse();
                Some(parts)
            }
            false => None,
        };
        Ok(Self { to, floor, length: FIRST, begun: None, parts })
    }

    fn is_done(&self) -> bool {
        match &self.parts {
            Some(parts) => parts.is_empty(),
            None => self.to <= self.floor,
        }
    }

    fn next(&mut self) -> Option<Window> {
        if self.is_done() {
            return None;
        }
        if let Some(parts) = &mut self.parts {
            let part = parts.pop()?;
            let window = Window { from: part.first.max(self.floor), to: self.to, part: Some(part) };
            self.to = part.first;
            return Some(window);
        }
        if let Some(took) = self.begun.map(|begun| begun.elapsed()) {
            self.length = match took {
                took if took < QUICK => self.length.saturating_mul(4),
                took if took > SLOW => (self.length / 2).max(SHORTEST),
                _ => self.length,
            };
        }
        self.begun = Some(Instant::now());
        let from = self.to.saturating_sub(self.length).max(self.floor);
        let window = Window { from, to: self.to, part: None };
        self.to = from;
        Some(window)
    }
}

/// The first row between two that was stored at `at` or later: rows are stored
/// in the order of their ids.
fn first_stored(tx: &Connection, at: i64, oldest: i64, end: i64) -> rusqlite::Result<i64> {
    let mut statement =
        tx.prepare_cached("SELECT stored_at FROM event WHERE id >= ?1 ORDER BY id LIMIT 1")?;
    let (mut low, mut high) = (oldest, end);
    while low < high {
        let middle = low + (high - low) / 2;
        let stored: Option<i64> =
            rusqlite::OptionalExtension::optional(statement.query_row([middle], |row| row.get(0)))?;
        if stored.is_some_and(|stored| stored < at) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}
