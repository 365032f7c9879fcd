//! Moves what the write-ahead log holds into the database, on a thread and a
//! connection of its own, so that the writer goes on meanwhile.
//!
//! A passive checkpoint under a busy writer never quite catches up, and only a
//! log that is wholly copied starts over from its beginning. So the bulk is
//! done here, in passes of which each leaves less than the one before, and the
//! writer itself copies the little that is left between two of its batches.
//! The log's file is never shortened: overwriting blocks that exist is much
//! quicker than appending new ones.

use super::connection;
use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, ErrorCode, MAIN_DB};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Pages in the log from which it is copied: 64 MiB. Whoever waits while the
/// writer does its part waits long, so that should be rare; with 32 MiB it was
/// more than one webhook in a hundred at full load.
const FULL: u32 = 16_384;
/// Pages the writer may copy itself without being missed.
const REST: u32 = 256;
const PASSES: u32 = 4;

/// What writer and checkpointer tell each other.
#[derive(Default)]
pub(super) struct Level {
    /// Pages in the log after the last commit.
    pub(super) pages: AtomicU32,
    /// The bulk is copied: the writer is to do the rest.
    rest: AtomicBool,
}

/// The handle on the thread; ends it when dropped.
pub(super) struct Checkpointer {
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    level: Arc<Level>,
}

impl Checkpointer {
    pub(super) fn start(path: PathBuf, level: Arc<Level>) -> std::io::Result<Self> {
        let (wake, woken) = sync_channel(1);
        let shared = Arc::clone(&level);
        let thread = std::thread::Builder::new()
            .name("postern-checkpoint".into())
            .spawn(move || run(&path, &woken, &shared))?;
        Ok(Self { wake: Some(wake), thread: Some(thread), level })
    }

    /// The writer calls this after each commit.
    pub(super) fn after_commit(&self, connection: &Connection) {
        if self.level.rest.swap(false, Ordering::AcqRel) {
            checkpoint(connection);
        } else if self.level.pages.load(Ordering::Acquire) >= FULL
            && let Some(wake) = &self.wake
        {
            // Full means: woken already.
            let _ = wake.try_send(());
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(path: &std::path::Path, woken: &Receiver<()>, level: &Level) {
    let mut connection = None;
    while woken.recv().is_ok() {
        if connection.is_none() {
            connection = connection::for_reading(path)
                .inspect_err(|error| tracing::warn!(%error, "the checkpointer cannot open the database"))
                .ok();
        }
        let Some(open) = &connection else { continue };
        for _ in 0..PASSES {
            match checkpoint(open) {
                // What came in meanwhile is left; fewer than were copied: the
                // log has started over.
                Some(copied) if level.pages.load(Ordering::Acquire) > copied.saturating_add(REST) => {}
                Some(_) => break,
                None => {
                    connection = None;
                    break;
                }
            }
        }
        level.rest.store(true, Ordering::Release);
    }
}

/// One pass; how many of the log's pages are copied by now, unless it failed.
/// Only one connection copies at a time: while another does, all is well.
fn checkpoint(connection: &Connection) -> Option<u32> {
    match connection.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::PASSIVE) {
        Ok((_, copied)) => Some(u32::try_from(copied).unwrap_or(0)),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => Some(u32::MAX),
        Err(error) => {
            tracing::warn!(%error, "a checkpoint failed");
            None
        }
    }
}
