//! The inspector's file: the newest exchanges, so many and so large.

use super::Capture;
use crate::api::{Body, TunnelFrame, TunnelRequest, TunnelRequestDetail};
use postern_protocol::HeaderList;
use rusqlite::{Connection, OptionalExtension, ToSql, params};
use std::path::Path;
use std::time::Duration;

/// So many exchanges are kept.
const MOST: i64 = 5_000;
/// And so many bytes of them.
const BYTES: i64 = 256 << 20;
/// So many pages may be free, and stay in the file: 16 MiB.
const FREE: i64 = 4_096;
/// So many rows a search looks at in one go.
const LOOK: usize = 1_000;

/// An exchange as it is kept.
pub(crate) struct Stored {
    pub(crate) profile: i64,
    pub(crate) summary: TunnelRequest,
    pub(crate) capture: Capture,
}

/// What to look for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Look {
    pub(crate) profile: i64,
    pub(crate) tunnel: Option<String>,
    /// In method, path, headers and bodies; letters' case does not count.
    pub(crate) text: Option<String>,
    pub(crate) method: Option<String>,
    /// In the path; letters' case does not count.
    pub(crate) path: Option<String>,
    /// From … to.
    pub(crate) status: Option<(u16, u16)>,
    /// Those without a status.
    pub(crate) unanswered: bool,
    /// A header's name, and text in its value; letters' case does not count.
    pub(crate) header: Option<(String, String)>,
    pub(crate) least_bytes: Option<u64>,
    pub(crate) least_micros: Option<u64>,
    pub(crate) before: Option<u64>,
    pub(crate) limit: usize,
}

/// What was found.
pub(crate) struct Found {
    pub(crate) rows: Vec<TunnelRequest>,
    /// Where to go on; absent at the end.
    pub(crate) next: Option<u64>,
}

pub(crate) struct Store {
    connection: Connection,
    kept: Kept,
}

/// How much is kept: to count it takes longer than to write what came.
#[derive(Clone, Copy)]
struct Kept {
    count: i64,
    bytes: i64,
}

impl Store {
    pub(super) fn open(path: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        // What is kept here may be lost: commits need not wait for the disk.
        connection.execute_batch(
            "PRAGMA auto_vacuum = INCREMENTAL;
             PRAGMA journal_mode = WAL;
             PRAGMA synchronous = NORMAL;
             PRAGMA foreign_keys = ON;
             CREATE TABLE IF NOT EXISTS exchange (
               id INTEGER PRIMARY KEY,
               profile INTEGER NOT NULL,
               tunnel TEXT NOT NULL,
               method TEXT NOT NULL,
               path TEXT NOT NULL,
               status INTEGER,
               micros INTEGER NOT NULL,
               bytes INTEGER NOT NULL,
               -- Of all that is kept of it.
               size INTEGER NOT NULL,
               -- As the local API writes them.
               summary TEXT NOT NULL
             );
             CREATE TABLE IF NOT EXISTS content (
               exchange INTEGER PRIMARY KEY REFERENCES exchange (id) ON DELETE CASCADE,
               request_headers TEXT NOT NULL,
               request_body BLOB NOT NULL,
               request_truncated INTEGER NOT NULL,
               response_headers TEXT NOT NULL,
               response_body BLOB NOT NULL,
               response_truncated INTEGER NOT NULL,
               frames TEXT NOT NULL,
               more_frames INTEGER NOT NULL
             );",
        )?;
        let kept = Kept::count(&connection)?;
        Ok(Self { connection, kept })
    }

    /// The greatest number.
    pub(super) fn newest(&self) -> rusqlite::Result<u64> {
        let newest: i64 =
            self.connection.query_row("SELECT coalesce(max(id), 0) FROM exchange", [], |row| row.get(0))?;
        Ok(newest.unsigned_abs())
    }

    /// Keeps exchanges, and forgets the oldest beyond the bounds.
    pub(super) fn keep(&mut self, batch: &[Stored]) -> rusqlite::Result<()> {
        let mut kept = self.kept;
        let tx = self.connection.transaction()?;
        for stored in batch {
            insert(&tx, stored, &mut kept)?;
        }
        if kept.count > MOST || kept.bytes > BYTES {
            // A part at a time, so that not every batch has to.
            tx.execute(
                "DELETE FROM exchange WHERE id IN (
                   SELECT id FROM (
                     SELECT id, row_number() OVER w AS n, sum(size) OVER w AS bytes FROM exchange
                     WINDOW w AS (ORDER BY id DESC ROWS UNBOUNDED PRECEDING)
                   ) WHERE n > ?1 OR bytes > ?2)",
                params![MOST * 9 / 10, BYTES / 10 * 9],
            )?;
            kept = Kept::count(&tx)?;
        }
        tx.commit()?;
        self.kept = kept;
        self.shrink()
    }

    /// Gives back what is free, beyond what is soon used again.
    fn shrink(&self) -> rusqlite::Result<()> {
        let free: i64 =
            self.connection.prepare_cached("PRAGMA freelist_count")?.query_row([], |row| row.get(0))?;
        if free > FREE {
            let mut statement = self.connection.prepare_cached("PRAGMA incremental_vacuum(4096)")?;
            let mut rows = statement.query([])?;
            while rows.next()?.is_some() {}
        }
        Ok(())
    }

    pub(super) fn forget(&mut self, profile: i64, tunnel: Option<&str>) -> rusqlite::Result<()> {
        let sql = "DELETE FROM exchange WHERE profile = ?1 AND (?2 IS NULL OR tunnel = ?2)";
        self.connection.execute(sql, params![profile, tunnel])?;
        self.kept = Kept::count(&self.connection)?;
        Ok(())
    }

    /// Exchanges, the newest first.
    pub(crate) fn look(&self, look: &Look) -> rusqlite::Result<Found> {
        let mut sql =
            "SELECT id, summary FROM exchange JOIN content ON exchange = id WHERE profile = ?".to_owned();
        let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(look.profile)];
        let mut and = |clause: &str, value: Box<dyn ToSql>| {
            sql.push_str(" AND ");
            sql.push_str(clause);
            values.push(value);
        };
        if let Some(tunnel) = &look.tunnel {
            and("tunnel = ?", Box::new(tunnel.clone()));
        }
        if let Some(method) = &look.method {
            and("method = ? COLLATE NOCASE", Box::new(method.clone()));
        }
        if let Some(path) = &look.path {
            and("instr(lower(path), ?) > 0", Box::new(path.to_ascii_lowercase()));
        }
        if let Some((from, to)) = look.status {
            and("status >= ?", Box::new(from));
            and("status <= ?", Box::new(to));
        }
        if look.unanswered {
            and("status IS NULL AND ?", Box::new(true));
        }
        let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        if let Some(bytes) = look.least_bytes {
            and("bytes >= ?", Box::new(signed(bytes)));
        }
        if let Some(micros) = look.least_micros {
            and("micros >= ?", Box::new(signed(micros)));
        }
        if let Some((name, value)) = &look.header {
            // Both of one and the same header: the second ends what the first begins.
            and(
                "EXISTS (SELECT 1 FROM (SELECT value FROM json_each(request_headers)
                   UNION ALL SELECT value FROM json_each(response_headers))
                 WHERE value ->> 0 = ?",
                Box::new(name.to_ascii_lowercase()),
            );
            and("instr(lower(value ->> 1), ?) > 0)", Box::new(value.to_ascii_lowercase()));
        }
        if let Some(before) = look.before {
            and("id < ?", Box::new(signed(before)));
        }
        if let Some(text) = &look.text {
            // Of ASCII letters only the case does not count.
            and(
                "instr(lower(method || ' ' || path || char(10) || request_headers || char(10) || response_headers
                   || char(10) || frames || char(10) || CAST(request_body AS TEXT) || char(10)
                   || CAST(response_body AS TEXT)), ?) > 0",
                Box::new(text.to_ascii_lowercase()),
            );
        }
        let limit = look.limit.min(LOOK);
        sql.push_str(" ORDER BY id DESC LIMIT ?");
        values.push(Box::new(i64::try_from(limit + 1).unwrap_or(i64::MAX)));
        let mut statement = self.connection.prepare(&sql)?;
        let rows = statement.query_map(rusqlite::params_from_iter(values), |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
        })?;
        let mut found = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|(id, _)| id.unsigned_abs());
        let rows = found.iter().filter_map(|(_, summary)| serde_json::from_str(summary).ok()).collect();
        Ok(Found { rows, next })
    }

    /// All that is kept of one.
    pub(crate) fn detail(&self, profile: i64, id: u64) -> rusqlite::Result<Option<TunnelRequestDetail>> {
        let sql = "SELECT summary, request_headers, request_body, request_truncated, response_headers,
                     response_body, response_truncated, frames, more_frames
                   FROM exchange JOIN content ON exchange = id WHERE profile = ?1 AND id = ?2";
        let found =
            self.connection.query_row(sql, params![profile, i64::try_from(id).unwrap_or(-1)], |row| {
                let json = |column: usize| row.get::<_, String>(column);
                let body = |column: usize| row.get::<_, Vec<u8>>(column).map(|bytes| Body::from(&bytes[..]));
                let headers = |text: String| serde_json::from_str::<HeaderList>(&text).unwrap_or_default();
                let Ok(request) = serde_json::from_str(&json(0)?) else { return Ok(None) };
                Ok(Some(TunnelRequestDetail {
                    request,
                    request_headers: headers(json(1)?),
                    request_body: body(2)?,
                    request_truncated: row.get(3)?,
                    response_headers: headers(json(4)?),
                    response_body: body(5)?,
                    response_truncated: row.get(6)?,
                    frames: serde_json::from_str::<Vec<TunnelFrame>>(&json(7)?).unwrap_or_default(),
                    more_frames: row.get(8)?,
                    redacted: false,
                    curl: String::new(),
                }))
            });
        found.optional().map(Option::flatten)
    }
}

impl Kept {
    fn count(connection: &Connection) -> rusqlite::Result<Self> {
        connection.query_row("SELECT count(*), coalesce(sum(size), 0) FROM exchange", [], |row| {
            Ok(Self { count: row.get(0)?, bytes: row.get(1)? })
        })
    }
}

fn insert(tx: &Connection, stored: &Stored, kept: &mut Kept) -> rusqlite::Result<()> {
    let Stored { profile, summary, capture } = stored;
    let text = |value: serde_json::Result<String>| {
        value.map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))
    };
    let id = i64::try_from(summary.id).unwrap_or(i64::MAX);
    let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let (request, response) = (&capture.request, &capture.response);
    let request_headers = text(serde_json::to_string(&request.headers))?;
    let response_headers = text(serde_json::to_string(&response.headers))?;
    let frames = text(serde_json::to_string(&capture.frames))?;
    let size = request_headers.len()
        + response_headers.len()
        + frames.len()
        + request.body.len()
        + response.body.len();
    let size = i64::try_from(size).unwrap_or(i64::MAX);
    let before: Option<i64> = tx
        .prepare_cached("SELECT size FROM exchange WHERE id = ?")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    kept.count += i64::from(before.is_none());
    kept.bytes += size - before.unwrap_or(0);
    tx.prepare_cached(
        "INSERT INTO exchange (id, profile, tunnel, method, path, status, micros, bytes, size, summary)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         ON CONFLICT (id) DO UPDATE SET status = excluded.status, micros = excluded.micros,
           bytes = excluded.bytes, size = excluded.size, summary = excluded.summary",
    )?
    .execute(params![
        id,
        profile,
        summary.tunnel.as_str(),
        summary.method,
        summary.path,
        summary.status,
        signed(summary.micros),
        signed(summary.request_bytes.saturating_add(summary.response_bytes)),
        size,
        text(serde_json::to_string(summary))?,
    ])?;
    tx.prepare_cached("INSERT OR REPLACE INTO content VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?
        .execute(params![
            id,
            request_headers,
            request.body,
            request.truncated,
            response_headers,
            response.body,
            response.truncated,
            frames,
            capture.more_frames,
        ])
        .map(drop)
}
