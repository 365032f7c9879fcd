//! What workers report of their work.

use super::SqliteStore;
use super::problem::Problem;
use super::roster::WorkerNo;
use super::rows;
use super::writer::{Batch, Tx};
use crate::store::StoreError;
use postern_protocol::UnixMillis;
use postern_protocol::api::WorkReport;
use postern_protocol::id::{DeliveryId, EventId, WorkerId};
use rusqlite::{Connection, OptionalExtension, params};

/// Reports kept of one delivery.
const KEPT: i64 = 100;

impl SqliteStore {
    pub(super) async fn report_work(
        &self,
        id: WorkerId,
        event: EventId,
        replay: u32,
        report: WorkReport,
    ) -> Result<bool, StoreError> {
        self.writer.write(Batch::Joins, move |tx| keep(tx, id, event, replay, &report)).await
    }
}

fn keep(
    tx: &mut Tx<'_>,
    id: WorkerId,
    event: EventId,
    replay: u32,
    report: &WorkReport,
) -> Result<bool, Problem> {
    let found: Option<(i64, [u8; 16])> = tx
        .db
        .prepare_cached(
            "SELECT d.event, d.id FROM events e JOIN deliveries d ON d.event = e.seq
               JOIN workers w ON w.no = d.worker
             WHERE e.id = ? AND w.id = ? AND d.replay = ?",
        )?
        .query_row(params![event.to_bytes(), id.to_bytes(), replay], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((event, delivery)) = found else { return Ok(false) };
    add(tx.db, (event, delivery), None, report)?;
    Ok(true)
}

/// Keeps a report, unless it says what the last one said; with a claim group,
/// as that worker's.
pub(super) fn add(
    db: &Connection,
    (event, delivery): (i64, [u8; 16]),
    worker: Option<WorkerNo>,
    report: &WorkReport,
) -> Result<(), Problem> {
    let last: Option<(i64, String, Option<String>, Option<WorkerNo>)> = db
        .prepare_cached(
            "SELECT number, status, reason, worker FROM work WHERE event = ? AND delivery = ? ORDER BY number DESC LIMIT 1",
        )?
        .query_row(params![event, delivery], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .optional()?;
    let status = rows::name(&report.status);
    let number = match last {
        Some((_, before, reason, by)) if before == status && reason == report.reason && by == worker => {
            return Ok(());
        }
        Some((number, ..)) => number + 1,
        None => 1,
    };
    db.prepare_cached(
        "INSERT INTO work (event, delivery, number, at, status, reason, worker) VALUES (?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![event, delivery, number, report.at.0, status, report.reason, worker])?;
    db.prepare_cached("DELETE FROM work WHERE event = ? AND delivery = ? AND number <= ?")?
        .execute(params![event, delivery, number - KEPT])?;
    Ok(())
}

/// What was reported of a delivery, oldest first.
pub(super) fn reports(db: &Connection, event: i64, delivery: DeliveryId) -> Result<Vec<WorkReport>, Problem> {
    let mut statement = db.prepare_cached(
        "SELECT k.at, k.status, k.reason, w.id FROM work k LEFT JOIN workers w ON w.no = k.worker
         WHERE k.event = ? AND k.delivery = ? ORDER BY k.number",
    )?;
    let mut found = statement.query(params![event, delivery.to_bytes()])?;
    let mut reports = Vec::new();
    while let Some(row) = found.next()? {
        reports.push(WorkReport {
            at: UnixMillis(row.get(0)?),
            status: rows::named(&row.get::<_, String>(1)?, "how work stands")?,
            reason: row.get(2)?,
            worker_id: row.get::<_, Option<[u8; 16]>>(3)?.map(WorkerId::from_bytes),
        });
    }
    Ok(reports)
}
