//! Moving committed pages from the write-ahead log into the database file,
//! off the writer's path.

use super::{HistoryError, database};
use rusqlite::Connection;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, mpsc};

/// From this length of the log on (4 MiB), the checkpoint's own thread works
/// beside the writer.
const START: usize = 1_000;
/// From this length on (32 MiB) the writer waits for the thread and does the
/// rest itself: beside a writer that never pauses, a checkpoint never reaches
/// the end of the log, and only then can the log start over.
const FINISH: usize = 8_000;

/// Held by the one that copies: SQLite lets only one at a time.
type Copying = Arc<Mutex<()>>;

/// The writer's view of the checkpoint. The thread ends with it.
pub(super) struct Checkpoint {
    wake: mpsc::SyncSender<()>,
    copying: Copying,
}

impl Checkpoint {
    pub(super) fn start(path: &Path) -> Result<Self, HistoryError> {
        let (wake, woken) = mpsc::sync_channel(1);
        let connection = database::open_checkpoint(path).map_err(HistoryError::from)?;
        let path = path.to_owned();
        let copying = Copying::default();
        let shared = Arc::clone(&copying);
        std::thread::Builder::new()
            .name("history-checkpoint".into())
            .spawn(move || run(&path, &connection, &shared, &woken))
            .map_err(HistoryError::io)?;
        Ok(Self { wake, copying })
    }

    /// To be called after each commit, with the log's length in pages.
    pub(super) fn after_commit(&self, pages: usize, writer: &Connection) {
        if pages >= START {
            let _ = self.wake.try_send(());
        }
        if pages >= FINISH
            && let Err(e) = passive(writer, &self.copying)
        {
            tracing::warn!(error = %e, "the history's log could not be checkpointed");
        }
    }
}

fn run(path: &Path, connection: &Connection, copying: &Copying, woken: &mpsc::Receiver<()>) {
    while woken.recv().is_ok() {
        if let Err(e) = passive(connection, copying) {
            tracing::warn!(path = %path.display(), error = %e, "the history's log could not be checkpointed");
        }
    }
}

/// Copies what it can without waiting for readers or the writer.
fn passive(connection: &Connection, copying: &Copying) -> rusqlite::Result<()> {
    let _alone = copying.lock().unwrap_or_else(PoisonError::into_inner);
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// Whatever the thread gets done beside it: a writer whose commits go over
    /// the limit finishes the copying itself, and then the log starts over.
    /// Nobody reads here, since a reader's snapshot may keep a log for longer.
    #[test]
    fn the_log_is_reused_and_does_not_grow_with_the_history() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("history.db");
        let mut writer = database::open_writer(&path).unwrap();
        let (told, pages) = mpsc::channel();
        writer
            .wal_hook(Some(move |_: &mut _, n: i32| {
                told.send(usize::try_from(n).unwrap()).unwrap();
                Ok(())
            }))
            .unwrap();
        writer.execute_batch("CREATE TABLE filler (body BLOB)").unwrap();
        let checkpoint = Checkpoint::start(&path).unwrap();
        for _ in 0..20 {
            writer.execute("INSERT INTO filler VALUES (zeroblob(?))", [6 << 20]).unwrap();
            checkpoint.after_commit(pages.try_iter().last().unwrap(), &writer);
        }
        let size = |name: &str| std::fs::metadata(dir.path().join(name)).unwrap().len();
        let (log, data) = (size("history.db-wal"), size("history.db"));
        assert!(log < 40 * MIB, "the log has {log} bytes of 120 MiB written");
        assert!(data > 80 * MIB, "{data} bytes have been moved into the file");
    }
}
