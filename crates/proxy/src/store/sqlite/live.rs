//! What happened since: events in the order in which they were committed, and
//! the log of changes that a trigger of the database keeps.

use super::SqliteStore;
use super::deliveries::{self, Key};
use super::events::{EVENT, Listed};
use super::problem::Problem;
use super::writer::{Batch, Tx};
use crate::store::{LiveBatch, LiveMark, StoreError};
use postern_protocol::id::WorkspaceId;
use rusqlite::{Connection, params};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Changes kept: the newest so many.
const KEPT: i64 = 1_000_000;
/// Changes deleted in one transaction.
const AT_ONCE: i64 = 5_000;

impl SqliteStore {
    pub(super) async fn live_now(&self) -> Result<LiveMark, StoreError> {
        self.readers.read(|db| Ok(ends(db)?.1)).await
    }

    pub(super) async fn live_since(
        &self,
        workspace: WorkspaceId,
        mark: LiveMark,
        limit: u32,
    ) -> Result<LiveBatch, StoreError> {
        let memory = Arc::clone(&self.memory);
        let read = move |db: &Connection| {
            let (oldest, newest) = ends(db)?;
            let ahead = mark.event > newest.event || mark.change > newest.change;
            if ahead || mark.change.saturating_add(1) < oldest {
                return Ok(LiveBatch { mark: newest, gap: true, ..LiveBatch::default() });
            }
            let mut batch = LiveBatch { mark, ..LiveBatch::default() };
            let mut statement = db.prepare_cached(&format!(
                "SELECT {EVENT} FROM events e WHERE e.seq > ? ORDER BY e.seq LIMIT ?"
            ))?;
            let mut rows = statement.query(params![mark.event, limit])?;
            let mut seen = 0;
            while let Some(row) = rows.next()? {
                let event = Listed::read(row)?;
                (seen, batch.mark.event) = (seen + 1, event.seq);
                if event.workspace == workspace {
                    batch.events.push((batch.mark, event.shown(db)?));
                }
            }
            let (changed, last) = changes(db, mark.change, limit)?;
            batch.more = seen == limit || changed == limit;
            for (no, key) in last {
                batch.mark.change = no;
                if let Some(found) = deliveries::listed(db, &memory, key)?
                    && found.workspace == workspace
                {
                    batch.deliveries.push((batch.mark, found.shown(db)?));
                }
            }
            Ok(batch)
        };
        self.readers.read(read).await
    }

    /// Forgets the oldest changes.
    pub(super) async fn prune_changes(&self) -> Result<(), StoreError> {
        loop {
            let forget = |tx: &mut Tx<'_>| {
                let sql = "DELETE FROM changes WHERE no <=
                    min((SELECT max(no) FROM changes) - ?1, (SELECT min(no) FROM changes) + ?2)";
                Ok(tx.db.prepare_cached(sql)?.execute([KEPT, AT_ONCE])?)
            };
            if self.writer.write(Batch::Joins, forget).await? == 0 {
                return Ok(());
            }
        }
    }
}

/// The number of the oldest change kept, and the present.
fn ends(db: &Connection) -> Result<(i64, LiveMark), Problem> {
    let sql = "SELECT coalesce((SELECT min(no) FROM changes), 0), coalesce((SELECT max(no) FROM changes), 0),
                      coalesce((SELECT max(seq) FROM events), 0)";
    let read =
        |row: &rusqlite::Row<'_>| Ok((row.get(0)?, LiveMark { change: row.get(1)?, event: row.get(2)? }));
    Ok(db.prepare_cached(sql)?.query_row([], read)?)
}

/// How many changes follow `mark`, up to `limit`, and the deliveries they are
/// of: each once, by its last change.
fn changes(db: &Connection, mark: i64, limit: u32) -> Result<(u32, BTreeMap<i64, Key>), Problem> {
    let mut statement =
        db.prepare_cached("SELECT event, delivery, no FROM changes WHERE no > ? ORDER BY no LIMIT ?")?;
    let mut found = statement.query(params![mark, limit])?;
    let (mut count, mut last) = (0, BTreeMap::new());
    while let Some(row) = found.next()? {
        last.insert(deliveries::key(row)?, row.get(2)?);
        count += 1;
    }
    Ok((count, last.into_iter().map(|(key, no)| (no, key)).collect()))
}
