//! What this machine has received and done: events, handler runs, refused
//! requests, in SQLite, every table keyed by profile.
//!
//! Promises: a write is on the disk when it is answered; writers share
//! commits; readers never wait for writers; every change moves one cursor
//! forward, so that a client that missed some can ask for the rest.

use rusqlite::ErrorCode as Sqlite;
use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, mpsc};
use tokio::sync::watch;

mod checkpoint;
mod claims;
mod database;
mod events;
mod pages;
mod profiles;
mod readers;
mod rejections;
mod retention;
mod rules;
mod runs;
mod search;
mod transfer;
mod tunnels;
mod views;
mod writer;

pub(crate) use claims::{Claim, NewClaim};
pub(crate) use events::{Accepted, NewEvent};
pub(crate) use pages::{LOOK, Selection};
pub(crate) use profiles::{NewProfile, Profile};
pub(crate) use rejections::Rejection;
pub(crate) use retention::SPARE_PAGES;
pub(crate) use runs::{Began, RunEnd, Settled, StoredPayload, Waiting};
pub(crate) use transfer::Taken;
pub(crate) use tunnels::KeptTunnel;
pub(crate) use views::Renamed;

/// Why the history did not answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum HistoryError {
    /// The file cannot be opened.
    #[error("cannot open {path}")]
    Open {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: Arc<rusqlite::Error>,
    },
    /// The file is of another version.
    #[error("{path} does not fit this version of Postern: it was made by a newer one, or altered")]
    Schema {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: Arc<refinery::Error>,
    },
    /// A statement failed.
    #[error("the history failed: {0}")]
    Sqlite(#[source] Arc<rusqlite::Error>),
    /// The operating system refused.
    #[error("the history cannot be used")]
    Io(#[source] Arc<io::Error>),
    /// The search index belongs to another history.
    #[error("the search index is not this history's")]
    ForeignIndex,
    /// The edge is stopping.
    #[error("the history is closed")]
    Closed,
}

impl HistoryError {
    fn opening(path: &Path) -> impl Fn(rusqlite::Error) -> Self {
        move |e| Self::Open { path: path.display().to_string(), source: Arc::new(e) }
    }

    fn io(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }

    /// Whether the file itself is at fault, not the moment.
    fn is_damage(&self) -> bool {
        match self {
            Self::Sqlite(e) => matches!(
                e.sqlite_error_code(),
                Some(Sqlite::DatabaseCorrupt | Sqlite::NotADatabase | Sqlite::Unknown)
            ),
            Self::ForeignIndex => true,
            _ => false,
        }
    }
}

impl From<rusqlite::Error> for HistoryError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(Arc::new(error))
    }
}

impl From<rusqlite::types::FromSqlError> for HistoryError {
    fn from(error: rusqlite::types::FromSqlError) -> Self {
        rusqlite::Error::from(error).into()
    }
}

/// What the last commit left.
#[derive(Clone, Debug, Default)]
pub(crate) struct Committed {
    /// The change cursor.
    pub(crate) seq: i64,
    /// How many events each profile has.
    pub(crate) events: HashMap<i64, i64>,
}

/// The history of one data folder. Cheap to clone.
#[derive(Clone)]
pub(crate) struct History {
    writer: Arc<writer::Writer>,
    readers: Arc<readers::Readers>,
    committed: watch::Receiver<Committed>,
}

impl History {
    /// Opens `history.db` and `search.db` in `dir`, or makes them. Runs that
    /// a crash has cut off are noted as interrupted. Blocks.
    pub(crate) fn open(dir: &Path, now: postern_protocol::UnixMillis) -> Result<Self, HistoryError> {
        let path = dir.join("history.db");
        let connection = database::open_writer(&path)?;
        let id = history_id(&connection)?;
        runs::interrupt_unfinished(&connection, now)?;
        let (state, committed) = watch::channel(last_commit(&connection)?);
        let (poke, woken) = mpsc::sync_channel(1);
        let index = search::start(&path, &dir.join("search.db"), id, woken)?;
        let checkpoint = checkpoint::Checkpoint::start(&path)?;
        let writer = writer::Writer::start(connection, checkpoint, state, poke)?;
        Ok(Self { writer: Arc::new(writer), readers: readers::Readers::new(path, index), committed })
    }

    /// Changes with every commit.
    pub(crate) fn committed(&self) -> watch::Receiver<Committed> {
        self.committed.clone()
    }

    /// Returns once everything written so far can be searched for.
    #[cfg(test)]
    pub(crate) async fn indexed(&self) {
        let newest = self.readers.read(|r, _| {
            r.connection.query_row("SELECT coalesce(max(id), 0) FROM event", [], |row| row.get::<_, i64>(0))
        });
        let newest = newest.await.unwrap();
        self.readers.index.clone().wait_for(|index| index.indexed >= newest).await.unwrap();
    }
}

/// The random name by which the search index knows its history.
fn history_id(connection: &rusqlite::Connection) -> Result<String, HistoryError> {
    connection.execute(
        "INSERT INTO setting (name, value) VALUES ('history_id', ?1) ON CONFLICT DO NOTHING",
        [hex::encode(rand::random::<[u8; 16]>())],
    )?;
    let id = "SELECT value FROM setting WHERE name = 'history_id'";
    Ok(connection.query_row(id, [], |row| row.get(0))?)
}

fn last_commit(connection: &rusqlite::Connection) -> Result<Committed, HistoryError> {
    let seq = connection.query_row("SELECT seq FROM cursor", [], |row| row.get(0))?;
    let mut profiles = connection.prepare("SELECT id, events FROM profile")?;
    let events =
        profiles.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?;
    Ok(Committed { seq, events })
}

#[cfg(test)]
mod tests;
