//! The parts of the index, in order of their events.

use super::indexer::PIECE;
use crate::history::database;
use rusqlite::{Connection, Transaction, params};

/// A part takes so many events at most.
const EVENTS: i64 = 32_768;
/// And at most about so many bytes of text.
const BYTES: i64 = 256 << 20;

/// A part as a search sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::history) struct Part {
    pub(in crate::history) number: i64,
    /// The row of its oldest event.
    pub(in crate::history) first: i64,
    /// The row of its newest.
    pub(in crate::history) last: i64,
}

impl Part {
    /// Those that hold events before a row, the newest first; the index must
    /// be attached.
    pub(in crate::history) fn before(reader: &Connection, row: i64) -> rusqlite::Result<Vec<Self>> {
        reader
            .prepare_cached(
                "SELECT number, first, last FROM search.part WHERE first < ?1 ORDER BY number DESC",
            )?
            .query_map([row], |row| Ok(Self { number: row.get(0)?, first: row.get(1)?, last: row.get(2)? }))?
            .collect()
    }

    /// Its table.
    pub(in crate::history) fn table(&self) -> String {
        table(self.number)
    }
}

fn table(number: i64) -> String {
    format!("doc_{number}")
}

/// What is known of the parts without a look into the file.
#[derive(Clone, Default)]
pub(super) struct Parts {
    /// The full ones, the oldest first: number, and row of the newest event.
    full: Vec<(i64, i64)>,
    /// The one that takes new events; 0: none yet.
    number: i64,
    last: i64,
    events: i64,
    bytes: i64,
}

impl Parts {
    /// Where the index stands.
    pub(super) fn open(connection: &Connection) -> rusqlite::Result<Self> {
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS part (
               number INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL,
               events INTEGER NOT NULL, bytes INTEGER NOT NULL
             )",
        )?;
        let mut parts = Self::default();
        let mut all = connection.prepare("SELECT number, last, events, bytes FROM part ORDER BY number")?;
        let mut rows = all.query([])?;
        while let Some(row) = rows.next()? {
            parts.close();
            (parts.number, parts.last) = (row.get(0)?, row.get(1)?);
            (parts.events, parts.bytes) = (row.get(2)?, row.get(3)?);
        }
        if parts.number > 0 {
            // Whether it can be read at all.
            let any = format!("SELECT count(*) FROM {0} WHERE {0} MATCH '\"\u{1}\"'", table(parts.number));
            connection.query_row(&any, [], |_| Ok(()))?;
        }
        Ok(parts)
    }

    fn close(&mut self) {
        if self.number > 0 {
            self.full.push((self.number, self.last));
        }
    }

    /// Adds texts to the newest part, and begins another when it is full: what
    /// counts once the transaction is committed.
    pub(super) fn add(&self, tx: &Transaction<'_>, texts: &[(i64, String)]) -> rusqlite::Result<Self> {
        let mut to = self.clone();
        let (Some((first, _)), Some((last, _))) = (texts.first(), texts.last()) else { return Ok(to) };
        if to.number == 0 || to.events >= EVENTS || to.bytes >= BYTES {
            to.close();
            (to.number, to.events, to.bytes) = (to.number + 1, 0, 0);
            create(tx, to.number, *first)?;
        }
        let sql = format!("INSERT INTO {} (rowid, text) VALUES (?1, ?2)", table(to.number));
        let mut insert = tx.prepare_cached(&sql)?;
        for (event, text) in texts {
            insert.execute(params![event, text])?;
            to.events += 1;
            to.bytes += i64::try_from(text.len()).unwrap_or(i64::MAX);
        }
        to.last = *last;
        tx.prepare_cached("UPDATE part SET last = ?2, events = ?3, bytes = ?4 WHERE number = ?1")?
            .execute(params![to.number, to.last, to.events, to.bytes])?;
        Ok(to)
    }

    /// Drops the full parts that hold nothing from the row `oldest` on, and
    /// gives their room back.
    pub(super) fn drop_before(&mut self, connection: &mut Connection, oldest: i64) -> rusqlite::Result<()> {
        let mut dropped = false;
        while let Some((number, _)) = self.full.first().copied().filter(|(_, last)| *last < oldest) {
            let tx = connection.transaction()?;
            tx.execute_batch(&format!("DROP TABLE {}", table(number)))?;
            tx.execute("DELETE FROM part WHERE number = ?1", [number])?;
            tx.commit()?;
            self.full.remove(0);
            dropped = true;
        }
        if dropped {
            database::give_back(connection, None)?;
        }
        Ok(())
    }
}

fn create(tx: &Transaction<'_>, number: i64, first: i64) -> rusqlite::Result<()> {
    let table = table(number);
    tx.execute_batch(&format!(
        "CREATE VIRTUAL TABLE {table} USING fts5(
           text, content = '', contentless_delete = 1, prefix = '2', tokenize = 'unicode61 remove_diacritics 2'
         );
         INSERT INTO {table} ({table}, rank) VALUES ('hashsize', {PIECE});"
    ))?;
    tx.execute("INSERT INTO part VALUES (?1, ?2, ?2, 0, 0)", [number, first])?;
    Ok(())
}
