//! Moving committed pages from the write-ahead log into the database file,
//! off the writer's path.

use super::{HistoryError, database};
use rusqlite::{Connection, ErrorCode};
use std::path::Path;
use std::sync::mpsc;

/// From this length of the log on (4 MiB), the checkpoint's own thread works
/// beside the writer.
const START: usize = 1_000;
/// From this length on (32 MiB) the writer does the rest itself: beside a
/// writer that never pauses, a checkpoint never reaches the end of the log,
/// and only then can the log start over.
const FINISH: usize = 8_000;

/// The writer's view of the checkpoint. The thread ends with it.
pub(super) struct Checkpoint {
    wake: mpsc::SyncSender<()>,
}

impl Checkpoint {
    pub(super) fn start(path: &Path) -> Result<Self, HistoryError> {
        let (wake, woken) = mpsc::sync_channel(1);
        let connection = database::open_checkpoint(path).map_err(HistoryError::from)?;
        let path = path.to_owned();
        std::thread::Builder::new()
            .name("history-checkpoint".into())
            .spawn(move || run(&path, &connection, &woken))
            .map_err(HistoryError::io)?;
        Ok(Self { wake })
    }

    /// To be called after each commit, with the log's length in pages.
    pub(super) fn after_commit(&self, pages: usize, writer: &Connection) {
        if pages >= START {
            let _ = self.wake.try_send(());
        }
        if pages >= FINISH
            && let Err(e) = passive(writer)
        {
            tracing::warn!(error = %e, "the history's log could not be checkpointed");
        }
    }
}

fn run(path: &Path, connection: &Connection, woken: &mpsc::Receiver<()>) {
    while woken.recv().is_ok() {
        if let Err(e) = passive(connection) {
            tracing::warn!(path = %path.display(), error = %e, "the history's log could not be checkpointed");
        }
    }
}

/// Copies what it can without waiting for anyone. Only one connection copies
/// at a time: while another does, all is well.
fn passive(connection: &Connection) -> rusqlite::Result<()> {
    match connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
        Err(e) if e.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => Ok(()),
        other => other,
    }
}
