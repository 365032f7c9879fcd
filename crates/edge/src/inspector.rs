//! The inspector: what went through public tunnels, kept on this machine for a
//! while, to be looked at, searched and sent once more.
//!
//! It never stands in the way: what is to be kept goes through a bounded queue
//! to a thread of its own, and is dropped, and counted, where the queue is full
//! or too much waits in memory; of a flood it takes a part. It has its own file beside the history, of a
//! bounded size, which can be deleted at any time.

mod capture;
mod curl;
mod frames;
mod har;
mod store;

pub(crate) use capture::{Capture, Side};
pub(crate) use curl::curl;
pub(crate) use har::har;
pub(crate) use store::{Look, Stored};

use capture::Budget;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Instant;
use store::Store;

/// So many exchanges wait to be written at most.
const QUEUE: usize = 512;
/// So many are written in one transaction.
const BATCH: usize = 64;
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
    queue: mpsc::SyncSender<Job>,
    reader: Arc<Mutex<Store>>,
}

enum Job {
    Keep(Box<Stored>),
    /// Answers once all before it is written.
    Sync(tokio::sync::oneshot::Sender<()>),
    Forget {
        profile: i64,
        tunnel: Option<String>,
        done: tokio::sync::oneshot::Sender<()>,
    },
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
            let (queue, jobs) = mpsc::sync_channel(QUEUE);
            let thread = std::thread::Builder::new().name("inspector".into());
            let spawned = thread.spawn(move || write(store, &jobs));
            Ok(spawned.ok().map(|_| (newest, File { queue, reader })))
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
        if file.queue.try_send(Job::Keep(Box::new(exchange))).is_err() {
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
        file.send(Job::Sync(sync)).await;
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
        file.send(Job::Forget { profile, tunnel, done }).await;
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

impl File {
    /// Waits for room in the queue.
    async fn send(&self, job: Job) {
        let queue = self.queue.clone();
        // Refused only when the thread has ended: whoever waits hears of it.
        let _ = tokio::task::spawn_blocking(move || queue.send(job)).await;
    }
}

fn write(mut store: Store, jobs: &mpsc::Receiver<Job>) {
    while let Ok(first) = jobs.recv() {
        let mut batch = Vec::new();
        let mut then = Vec::new();
        for job in std::iter::once(first).chain(jobs.try_iter().take(BATCH - 1)) {
            match job {
                Job::Keep(exchange) => batch.push(exchange),
                // Before it what came before it.
                other => {
                    then.push(other);
                    break;
                }
            }
        }
        if !batch.is_empty()
            && let Err(error) = store.keep(&batch)
        {
            tracing::warn!(%error, "requests through tunnels could not be kept");
        }
        drop(batch);
        for job in then {
            match job {
                Job::Keep(_) => {}
                Job::Sync(done) => drop(done.send(())),
                Job::Forget { profile, tunnel, done } => match store.forget(profile, tunnel.as_deref()) {
                    Ok(()) => drop(done.send(())),
                    Err(error) => tracing::warn!(%error, "requests through tunnels could not be forgotten"),
                },
            }
        }
    }
}

#[cfg(test)]
mod tests;
