//! Handler runs: begun, ended, and what is left to be handled.

use super::claims::{self, Claim};
use super::events::NO_HANDLER;
use super::pages::{outcome, outcome_text, provider};
use super::rules::named;
use super::{History, HistoryError};
use crate::api::{Altered, Body, HandlerRun, Outcome, OutcomeKind, RunRequest, RunRule};
use bytes::Bytes;
use postern_protocol::{Described, HeaderList, Provider, UnixMillis};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::sync::Arc;

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
    pub(crate) provider: Provider,
    /// The source's name.
    pub(crate) source: String,
    /// As filters see it: type and action alone.
    pub(crate) described: Arc<Described>,
    pub(crate) headers: HeaderList,
    pub(crate) body: Bytes,
}

/// An event that is to be handled.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) payload: StoredPayload,
    /// The rules that have succeeded already, before the edge ended, with what
    /// was answered.
    pub(crate) done: Vec<(u64, Outcome, Option<u16>)>,
    /// That it is given to this machine as a member of a claim group.
    pub(crate) claim: Option<Claim>,
}

/// How a run begins.
#[derive(Clone, Debug)]
pub(crate) struct Began {
    pub(crate) event: i64,
    pub(crate) target: String,
    pub(crate) rule: Option<RunRule>,
    pub(crate) replay: bool,
    pub(crate) attempt: u32,
    pub(crate) at: UnixMillis,
    /// What is sent.
    pub(crate) headers: HeaderList,
    /// How it differs from what came, and the body then.
    pub(crate) altered: Option<(Altered, Bytes)>,
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
    pub(crate) warning: Option<String>,
}

/// What an event shows once a run of it has ended.
#[derive(Clone, Debug)]
pub(crate) struct Settled {
    pub(crate) outcome: Outcome,
    /// The answer's status that stands for it.
    pub(crate) status: Option<u16>,
    /// Whether the event waits no more.
    pub(crate) done: bool,
}

/// Of a run in a table named `r`.
pub(super) const COLUMNS: &str =
    "r.id, r.target, r.replay, r.started_at, r.micros, r.outcome, r.label, r.status,
    r.response_headers, r.response_body, r.error, r.rule, r.rule_name, r.attempt, r.warning, r.edited, r.resigned";

/// Reads [`COLUMNS`] where they begin at `from`.
pub(super) fn read(row: &Row<'_>, from: usize) -> rusqlite::Result<HandlerRun> {
    let rule: Option<i64> = row.get(from + 11)?;
    let name: Option<String> = row.get(from + 12)?;
    Ok(HandlerRun {
        id: row.get::<_, i64>(from)?.unsigned_abs(),
        target: row.get(from + 1)?,
        replay: row.get(from + 2)?,
        started_at: UnixMillis(row.get(from + 3)?),
        micros: row.get::<_, Option<i64>>(from + 4)?.map(i64::unsigned_abs),
        outcome: outcome(row.get_ref(from + 5)?.as_str()?, row.get(from + 6)?),
        status: row.get(from + 7)?,
        response_headers: headers(row.get_ref(from + 8)?.as_str()?),
        response_body: row.get(from + 9)?,
        error: row.get(from + 10)?,
        rule: rule.zip(name).map(|(id, name)| RunRule { id: id.unsigned_abs(), name }),
        attempt: row.get(from + 13)?,
        warning: row.get(from + 14)?,
        altered: altered(row.get(from + 15)?, row.get(from + 16)?),
    })
}

fn altered(edited: bool, resigned: bool) -> Option<Altered> {
    (edited || resigned).then_some(Altered { edited, resigned })
}

/// Headers as this module's tables hold them.
pub(super) fn headers(json: &str) -> HeaderList {
    serde_json::from_str(json).unwrap_or_default()
}

pub(super) fn of_event(connection: &Connection, event: i64) -> rusqlite::Result<Vec<HandlerRun>> {
    let sql = format!("SELECT {COLUMNS} FROM run r WHERE r.event = ?1 ORDER BY r.id");
    connection.prepare_cached(&sql)?.query_map([event], |row| read(row, 0))?.collect()
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

    /// An event that waits, by its row.
    pub(crate) async fn waiting(&self, id: i64) -> Result<Option<Waiting>, HistoryError> {
        self.readers
            .read(move |reader, _| {
                let connection = &reader.connection;
                let Some(payload) = payload(connection, "e.id = ?1", params![id])? else { return Ok(None) };
                let done = connection
                    .prepare_cached(
                        "SELECT rule, label, status FROM run
                         WHERE event = ?1 AND rule IS NOT NULL AND replay = 0 AND outcome = 'succeeded'",
                    )?
                    .query_map([id], |row| {
                        let label = row.get(1)?;
                        let rule: i64 = row.get(0)?;
                        Ok((rule.unsigned_abs(), outcome("succeeded", label), row.get(2)?))
                    })?
                    .collect::<rusqlite::Result<_>>()?;
                Ok(Some(Waiting { payload, done, claim: claims::of_event(connection, id)? }))
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
    pub(crate) async fn begin_run(&self, began: Began) -> Result<i64, HistoryError> {
        let request_headers = serde_json::to_string(&began.headers).unwrap_or_else(|_| "[]".into());
        self.writer
            .write(move |write| {
                let seq = write.next_seq();
                let rule = began.rule.as_ref();
                write
                    .tx
                    .prepare_cached(
                        "UPDATE event SET seq = ?2, outcome = 'running', label = 'running' WHERE id = ?1",
                    )?
                    .execute(params![began.event, seq])?;
                write
                    .tx
                    .prepare_cached(
                        "INSERT INTO run (event, target, replay, started_at, outcome, label, rule, rule_name,
                           attempt, request_headers, edited, resigned)
                         VALUES (?1, ?2, ?3, ?4, 'running', 'running', ?5, ?6, ?7, ?8, ?9, ?10)",
                    )?
                    .execute(params![
                        began.event,
                        began.target,
                        began.replay,
                        began.at.0,
                        rule.map(|rule| i64::try_from(rule.id).unwrap_or(i64::MAX)),
                        rule.map(|rule| &rule.name),
                        began.attempt,
                        request_headers,
                        began.altered.as_ref().is_some_and(|(altered, _)| altered.edited),
                        began.altered.as_ref().is_some_and(|(altered, _)| altered.resigned),
                    ])?;
                let run = write.tx.last_insert_rowid();
                if let Some((_, body)) = &began.altered {
                    write
                        .tx
                        .prepare_cached("INSERT INTO altered_body (run, body) VALUES (?1, ?2)")?
                        .execute(params![run, &body[..]])?;
                }
                Ok(run)
            })
            .await
    }

    /// Ends a run. Once `settled`, the event shows what it came to.
    pub(crate) async fn finish_run(
        &self,
        event: i64,
        run: i64,
        end: RunEnd,
        settled: Option<Settled>,
    ) -> Result<HandlerRun, HistoryError> {
        let response_headers = serde_json::to_string(&end.response_headers).unwrap_or_else(|_| "[]".into());
        self.writer
            .write(move |write| {
                let seq = write.next_seq();
                match &settled {
                    None => {
                        write
                            .tx
                            .prepare_cached("UPDATE event SET seq = ?2 WHERE id = ?1")?
                            .execute(params![event, seq])?;
                    }
                    Some(settled) => show(write.tx, event, seq, settled)?,
                }
                write
                    .tx
                    .prepare_cached(
                        "UPDATE run SET micros = ?2, outcome = ?3, label = ?4, status = ?5,
                           response_headers = ?6, response_body = ?7, error = ?8, warning = ?9
                         WHERE id = ?1",
                    )?
                    .execute(params![
                        run,
                        i64::try_from(end.micros).unwrap_or(i64::MAX),
                        outcome_text(end.outcome.kind),
                        end.outcome.label,
                        end.status,
                        response_headers,
                        end.response_body,
                        end.error,
                        end.warning,
                    ])?;
                let sql = format!("SELECT {COLUMNS} FROM run r WHERE r.id = ?1");
                write.tx.prepare_cached(&sql)?.query_row([run], |row| read(row, 0))
            })
            .await
    }

    /// What a run of the profile's sent; `None` when there is no such run, or
    /// it is older than the record of such things.
    pub(crate) async fn run_request(
        &self,
        profile: i64,
        run: u64,
    ) -> Result<Option<RunRequest>, HistoryError> {
        let run = i64::try_from(run).unwrap_or(i64::MAX);
        self.readers
            .read(move |reader, _| {
                reader
                    .connection
                    .prepare_cached(
                        "SELECT r.target, r.request_headers, r.edited, r.resigned, coalesce(a.body, p.body)
                         FROM run r JOIN event e ON e.id = r.event JOIN payload p ON p.event = e.id
                           LEFT JOIN altered_body a ON a.run = r.id
                         WHERE r.id = ?1 AND e.profile = ?2 AND r.request_headers IS NOT NULL",
                    )?
                    .query_row(params![run, profile], |row| {
                        Ok(RunRequest {
                            target: row.get(0)?,
                            headers: headers(row.get_ref(1)?.as_str()?),
                            altered: altered(row.get(2)?, row.get(3)?),
                            body: Body::from(row.get_ref(4)?.as_blob()?),
                        })
                    })
                    .optional()
            })
            .await
    }

    /// Says what an event came to without a run.
    pub(crate) async fn settle(&self, event: i64, settled: Settled) -> Result<(), HistoryError> {
        self.writer
            .write(move |write| {
                let seq = write.next_seq();
                show(write.tx, event, seq, &settled)
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
}

fn show(connection: &Connection, event: i64, seq: i64, settled: &Settled) -> rusqlite::Result<()> {
    let Settled { outcome, status, done } = settled;
    connection
        .prepare_cached(
            "UPDATE event SET seq = ?2, outcome = ?3, label = ?4, pending = pending AND NOT ?5, status = ?6
             WHERE id = ?1",
        )?
        .execute(params![event, seq, outcome_text(outcome.kind), outcome.label, done, status])?;
    Ok(())
}

fn payload(
    connection: &Connection,
    wanted: &str,
    key: &[&dyn rusqlite::ToSql],
) -> rusqlite::Result<Option<StoredPayload>> {
    let sql = format!(
        "SELECT e.id, e.webhook_id, e.provider, e.event_type, e.action, p.headers, p.body, e.source FROM event e JOIN payload p ON p.event = e.id WHERE {wanted}"
    );
    connection
        .prepare_cached(&sql)?
        .query_row(key, |row| {
            Ok(StoredPayload {
                id: row.get(0)?,
                webhook_id: row.get(1)?,
                provider: provider(row.get_ref(2)?.as_str()?),
                described: Arc::new(named(row.get_ref(3)?.as_str()?, row.get_ref(4)?.as_str_or_null()?)),
                headers: headers(row.get_ref(5)?.as_str()?),
                body: Bytes::from(row.get::<_, Vec<u8>>(6)?),
                source: row.get(7)?,
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
            warning: None,
        }
    }
}
