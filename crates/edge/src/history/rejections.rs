//! Refused requests, bounded: alike ones are one row with a count.

use super::{History, HistoryError};
use crate::api::{Rejected, RejectedPage};
use postern_protocol::UnixMillis;
use postern_protocol::signature::Failure;
use rusqlite::{OptionalExtension, params};

/// So many rows are kept in all.
const KEPT: i64 = 1_000;
/// Requests of one kind this close together are one row, in milliseconds.
const TOGETHER: i64 = 600_000;

/// A refused request, or several alike.
#[derive(Clone, Debug)]
pub(crate) struct Rejection {
    pub(crate) profile: Option<i64>,
    pub(crate) at: UnixMillis,
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) reason: String,
    pub(crate) failure: Option<Failure>,
    /// What is probably wrong, in words.
    pub(crate) guess: Option<String>,
    pub(crate) peer_ip: String,
    pub(crate) peer: String,
    pub(crate) request: String,
    pub(crate) size: u64,
    pub(crate) count: u64,
}

impl History {
    /// Notes refused requests; the newest of a kind stands for those before
    /// it. Says how many rows there are now.
    pub(crate) async fn record_rejections(&self, rejections: Vec<Rejection>) -> Result<u64, HistoryError> {
        self.writer
            .write(move |write| {
                for r in &rejections {
                    let alike: Option<i64> = write
                        .tx
                        .prepare_cached(
                            "SELECT id FROM rejected
                             WHERE code = ?1 AND peer_ip = ?2 AND at > ?3 AND profile IS ?4
                             ORDER BY at DESC LIMIT 1",
                        )?
                        .query_row(params![r.code, r.peer_ip, r.at.0 - TOGETHER, r.profile], |row| row.get(0))
                        .optional()?;
                    let failure = r.failure.as_ref().and_then(|f| serde_json::to_string(f).ok());
                    let size = i64::try_from(r.size).unwrap_or(i64::MAX);
                    let count = i64::try_from(r.count).unwrap_or(i64::MAX);
                    match alike {
                        Some(id) => write
                            .tx
                            .prepare_cached(
                                "UPDATE rejected SET at = ?2, reason = ?3, failure = ?4, peer = ?5, request = ?6,
                                   size = ?7, count = count + ?8, guess = coalesce(?9, guess) WHERE id = ?1",
                            )?
                            .execute(params![id, r.at.0, r.reason, failure, r.peer, r.request, size, count, r.guess])?,
                        None => write
                            .tx
                            .prepare_cached(
                                "INSERT INTO rejected (profile, at, status, code, reason, failure, peer_ip, peer,
                                   request, size, count, guess)
                                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
                            )?
                            .execute(params![
                                r.profile, r.at.0, r.status, r.code, r.reason, failure, r.peer_ip, r.peer,
                                r.request, size, count, r.guess
                            ])?,
                    };
                }
                write
                    .tx
                    .prepare_cached(
                        "DELETE FROM rejected WHERE id IN
                           (SELECT id FROM rejected ORDER BY id DESC LIMIT -1 OFFSET ?1)",
                    )?
                    .execute([KEPT])?;
                write
                    .tx
                    .prepare_cached("SELECT count(*) FROM rejected")?
                    .query_row([], |row| row.get::<_, i64>(0))
                    .map(i64::unsigned_abs)
            })
            .await
    }

    /// The profile's refused requests and those that named no profile, newest
    /// first.
    pub(crate) async fn rejected(
        &self,
        profile: Option<i64>,
        before: Option<u64>,
        limit: u32,
    ) -> Result<RejectedPage, HistoryError> {
        let before = before.map_or(i64::MAX, |id| i64::try_from(id).unwrap_or(i64::MAX));
        self.readers
            .read(move |reader, _| {
                let tx = reader.connection.transaction()?;
                let total = tx.query_row(
                    "SELECT count(*) FROM rejected WHERE profile IS NULL OR profile IS ?1",
                    [profile],
                    |row| row.get::<_, i64>(0),
                )?;
                let rows = tx
                    .prepare_cached(
                        "SELECT id, at, status, code, reason, failure, peer, request, size, count, guess FROM rejected
                         WHERE (profile IS NULL OR profile IS ?1) AND id < ?2 ORDER BY id DESC LIMIT ?3",
                    )?
                    .query_map(params![profile, before, limit], |row| {
                        let failure: Option<String> = row.get(5)?;
                        Ok(Rejected {
                            id: row.get::<_, i64>(0)?.unsigned_abs(),
                            at: UnixMillis(row.get(1)?),
                            status: row.get(2)?,
                            code: row.get(3)?,
                            reason: row.get(4)?,
                            failure: failure.and_then(|f| serde_json::from_str(&f).ok()),
                            peer: row.get(6)?,
                            request: row.get(7)?,
                            size: row.get::<_, i64>(8)?.unsigned_abs(),
                            count: row.get::<_, i64>(9)?.unsigned_abs(),
                            guess: row.get(10)?,
                        })
                    })?
                    .collect::<rusqlite::Result<Vec<_>>>()?;
                Ok(RejectedPage { rows, total: total.unsigned_abs() })
            })
            .await
    }
}
