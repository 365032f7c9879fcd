//! Moves what the write-ahead log holds into the database, on a thread and a
//! connection of its own, so that the writer goes on meanwhile.
//!
//! It copies in small steps, so that the disk is never busy for long with
//! anything but commits. A passive checkpoint under a busy writer never quite
//! catches up, though, and only a log that is wholly copied starts over from
//! its beginning. So when the log is full, passes of which each leaves less
//! than the one before copy the bulk, and the writer itself copies the little
//! that is left between two of its batches. The log's file is never shortened,
//! and begins with some length: overwriting blocks that exist is quicker than
//! appending new ones, above all while others write.

use super::connection;
use super::problem::Problem;
use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, ErrorCode, MAIN_DB, Transaction, TransactionBehavior};
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// The log's file has so many bytes from the start: 16 MiB. A log that is copied
/// in time does not get longer. Tests start often.
pub(super) const RESERVED: u64 = if cfg!(test) { 2 << 20 } else { 16 << 20 };
/// Bytes that a step copies: 4 MiB.
const STEP: u32 = 4 << 20;
/// The log's length in bytes from which it is to start over: 64 MiB. Whoever waits while
/// the writer does its part waits long, so that should be rare; with 32 MiB it
/// was more than one webhook in a hundred at full load.
const FULL: u32 = 64 << 20;
/// The length from which the writer waits for the copying: on a disk
/// that is too slow for what comes in, the log must not take all of it.
const OVERFULL: u32 = 2 * FULL;
/// Bytes the writer may copy itself without being missed: 1 MiB.
const REST: u32 = 1 << 20;
const PASSES: u32 = 4;

/// What writer and checkpointer tell each other.
pub(super) struct Level {
    /// Bytes of a page, in this database.
    page: u32,
    /// Pages in the log after the last commit.
    pub(super) pages: AtomicU32,
    /// Pages of it that the last step found copied.
    copied: AtomicU32,
    /// The bulk is copied: the writer is to do the rest.
    rest: AtomicBool,
    /// Held by the thread while it copies.
    copying: Mutex<()>,
}

impl Level {
    pub(super) fn new(db: &Connection) -> rusqlite::Result<Self> {
        let page = db.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let (pages, copied) = (AtomicU32::new(0), AtomicU32::new(0));
        Ok(Self { page, pages, copied, rest: AtomicBool::new(false), copying: Mutex::default() })
    }

    fn pages_of(&self, bytes: u32) -> u32 {
        bytes / self.page
    }
}

/// Makes the log's file as long as it usually gets. Zeros behind what is in the
/// log are no part of it: whoever reads it ends there, after a crash too.
///
/// The log is locked meanwhile, so that nobody adds to it what would be
/// overwritten. A disk without room for it gets it back.
pub(super) fn reserve(path: &Path, db: &Connection) -> Result<(), Problem> {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let transaction = Transaction::new_unchecked(db, TransactionBehavior::Immediate)?;
    if let Err(error) = lengthen(Path::new(&log), RESERVED) {
        tracing::warn!(%error, "the database's log does not get its room in advance");
    }
    Ok(transaction.rollback()?)
}

fn lengthen(path: &Path, length: u64) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).open(path)?;
    let before = file.metadata()?.len();
    let missing = length.saturating_sub(before);
    let filled = io::copy(&mut io::repeat(0).take(missing), &mut file).and_then(|_| file.sync_all());
    filled.inspect_err(|_| {
        // What room there is, the database needs.
        let _ = file.set_len(before);
    })
}

/// The handle on the thread; ends it when dropped.
pub(super) struct Checkpointer {
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    level: Arc<Level>,
}

impl Checkpointer {
    pub(super) fn start(path: PathBuf, level: Arc<Level>) -> io::Result<Self> {
        let (wake, woken) = sync_channel(1);
        let shared = Arc::clone(&level);
        let thread = std::thread::Builder::new()
            .name("postern-checkpoint".into())
            .spawn(move || run(&path, &woken, &shared))?;
        Ok(Self { wake: Some(wake), thread: Some(thread), level })
    }

    /// The writer calls this after each commit.
    pub(super) fn after_commit(&self, connection: &Connection) {
        let level = &self.level;
        let pages = level.pages.load(Ordering::Acquire);
        if pages < level.copied.load(Ordering::Acquire) {
            // The log has started over.
            level.copied.store(0, Ordering::Release);
        }
        let todo = pages.saturating_sub(level.copied.load(Ordering::Acquire));
        if level.rest.swap(false, Ordering::AcqRel) {
            checkpoint(connection);
        } else if pages >= level.pages_of(OVERFULL) {
            // Waits for a pass that is under way, not for whoever reads.
            let _alone = level.copying.lock().unwrap_or_else(PoisonError::into_inner);
            checkpoint(connection);
        } else if todo >= level.pages_of(STEP)
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

fn run(path: &Path, woken: &Receiver<()>, level: &Level) {
    let mut connection = None;
    while woken.recv().is_ok() {
        if connection.is_none() {
            connection = connection::for_reading(path)
                .inspect_err(|error| tracing::warn!(%error, "the checkpointer cannot open the database"))
                .ok();
        }
        let Some(open) = &connection else { continue };
        let full = level.pages.load(Ordering::Acquire) >= level.pages_of(FULL);
        for _ in 0..if full { PASSES } else { 1 } {
            let alone = level.copying.lock().unwrap_or_else(PoisonError::into_inner);
            let pass = checkpoint(open);
            drop(alone);
            let Some(copied) = pass else {
                connection = None;
                break;
            };
            level.copied.store(copied, Ordering::Release);
            // What came in meanwhile is left; fewer than were copied: the log
            // has started over.
            if level.pages.load(Ordering::Acquire) <= copied.saturating_add(level.pages_of(REST)) {
                break;
            }
        }
        if full {
            level.rest.store(true, Ordering::Release);
        }
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
