//! Looks at a database without changing it: whether it is whole, whether the
//! master key fits, what is in it and how much room that takes. Works beside a
//! process that serves from it.

use super::connection;
use super::copy;
use super::open::{self, OpenError};
use super::problem::Problem;
use super::{rows, sealed};
use crate::vault::Vault;
use rusqlite::Connection;
use serde::Serialize;
use std::path::Path;

/// What a look at a database found.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Its schema.
    pub schema: u32,
    /// The schema this program writes; a larger one is brought to it by serving.
    pub known_schema: u32,
    /// What is wrong; empty: nothing.
    pub problems: Vec<String>,
    /// How many secrets the master key opens.
    pub secrets: u64,
    /// What is in it.
    pub counts: Counts,
    /// The file's size, in bytes; its log is not counted.
    pub bytes: u64,
    /// How much of that is free, and used again before the file grows.
    pub free_bytes: u64,
}

/// How much there is of what.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Workspaces.
    pub workspaces: u64,
    /// Sources.
    pub sources: u64,
    /// Tokens that are not revoked.
    pub tokens: u64,
    /// Workers that are not gone.
    pub workers: u64,
    /// Names of public tunnels that are reserved.
    pub tunnels: u64,
    /// Events.
    pub events: u64,
    /// Deliveries that wait.
    pub pending: u64,
    /// Deliveries made.
    pub delivered: u64,
    /// Dead letters.
    pub dead: u64,
    /// Deliveries skipped.
    pub skipped: u64,
    /// Deliveries held until someone chooses.
    pub held: u64,
    /// Dead letters discarded.
    pub discarded: u64,
    /// Attempts.
    pub attempts: u64,
}

/// Looks at the database at `path`; `fully`: every index against its table,
/// too, which takes a few times as long. Blocks.
///
/// # Errors
/// When there is no database, or it cannot be read at all, or a newer version
/// wrote it.
pub fn check(path: &Path, vault: &Vault, fully: bool) -> Result<Report, OpenError> {
    path.metadata().map_err(|source| OpenError::File { path: path.to_owned(), source })?;
    let (schema, known_schema) = (open::found(path)?, open::known());
    if schema > known_schema {
        return Err(OpenError::Newer { path: path.to_owned(), found: schema, known: known_schema });
    }
    if schema == 0 {
        let reason = "it has none of postern-proxy's tables".to_owned();
        return Err(OpenError::Database { path: path.to_owned(), reason });
    }
    let look = || -> Result<Report, Problem> {
        let db = connection::for_looking(path)?;
        let mut report = Report {
            schema,
            known_schema,
            problems: copy::damage(&db, fully)?,
            secrets: 0,
            counts: Counts::default(),
            bytes: pages(&db, "page_count")?,
            free_bytes: pages(&db, "freelist_count")?,
        };
        if report.problems.is_empty() {
            report.counts = counts(&db)?;
            keys(&db, vault, &mut report)?;
            strays(&db, &mut report)?;
        }
        Ok(report)
    };
    look().map_err(|problem| open::not_opened(path, problem))
}

fn pages(db: &Connection, which: &str) -> rusqlite::Result<u64> {
    let size: u64 = db.pragma_query_value(None, "page_size", |row| rows::count(row, 0))?;
    db.pragma_query_value(None, which, |row| rows::count(row, 0)).map(|pages| pages * size)
}

fn counts(db: &Connection) -> rusqlite::Result<Counts> {
    let count =
        |sql: &str| db.query_row(&format!("SELECT count(*) FROM {sql}"), [], |row| rows::count(row, 0));
    let mut counts = Counts {
        workspaces: count("workspaces")?,
        sources: count("sources")?,
        tokens: count("tokens WHERE revoked_at IS NULL")?,
        workers: count("workers WHERE state <> 'gone'")?,
        tunnels: count("tunnels WHERE released_at IS NULL")?,
        events: count("events")?,
        attempts: count("attempts")?,
        ..Counts::default()
    };
    let mut states = db.prepare("SELECT state, count(*) FROM deliveries GROUP BY state")?;
    let mut found = states.query([])?;
    while let Some(row) = found.next()? {
        let of_state = match row.get::<_, i64>(0)? {
            // In line, or at a member of a claim group.
            0 | 6 | 7 => &mut counts.pending,
            1 => &mut counts.delivered,
            2 => &mut counts.dead,
            3 => &mut counts.skipped,
            4 => &mut counts.held,
            _ => &mut counts.discarded,
        };
        *of_state += rows::count(row, 1)?;
    }
    Ok(counts)
}

/// Whether the key fits, and opens every secret.
fn keys(db: &Connection, vault: &Vault, report: &mut Report) -> Result<(), Problem> {
    if let Err(problem) = open::compare_key(db, vault) {
        report.problems.push(problem.to_string());
        return Ok(());
    }
    sealed::each(db, |row| {
        match vault.open(&row.context, &row.sealed) {
            Ok(_) => report.secrets += 1,
            Err(error) => {
                report.problems.push(format!("the secret of {} does not open: {error}", row.context))
            }
        }
        Ok(())
    })
}

/// Rows whose event is missing.
fn strays(db: &Connection, report: &mut Report) -> rusqlite::Result<()> {
    for (table, what) in [("deliveries", "deliveries"), ("attempts", "attempts"), ("grants", "grants")] {
        let sql = format!(
            "SELECT count(*) FROM {table} t WHERE NOT EXISTS (SELECT 1 FROM events e WHERE e.seq = t.event)"
        );
        let count: u64 = db.query_row(&sql, [], |row| rows::count(row, 0))?;
        if count > 0 {
            report.problems.push(format!("{count} {what} are of no event"));
        }
    }
    Ok(())
}
