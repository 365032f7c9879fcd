//! What tells repetitions apart: each event's key, and which event took it.
//!
//! Keys are digests, so that each new one belongs to another page of the table
//! `dedupe`: to write it there with its event would write a whole page of the
//! table for each event. An event's row has its key anyway, at the end of a
//! table that only grows. So the newest keys are kept in memory, and once there
//! are [`FULL`] of them they are moved to the table in its order, a few with
//! each transaction: neighbours share a page. What was not moved when the
//! process ended is read from the events' rows at the next start.
//!
//! An entry only hints at an event: that one's row has the last word. So the
//! entries in memory need not follow commits, as all else in memory does.

use super::memory::SharedMemory;
use super::problem::Problem;
use super::writer::Tx;
use postern_protocol::UnixMillis;
use postern_protocol::id::{EventId, SourceId};
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// Keys in memory from which on they are moved. Twice as many at most are in
/// memory, and so many events are read at a start; few in tests, which are to
/// see it happen.
const FULL: usize = if cfg!(test) { 8 } else { 16_384 };
/// Keys moved with each event that comes, so that all are before there are
/// [`FULL`] new ones.
const PACE: usize = 2;

/// A key within all sources: 128 bits of a digest, so that the table is small.
pub(super) type Key = [u8; 16];

/// The key of a source's event.
pub(super) fn key(source: SourceId, text: &str) -> Key {
    let digest = Sha256::new().chain_update(source.to_bytes()).chain_update(text).finalize();
    let mut short = [0; 16];
    short.copy_from_slice(&digest[..16]);
    short
}

/// The newest keys, and which event took each.
#[derive(Default)]
pub(super) struct Newest {
    recent: HashMap<Key, i64>,
    moving: HashMap<Key, i64>,
    /// Those of `moving` in the table's order; the first `moved` are there.
    order: Vec<Key>,
    moved: usize,
    /// How many of `moving` may be moved by now.
    due: usize,
}

/// Keys that a transaction has moved.
pub(super) struct Moved {
    until: usize,
}

impl Newest {
    /// What was not moved before the process ended.
    pub(super) fn read(db: &Connection) -> Result<Self, Problem> {
        let mut statement = db.prepare(
            "SELECT dedupe, seq FROM events
             WHERE seq > (SELECT value FROM meta WHERE key = 'keys_moved') AND dedupe IS NOT NULL ORDER BY seq",
        )?;
        let keys = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(Self { recent: keys.collect::<Result<_, _>>()?, ..Self::default() })
    }

    fn get(&self, key: &Key) -> Option<i64> {
        self.recent.get(key).or_else(|| self.moving.get(key)).copied()
    }

    /// Whether an event has taken the key, or is just taking it.
    pub(super) fn has(&self, key: &Key) -> bool {
        self.get(key).is_some()
    }

    fn take(&mut self, key: Key, event: i64) {
        self.recent.insert(key, event);
        self.due += PACE;
        if self.recent.len() >= FULL && self.moving.is_empty() {
            self.moving = std::mem::take(&mut self.recent);
            self.order = self.moving.keys().copied().collect();
            self.order.sort_unstable();
            (self.moved, self.due) = (0, 0);
        }
    }

    /// The event was deleted.
    pub(super) fn forget(&mut self, key: &Key, event: i64) {
        for keys in [&mut self.recent, &mut self.moving] {
            if keys.get(key) == Some(&event) {
                keys.remove(key);
            }
        }
    }

    /// The transaction that moved them has been committed.
    pub(super) fn moved(&mut self, Moved { until }: Moved) {
        self.moved = until;
        if until == self.order.len() {
            (self.moving, self.order, self.moved) = Default::default();
        }
    }
}

/// Moves what is due, if anything, in the present transaction.
pub(super) fn move_due(db: &Connection, memory: &SharedMemory) -> rusqlite::Result<Option<Moved>> {
    let (keys, until, last) = memory.look(|memory| {
        let Newest { moving, order, moved, due, .. } = &memory.keys;
        let until = order.len().min(*due);
        let keys = order.get(*moved..until).unwrap_or_default().iter();
        let keys: Vec<_> = keys.filter_map(|key| Some((*key, *moving.get(key)?))).collect();
        let ends = until == order.len() && *moved < until;
        (keys, until, ends.then(|| moving.values().max().copied().unwrap_or(0)))
    });
    if keys.is_empty() && last.is_none() {
        return Ok(None);
    }
    let mut insert = db.prepare_cached(
        "INSERT INTO dedupe (key, event) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET event = excluded.event",
    )?;
    for (key, event) in keys {
        insert.execute(params![key, event])?;
    }
    if let Some(last) = last {
        db.prepare_cached("UPDATE meta SET value = max(value, ?) WHERE key = 'keys_moved'")?
            .execute([last])?;
    }
    Ok(Some(Moved { until }))
}

/// Takes the key for event `seq`, unless an event within the window has it:
/// then that one's id.
pub(super) fn repeated(
    tx: &Tx<'_>,
    key: Key,
    seq: i64,
    since: UnixMillis,
) -> Result<Option<EventId>, Problem> {
    let before = match tx.memory.look(|memory| memory.keys.get(&key)) {
        Some(event) => Some(event),
        None => tx
            .db
            .prepare_cached("SELECT event FROM dedupe WHERE key = ?")?
            .query_row([key], |row| row.get(0))
            .optional()?,
    };
    let before = match before {
        Some(event) => tx
            .db
            .prepare_cached("SELECT id FROM events WHERE seq = ? AND dedupe = ? AND received_at >= ?")?
            .query_row(params![event, key, since.0], |row| row.get(0).map(EventId::from_bytes))
            .optional()?,
        None => None,
    };
    if before.is_none() {
        tx.memory.change(|memory| memory.keys.take(key, seq));
    }
    Ok(before)
}
