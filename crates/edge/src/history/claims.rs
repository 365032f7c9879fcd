//! What this machine has as a member of a claim group: kept from the delivery
//! until the report that ends it is with the proxy.

use super::events::WAITING;
use super::pages::outcome;
use super::writer::Write;
use super::{History, HistoryError};
use crate::api::OutcomeKind;
use postern_protocol::UnixMillis;
use rusqlite::{Connection, OptionalExtension, Row, params};

/// That a delivery is given to this machine for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NewClaim {
    /// Which time it is given out.
    pub(crate) number: u32,
    /// For how long, in milliseconds.
    pub(crate) lease: i64,
}

/// A claim and how the work on it stands.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) event: i64,
    pub(crate) webhook_id: String,
    pub(crate) number: u32,
    /// In milliseconds.
    pub(crate) lease: i64,
    /// When the proxy last said, or knew, that it is held.
    pub(crate) at: UnixMillis,
    pub(crate) lost: bool,
    /// Whether the event waits for its handler, or is with it.
    pub(crate) pending: bool,
    pub(crate) outcome: OutcomeKind,
    /// What became of the last run, in words.
    pub(crate) words: String,
}

const CLAIM: &str =
    "SELECT c.event, e.webhook_id, c.number, c.lease, c.at, c.lost, e.pending, e.outcome, e.label,
       (SELECT error FROM run WHERE event = c.event ORDER BY id DESC LIMIT 1)
     FROM claim c JOIN event e ON e.id = c.event";

fn read(row: &Row<'_>) -> rusqlite::Result<Claim> {
    let label: String = row.get(8)?;
    let error: Option<String> = row.get(9)?;
    Ok(Claim {
        event: row.get(0)?,
        webhook_id: row.get(1)?,
        number: row.get(2)?,
        lease: row.get(3)?,
        at: UnixMillis(row.get(4)?),
        lost: row.get(5)?,
        pending: row.get(6)?,
        outcome: outcome(row.get_ref(7)?.as_str()?, String::new()).kind,
        words: error.unwrap_or(label),
    })
}

/// The claim on an event.
pub(super) fn of_event(connection: &Connection, event: i64) -> rusqlite::Result<Option<Claim>> {
    let sql = format!("{CLAIM} WHERE c.event = ?1");
    connection.prepare_cached(&sql)?.query_row([event], read).optional()
}

/// Notes a claim on an event that was just stored.
pub(super) fn note(
    write: &Write<'_>,
    event: i64,
    profile: i64,
    claim: NewClaim,
    now: UnixMillis,
) -> rusqlite::Result<()> {
    write
        .tx
        .prepare_cached(
            "INSERT INTO claim (event, profile, number, lease, at) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET number = ?3, lease = ?4, at = ?5, lost = 0",
        )?
        .execute(params![event, profile, claim.number, claim.lease, now.0])?;
    Ok(())
}

/// A known event is given to this machine once more. The event, where it is to
/// be handled anew: what was done, or is being done, counts.
pub(super) fn note_again(
    write: &mut Write<'_>,
    (profile, webhook_id): (i64, &str),
    claim: NewClaim,
    forwards: bool,
    now: UnixMillis,
) -> rusqlite::Result<Option<i64>> {
    let found: Option<(i64, bool, String, Option<u32>)> = write
        .tx
        .prepare_cached(
            "SELECT e.id, e.pending, e.outcome, c.number FROM event e LEFT JOIN claim c ON c.event = e.id
             WHERE e.webhook_id = ? AND e.profile = ?",
        )?
        .query_row(params![webhook_id, profile], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    let Some((event, pending, outcome, before)) = found else { return Ok(None) };
    if before.is_some_and(|before| before >= claim.number) {
        return Ok(None);
    }
    note(write, event, profile, claim, now)?;
    if pending || outcome == "succeeded" || !forwards {
        return Ok(None);
    }
    let (seq, (outcome, label)) = (write.next_seq(), WAITING);
    write
        .tx
        .prepare_cached("UPDATE event SET seq = ?2, outcome = ?3, label = ?4, pending = 1 WHERE id = ?1")?
        .execute(params![event, seq, outcome, label])?;
    Ok(Some(event))
}

impl History {
    /// A profile's claims, oldest first.
    pub(crate) async fn claims(&self, profile: i64) -> Result<Vec<Claim>, HistoryError> {
        self.readers
            .read(move |reader, _| {
                let sql = format!("{CLAIM} WHERE c.profile = ?1 ORDER BY c.event");
                reader.connection.prepare_cached(&sql)?.query_map([profile], read)?.collect()
            })
            .await
    }

    /// The claim on an event.
    pub(crate) async fn claim(&self, event: i64) -> Result<Option<Claim>, HistoryError> {
        self.readers.read(move |reader, _| of_event(&reader.connection, event)).await
    }

    /// The proxy said at `at` that it is held, by this number.
    pub(crate) async fn claim_held(
        &self,
        event: i64,
        number: u32,
        at: UnixMillis,
        lease: i64,
    ) -> Result<(), HistoryError> {
        let sql = "UPDATE claim SET at = ?3, lease = ?4 WHERE event = ?1 AND number = ?2";
        self.writer
            .write(move |write| {
                write.tx.prepare_cached(sql)?.execute(params![event, number, at.0, lease]).map(drop)
            })
            .await
    }

    /// The proxy said that it is held no more. What waits for its handler
    /// waits no more.
    pub(crate) async fn claim_lost(&self, event: i64, number: u32) -> Result<(), HistoryError> {
        let sql = "UPDATE claim SET lost = 1 WHERE event = ?1 AND number = ?2";
        self.writer
            .write(move |write| write.tx.prepare_cached(sql)?.execute(params![event, number]).map(drop))
            .await
    }

    /// Somebody else than this machine's handler reported on an event: that
    /// the work goes on, or that it has ended.
    pub(crate) async fn claim_reported(
        &self,
        profile: i64,
        webhook_id: String,
        ended: bool,
        at: UnixMillis,
    ) -> Result<(), HistoryError> {
        let which = "event = (SELECT id FROM event WHERE webhook_id = ?1 AND profile = ?2)";
        let sql = if ended {
            format!("DELETE FROM claim WHERE ?3 = ?3 AND {which}")
        } else {
            format!("UPDATE claim SET at = ?3 WHERE {which}")
        };
        self.writer
            .write(move |write| {
                write.tx.prepare_cached(&sql)?.execute(params![webhook_id, profile, at.0]).map(drop)
            })
            .await
    }

    /// There is nothing left to be said of it.
    pub(crate) async fn claim_over(&self, event: i64, number: u32) -> Result<(), HistoryError> {
        let sql = "DELETE FROM claim WHERE event = ?1 AND number = ?2";
        self.writer
            .write(move |write| write.tx.prepare_cached(sql)?.execute(params![event, number]).map(drop))
            .await
    }

    /// An event that is another member's now is not handled here.
    pub(crate) async fn given_up(&self, event: i64) -> Result<(), HistoryError> {
        self.writer
            .write(move |write| {
                let seq = write.next_seq();
                write
                    .tx
                    .prepare_cached(
                        "UPDATE event SET seq = ?2, outcome = 'none', label = 'left to another', pending = 0
                         WHERE id = ?1",
                    )?
                    .execute(params![event, seq])
                    .map(drop)
            })
            .await
    }
}
