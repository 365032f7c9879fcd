//! Handler runs: begun, ended, and what is left to be handled.

use super::events::NO_HANDLER;
use super::pages::{outcome, outcome_text};
use super::{History, HistoryError};
use crate::api::{HandlerRun, Outcome, OutcomeKind};
use bytes::Bytes;
use postern_protocol::{HeaderList, UnixMillis};
use rusqlite::{Connection, OptionalExtension, Row, params};

/// An event that waits to be forwarded.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) id: i64,
    pub(crate) entity: Option<String>,
}

/// What a handler is given.
#[derive(Clone, Debug)]
pub(crate) struct StoredPayload {
    pub(crate) id: i64,
    pub(crate) webhook_id: String,
    pub(crate) headers: HeaderList,
    pub(crate) body: Bytes,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub(crate) struct RunEnd {
    pub(crate) micros: u64,
    pub(crate) outcome: Outcome,
    pub(crate) status: Option<u16>,
    pub(crate) response_headers: HeaderList,
    pub(crate) response_body: Option<String>,
    pub(crate) error: Option<String>,
}

const COLUMNS: &str = "id, target, replay, started_at, micros, outcome, label, status, response_headers,
    response_body, error";

fn read(row: &Row<'_>) -> rusqlite::Result<HandlerRun> {
    Ok(HandlerRun {
        id: row.get::<_, i64>(0)?.unsigned_abs(),
        target: row.get(1)?,
        replay: row.get(2)?,
        started_at: UnixMillis(row.get(3)?),
        micros: row.get::<_, Option<i64>>(4)?.map(i64::unsigned_abs),
        outcome: outcome(row.get_ref(5)?.as_str()?, row.get(6)?),
        status: row.get(7)?,
        response_headers: headers(row.get_ref(8)?.as_str()?),
        response_body: row.get(9)?,
        error: row.get(10)?,
    })
}

/// Headers as this module's tables hold them.
pub(super) fn headers(json: &str) -> HeaderList {
    serde_json::from_str(json).unwrap_or_default()
}

pub(super) fn of_event(connection: &Connection, event: i64) -> rusqlite::Result<Vec<HandlerRun>> {
    let sql = format!("SELECT {COLUMNS} FROM run WHERE event = ?1 ORDER BY id");
    connection.prepare_cached(&sql)?.query_map([event], read)?.collect()
}

/// Ends the runs that a crash has cut off. Events that still wait are
/// forwarded again: at least once.
pub(super) fn interrupt_unfinished(connection: &Connection, now: UnixMillis) -> rusqlite::Result<()> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    connection.execute(
        "UPDATE event SET outcome = 'failed', label = 'interrupted'
         WHERE pending = 0 AND id IN (SELECT event FROM run WHERE micros IS NULL)",
        [],
    )?;
    connection.execute(
        "UPDATE run SET outcome = 'failed', label = 'interrupted', micros = max(0, ?1 - started_at) * 1000,
           error = 'interrupted: the edge ended before the target answered'
         WHERE micros IS NULL",
        [now.0],
    )?;
    connection.execute_batch("COMMIT")
}

impl History {
    /// At most `limit` events of the profile that wait to be forwarded, after
    /// the event `after`, the oldest first.
    pub(crate) async fn pending(
        &self,
        profile: i64,
        after: i64,
        limit: usize,
    ) -> Result<Vec<Pending>, HistoryError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.readers
            .read(move |reader, _| {
                reader
                    .connection
                    .prepare_cached(
                        "SELECT id, entity FROM event WHERE profile = ?1 AND pending = 1 AND id > ?2 ORDER BY id LIMIT ?3",
                    )?
                    .query_map(params![profile, after, limit], |row| Ok(Pending { id: row.get(0)?, entity: row.get(1)? }))?
                    .collect()
            })
            .await
    }

    /// An event's headers and body by its row.
    pub(crate) async fn payload(&self, id: i64) -> Result<Option<StoredPayload>, HistoryError> {
        self.readers.read(move |reader, _| payload(&reader.connection, "e.id = ?1", params![id])).await
    }

    /// An event's headers and body by its id in its profile.
    pub(crate) async fn payload_of(
        &self,
        profile: i64,
        webhook_id: String,
    ) -> Result<Option<StoredPayload>, HistoryError> {
        let wanted = "e.webhook_id = ?1 AND e.profile = ?2";
        self.readers
            .read(move |reader, _| payload(&reader.connection, wanted, params![webhook_id, profile]))
            .await
    }

    /// Begins a run: its id.
    pub(crate) async fn begin_run(
        &self,
        event: i64,
        target: String,
        replay: bool,
        now: UnixMillis,
    ) -> Result<i64, HistoryError> {
        self.writer
            .write(move |write| {
                let seq = write.next_seq();
                write
                    .tx
                    .prepare_cached(
                        "UPDATE event SET seq = ?2, outcome = 'running', label = 'running' WHERE id = ?1",
                    )?
                    .execute(params![event, seq])?;
                write
                    .tx
                    .prepare_cached(
                        "INSERT INTO run (event, target, replay, started_at, outcome, label)
                         VALUES (?1, ?2, ?3, ?4, 'running', 'running')",
                    )?
                    .execute(params![event, target, replay, now.0])?;
                Ok(write.tx.last_insert_rowid())
            })
            .await
    }

    /// Ends a run: the event shows what it came to. With `done`, the event
    /// does not wait any more.
    pub(crate) async fn finish_run(
        &self,
        event: i64,
        run: i64,
        end: RunEnd,
        done: bool,
    ) -> Result<HandlerRun, HistoryError> {
        let response_headers = serde_json::to_string(&end.response_headers).unwrap_or_else(|_| "[]".into());
        self.writer
            .write(move |write| {
                let seq = write.next_seq();
                let kind = outcome_text(end.outcome.kind);
                write
                    .tx
                    .prepare_cached(
                        "UPDATE event SET seq = ?2, outcome = ?3, label = ?4, pending = pending AND NOT ?5,
                           status = ?6
                         WHERE id = ?1",
                    )?
                    .execute(params![event, seq, kind, end.outcome.label, done, end.status])?;
                write
                    .tx
                    .prepare_cached(
                        "UPDATE run SET micros = ?2, outcome = ?3, label = ?4, status = ?5,
                           response_headers = ?6, response_body = ?7, error = ?8
                         WHERE id = ?1",
                    )?
                    .execute(params![
                        run,
                        i64::try_from(end.micros).unwrap_or(i64::MAX),
                        kind,
                        end.outcome.label,
                        end.status,
                        response_headers,
                        end.response_body,
                        end.error
                    ])?;
                let sql = format!("SELECT {COLUMNS} FROM run WHERE id = ?1");
                write.tx.prepare_cached(&sql)?.query_row([run], read)
            })
            .await
    }

    /// The event waits no more, for nobody wants it.
    pub(crate) async fn unwanted(&self, event: i64) -> Result<(), HistoryError> {
        let (kind, label) = NO_HANDLER;
        self.writer
            .write(move |write| {
                let seq = write.next_seq();
                write
                    .tx
                    .prepare_cached(
                        "UPDATE event SET seq = ?2, outcome = ?3, label = ?4, pending = 0 WHERE id = ?1",
                    )?
                    .execute(params![event, seq, kind, label])?;
                Ok(())
            })
            .await
    }

    /// The newest run of the profile against `target`.
    pub(crate) async fn last_run(
        &self,
        profile: i64,
        target: String,
    ) -> Result<Option<HandlerRun>, HistoryError> {
        let columns: Vec<_> = COLUMNS.split(',').map(|c| format!("r.{}", c.trim())).collect();
        // The newest runs are looked at only, lest a target long unused costs a walk.
        let sql = format!(
            "SELECT {} FROM run r JOIN event e ON e.id = r.event
             WHERE r.id > (SELECT coalesce(max(id), 0) FROM run) - 1000 AND r.target = ?1 AND e.profile = ?2
             ORDER BY r.id DESC LIMIT 1",
            columns.join(", ")
        );
        self.readers
            .read(move |reader, _| {
                reader.connection.query_row(&sql, params![target, profile], read).optional()
            })
            .await
    }
}

fn payload(
    connection: &Connection,
    wanted: &str,
    key: &[&dyn rusqlite::ToSql],
) -> rusqlite::Result<Option<StoredPayload>> {
    let sql = format!(
        "SELECT e.id, e.webhook_id, p.headers, p.body FROM event e JOIN payload p ON p.event = e.id WHERE {wanted}"
    );
    connection
        .prepare_cached(&sql)?
        .query_row(key, |row| {
            Ok(StoredPayload {
                id: row.get(0)?,
                webhook_id: row.get(1)?,
                headers: headers(row.get_ref(2)?.as_str()?),
                body: Bytes::from(row.get::<_, Vec<u8>>(3)?),
            })
        })
        .optional()
}

impl RunEnd {
    /// A run that got no answer.
    pub(crate) fn failed(micros: u64, label: impl Into<String>, error: impl Into<String>) -> Self {
        Self {
            micros,
            outcome: Outcome { kind: OutcomeKind::Failed, label: label.into() },
            status: None,
            response_headers: HeaderList::new(),
            response_body: None,
            error: Some(error.into()),
        }
    }
}
