//! The inspector: what went through public tunnels, kept on this machine for a
//! while, to be looked at, searched and sent once more.
//!
//! It never stands in the way: what is to be kept goes through a bounded queue
//! to a thread of its own, which writes it a moment later; it is dropped, and
//! counted, where the queue is full or too much waits in memory; of a flood it
//! takes a part. It has its own file beside the history, of a bounded size,
//! which can be deleted at any time.

mod capture;
mod curl;
mod frames;
mod har;
mod queue;
mod store;

pub(crate) use capture::{Capture, Side};
pub(crate) use curl::curl;
pub(crate) use har::har;
pub(crate) use store::{Look, Stored};

use capture::Budget;
use queue::{Job, Queue};
use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;
use store::Store;

/// So many are written in one transaction.
const BATCH: usize = 256;
/// So many are kept at once, a page's with all of its modules, and so many a
/// second after that: of a flood, which nobody reads, the rest is only counted,
/// or writing it would take the processors from those who answer it.
const BURST: u32 = 4_000;
const A_SECOND: u32 = 500;

/// The inspector of a data folder.
pub(crate) struct Inspector {
    number: AtomicU64,
    dropped: AtomicU64,
    budget: Arc<Budget>,
    pace: Mutex<Pace>,
    /// Absent where the file cannot be used.
    file: Option<File>,
}

struct File {
    queue: Arc<Queue>,
    reader: Arc<Mutex<Store>>,
    writer: Option<JoinHandle<()>>,
}

/// Why nothing can be looked up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InspectorError {
    #[error("the inspector's file cannot be used; its cause is in the log")]
    Absent,
    #[error("the inspector did not answer: {0}")]
    Sqlite(#[from] rusqlite::Error),
}

impl Inspector {
    /// Opens `inspector.db` in `dir`, or makes it; one that cannot be read is
    /// made anew. Blocks.
    pub(crate) fn open(dir: &Path) -> Arc<Self> {
        let path = dir.join("inspector.db");
        let opened = Store::open(&path).or_else(|error| {
            tracing::warn!(%error, "the inspector's file cannot be read: it is made anew");
            let _ = std::fs::remove_file(&path);
            Store::open(&path)
        });
        let file = opened.and_then(|store| {
            let newest = store.newest()?;
            let reader = Arc::new(Mutex::new(Store::open(&path)?));
            let queue = Arc::<Queue>::default();
            let jobs = Arc::clone(&queue);
            let thread = std::thread::Builder::new().name("inspector".into());
            let spawned = thread.spawn(move || write(store, &jobs));
            Ok(spawned.ok().map(|writer| (newest, File { queue, reader, writer: Some(writer) })))
        });
        let file = file.unwrap_or_else(|error| {
            tracing::warn!(%error, "requests through tunnels are not kept");
            None
        });
        let newest = file.as_ref().map_or(0, |(newest, _)| *newest);
        Arc::new(Self {
            number: AtomicU64::new(newest + 1),
            dropped: AtomicU64::new(0),
            budget: Arc::default(),
            pace: Mutex::new(Pace { left: BURST, at: Instant::now() }),
            file: file.map(|(_, file)| file),
        })
    }

    /// The number of the next exchange.
    pub(crate) fn next(&self) -> u64 {
        self.number.fetch_add(1, Ordering::Relaxed)
    }

    /// What gathers the next exchange; absent: it is not kept.
    pub(crate) fn capture(&self) -> Option<Capture> {
        self.file.as_ref()?;
        let keeps = self.pace.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now());
        if !keeps {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        keeps.then(|| Capture::new(Arc::clone(&self.budget)))
    }

    /// How many exchanges were not kept since the start.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Keeps an exchange, in place of the one of its number, unless there is too
    /// much to do. Never waits.
    pub(crate) fn keep(&self, exchange: Stored) {
        let Some(file) = &self.file else { return };
        if !file.queue.keep(exchange) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Looks something up, after what has been kept so far.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Store) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, InspectorError> {
        let file = self.file.as_ref().ok_or(InspectorError::Absent)?;
        let (sync, synced) = tokio::sync::oneshot::channel();
        file.queue.ask(Job::Sync(sync));
        let _ = synced.await;
        let reader = Arc::clone(&file.reader);
        let looked =
            tokio::task::spawn_blocking(move || look(&reader.lock().unwrap_or_else(PoisonError::into_inner)));
        Ok(looked.await.map_err(|_| InspectorError::Absent)??)
    }

    /// Forgets what a profile's tunnel, or all of them, had.
    pub(crate) async fn forget(&self, profile: i64, tunnel: Option<String>) -> Result<(), InspectorError> {
        let file = self.file.as_ref().ok_or(InspectorError::Absent)?;
        let (done, forgotten) = tokio::sync::oneshot::channel();
        file.queue.ask(Job::Forget { profile, tunnel, done });
        forgotten.await.map_err(|_| InspectorError::Absent)
    }
}

/// How many may be kept now.
struct Pace {
    left: u32,
    /// When something was last added.
    at: Instant,
}

impl Pace {
    fn take(&mut self, now: Instant) -> bool {
        if self.left == 0 {
            let more = now.duration_since(self.at).as_secs_f64() * f64::from(A_SECOND);
            self.left = (more as u32).min(BURST);
            if self.left == 0 {
                return false;
            }
            self.at = now;
        }
        self.left -= 1;
        true
    }
}

impl Drop for File {
    /// What waits is written before the program ends.
    fn drop(&mut self) {
        self.queue.end();
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the thread that keeps requests through tunnels panicked");
        }
    }
}

fn write(mut store: Store, queue: &Queue) {
    while let Some(jobs) = queue.take() {
        let mut batch = Vec::new();
        for job in jobs {
            // Before it what came before it.
            if batch.len() == BATCH || !matches!(job, Job::Keep(_)) {
                keep(&mut store, &mut batch);
            }
            match job {
                Job::Keep(exchange) => batch.push(*exchange),
                Job::Sync(done) => drop(done.send(())),
                Job::Forget { profile, tunnel, done } => match store.forget(profile, tunnel.as_deref()) {
                    Ok(()) => drop(done.send(())),
                    Err(error) => tracing::warn!(%error, "requests through tunnels could not be forgotten"),
                },
            }
        }
        keep(&mut store, &mut batch);
    }
}

/// Writes what is in `batch`; of what began and ended in it, the end.
fn keep(store: &mut Store, batch: &mut Vec<Stored>) {
    let mut seen = HashSet::new();
    let mut last: Vec<_> = batch.drain(..).rev().filter(|kept| seen.insert(kept.summary.id)).collect();
    last.reverse();
    if !last.is_empty()
        && let Err(error) = store.keep(&last)
    {
        tracing::warn!(%error, "requests through tunnels could not be kept");
    }
}

#[cfg(test)]
mod tests;
