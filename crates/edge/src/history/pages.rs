//! Reading events: pages, changes, one in detail.

mod selection;
mod verification;
mod walk;

pub(crate) use self::selection::Selection;
use self::verification::verification;
use super::readers::Reader;
use super::search::Generation;
use super::{History, HistoryError, runs};
use crate::api::{Body, Changes, EventDetail, EventPage, EventSummary, Outcome, OutcomeKind};
use postern_protocol::{Provider, UnixMillis};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::time::Duration;

/// So many rows at most are in a [`Changes`].
const CHANGES: usize = 200;
/// How long a page may look for its rows.
pub(crate) const LOOK: Duration = Duration::from_millis(150);
/// How long it may take to count all that there are.
const COUNT: Duration = Duration::from_millis(40);

pub(super) const SUMMARY: &str =
    "e.id, e.webhook_id, e.received_at, e.stored_at, e.source, e.provider, e.event_type,
    e.action, e.subject, e.detail, e.size, e.synthetic, e.outcome, e.label, e.seq, e.notify";
/// So many they are: what is selected after them begins there.
pub(super) const SUMMARY_COLUMNS: usize = 16;

/// Reads the columns of [`SUMMARY`].
pub(super) fn summary(row: &Row<'_>) -> rusqlite::Result<EventSummary> {
    let event_type: String = row.get(6)?;
    let action: Option<String> = row.get(7)?;
    let received_at: i64 = row.get(2)?;
    let stored_at: i64 = row.get(3)?;
    let name = match &action {
        Some(action) => format!("{event_type}.{action}"),
        None => event_type.clone(),
    };
    Ok(EventSummary {
        id: row.get(1)?,
        received_at: UnixMillis(received_at),
        stored_at: UnixMillis(stored_at),
        source: row.get(4)?,
        provider: provider(row.get_ref(5)?.as_str()?),
        event_type,
        action,
        name,
        subject: row.get(8)?,
        detail: row.get(9)?,
        size: row.get::<_, i64>(10)?.unsigned_abs(),
        synthetic: row.get(11)?,
        outcome: outcome(row.get_ref(12)?.as_str()?, row.get(13)?),
        latency_ms: stored_at - received_at,
        seq: row.get::<_, i64>(14)?.unsigned_abs(),
        notify: row.get_ref(15)?.as_str_or_null()?.and_then(|names| serde_json::from_str(names).ok()),
    })
}

/// A provider that only a newer version knows is shown as one that signs
/// nothing.
pub(super) fn provider(text: &str) -> Provider {
    text.parse().unwrap_or(Provider::None)
}

/// The text forms are ours alone, written by [`outcome_text`].
pub(super) fn outcome(kind: &str, label: String) -> Outcome {
    let kind = match kind {
        "running" => OutcomeKind::Running,
        "succeeded" => OutcomeKind::Succeeded,
        "failed" => OutcomeKind::Failed,
        _ => OutcomeKind::None,
    };
    Outcome { kind, label }
}

pub(super) fn outcome_text(kind: OutcomeKind) -> &'static str {
    match kind {
        OutcomeKind::None => "none",
        OutcomeKind::Running => "running",
        OutcomeKind::Succeeded => "succeeded",
        OutcomeKind::Failed => "failed",
    }
}

impl History {
    /// A page of the events selected, newest first, found within about
    /// `look`. `before` is the id that [`EventPage::next`] gave.
    pub(crate) async fn page(
        &self,
        selection: Selection,
        before: Option<i64>,
        limit: u32,
        look: Duration,
    ) -> Result<EventPage, HistoryError> {
        self.readers.read(move |reader, index| page(reader, index, &selection, before, limit, look)).await
    }

    /// What has changed since `cursor`.
    pub(crate) async fn since(&self, profile: i64, cursor: u64) -> Result<Changes, HistoryError> {
        let cursor = i64::try_from(cursor).unwrap_or(i64::MAX);
        self.readers.read(move |reader, _| since(&mut reader.connection, profile, cursor)).await
    }

    /// One event with its runs.
    pub(crate) async fn detail(
        &self,
        profile: i64,
        webhook_id: String,
    ) -> Result<Option<EventDetail>, HistoryError> {
        self.readers
            .read(move |reader, _| {
                let tx = reader.connection.transaction()?;
                detail(&tx, profile, &webhook_id)
            })
            .await
    }
}

fn page(
    reader: &mut Reader,
    index: &Generation,
    selection: &Selection,
    before: Option<i64>,
    limit: u32,
    look: Duration,
) -> rusqlite::Result<EventPage> {
    let connection = if selection.searches() { reader.with_search(index)? } else { &reader.connection };
    // Count, rows and cursor of one moment.
    let tx = connection.unchecked_transaction()?;
    let walked = walk::rows(&tx, selection, before, limit as usize, look)?;
    let total = match (before, walked.seen_to) {
        (None, None) => Some(walked.rows.len() as u64),
        // What could not be walked in time cannot be counted in time.
        _ if walked.late => None,
        (None, _) if selection.is_all => Some(all(&tx, selection)?),
        (None, _) if selection.predicate.is_none() => walk::count(&tx, selection, COUNT)?,
        _ => None,
    };
    let searched_to = match walked.seen_to.filter(|_| walked.late) {
        Some(row) => stored_at(&tx, row)?,
        None => None,
    };
    let next = walked.seen_to.map(|row| row.to_string());
    let rows = walked.rows.into_iter().map(|(_, row)| row).collect();
    Ok(EventPage { rows, next, total, searched_to, cursor: cursor(&tx)? })
}

/// How many events the profile has.
fn all(tx: &Connection, selection: &Selection) -> rusqlite::Result<u64> {
    let profile = selection.values(0, 0).next();
    tx.query_row("SELECT events FROM profile WHERE id = ?1", [profile], |row| row.get::<_, i64>(0))
        .optional()
        .map(|events| events.unwrap_or(0).unsigned_abs())
}

/// When the first of the rows from `row` on was stored.
fn stored_at(tx: &Connection, row: i64) -> rusqlite::Result<Option<UnixMillis>> {
    tx.prepare_cached("SELECT stored_at FROM event WHERE id >= ?1 ORDER BY id LIMIT 1")?
        .query_row([row], |row| row.get(0).map(UnixMillis))
        .optional()
}

fn cursor(connection: &Connection) -> rusqlite::Result<u64> {
    connection.query_row("SELECT seq FROM cursor", [], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs)
}

fn since(connection: &mut Connection, profile: i64, after: i64) -> rusqlite::Result<Changes> {
    let tx = connection.transaction()?;
    let (seq, reset_seq): (i64, i64) =
        tx.query_row("SELECT seq, reset_seq FROM cursor", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if after < reset_seq || after > seq {
        return Ok(Changes { rows: Vec::new(), cursor: seq.unsigned_abs(), more: false, reset: true });
    }
    let sql = format!(
        "SELECT {SUMMARY} FROM event e INDEXED BY event_by_seq WHERE e.seq > ?1 AND e.profile = ?2 ORDER BY e.seq LIMIT ?3"
    );
    let rows = tx
        .prepare_cached(&sql)?
        .query_map(params![after, profile, CHANGES as i64], summary)?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let more = rows.len() == CHANGES;
    let cursor = match rows.last() {
        Some(last) if more => last.seq,
        _ => seq.unsigned_abs(),
    };
    Ok(Changes { rows, cursor, more, reset: false })
}

fn detail(tx: &Connection, profile: i64, webhook_id: &str) -> rusqlite::Result<Option<EventDetail>> {
    let sql = format!(
        "SELECT {SUMMARY}, e.signed_at, e.secret, e.attempt, p.headers, p.body
         FROM event e JOIN payload p ON p.event = e.id WHERE e.webhook_id = ?1 AND e.profile = ?2"
    );
    let found = tx
        .prepare_cached(&sql)?
        .query_row(params![webhook_id, profile], |row| {
            let id: i64 = row.get(0)?;
            let summary = summary(row)?;
            let verification = verification(&summary, UnixMillis(row.get("signed_at")?), row.get("secret")?);
            let headers = runs::headers(row.get_ref("headers")?.as_str()?);
            let body = Body::from(row.get_ref("body")?.as_blob()?);
            let attempt = row.get("attempt")?;
            Ok((
                id,
                EventDetail { summary, headers, body, verification, attempt, local: None, runs: Vec::new() },
            ))
        })
        .optional()?;
    let Some((id, mut detail)) = found else { return Ok(None) };
    detail.runs = runs::of_event(tx, id)?;
    Ok(Some(detail))
}
