//! Forgetting the oldest events: by age, and where the file grows too large.
//!
//! In small pieces: whoever wants to write waits for one of them at most. What
//! still waits for its handler, or is in it, stays. Ids are remembered for
//! longer than events ([`History::forget_seen`]). The search index forgets by
//! itself what is not here any more.

use super::{History, HistoryError, database};
use postern_protocol::UnixMillis;
use rusqlite::{Connection, params};

/// So many events at most are forgotten in one piece.
const EVENTS: usize = 200;
/// And about so many bytes of bodies.
const BYTES: i64 = 8 << 20;
/// So many pages at most are given back in one piece.
const PAGES: u32 = 256;
/// Free pages that are kept for what comes next: 16 MiB.
pub(crate) const SPARE_PAGES: u32 = 4096;

impl History {
    /// Forgets some of the oldest events, those stored before `cutoff`; says
    /// whether there may be more.
    pub(crate) async fn forget_before(&self, cutoff: UnixMillis) -> Result<bool, HistoryError> {
        self.forget(move |_| Ok(Some(cutoff.0))).await
    }

    /// Forgets some of the oldest events if the history takes more than so
    /// many bytes; says whether there may be more.
    pub(crate) async fn forget_beyond(&self, bytes: u64) -> Result<bool, HistoryError> {
        self.forget(move |connection| Ok((used(connection)? > bytes).then_some(i64::MAX))).await
    }

    async fn forget(
        &self,
        cutoff: impl Fn(&Connection) -> rusqlite::Result<Option<i64>> + Send + 'static,
    ) -> Result<bool, HistoryError> {
        self.writer
            .write(move |write| {
                let Some(cutoff) = cutoff(write.tx)? else { return Ok(false) };
                let oldest = oldest(write.tx, cutoff)?;
                for (id, profile) in &oldest {
                    write.tx.prepare_cached("DELETE FROM event WHERE id = ?1")?.execute([id])?;
                    write.counts_events(*profile, -1);
                }
                Ok(!oldest.is_empty())
            })
            .await
    }

    /// Gives some free pages back to the file system, beyond `spare`; says
    /// whether there may be more.
    pub(crate) async fn give_back(&self, spare: u32) -> Result<bool, HistoryError> {
        self.writer
            .write(move |write| {
                let free = pragma(write.tx, "freelist_count")?;
                let beyond = free.saturating_sub(spare.into());
                if beyond == 0 {
                    return Ok(false);
                }
                let pages = u32::try_from(beyond).unwrap_or(PAGES).min(PAGES);
                database::give_back(write.tx, Some(pages))?;
                // A file that was made without the means gives nothing back.
                Ok(pragma(write.tx, "freelist_count")? < free)
            })
            .await
    }
}

/// The bytes of pages in use.
fn used(connection: &Connection) -> rusqlite::Result<u64> {
    let pages = pragma(connection, "page_count")?.saturating_sub(pragma(connection, "freelist_count")?);
    Ok(pages * pragma(connection, "page_size")?)
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<u64> {
    connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs)
}

/// A piece of the oldest, each with its profile.
fn oldest(connection: &Connection, cutoff: i64) -> rusqlite::Result<Vec<(i64, i64)>> {
    let mut events = connection.prepare_cached(
        "SELECT id, profile, size, stored_at FROM event WHERE +pending = 0 AND +outcome != 'running' ORDER BY id",
    )?;
    let mut rows = events.query(params![])?;
    let (mut found, mut size) = (Vec::new(), 0);
    while found.len() < EVENTS && size < BYTES {
        let Some(row) = rows.next()? else { break };
        // In the order they were stored in.
        if row.get::<_, i64>(3)? >= cutoff {
            break;
        }
        found.push((row.get(0)?, row.get(1)?));
        size += row.get::<_, i64>(2)?;
    }
    Ok(found)
}
