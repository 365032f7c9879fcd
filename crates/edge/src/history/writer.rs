//! The one writer: many requests, one transaction, one sync.
//!
//! Whoever wants something written hands in a closure and waits. The writer
//! takes all that have queued up while the last commit ran, and those that come
//! while it runs them, runs them in one transaction and answers each after the
//! commit. When one of them fails, the
//! transaction is undone and each is tried alone, so that it fails for itself
//! only; hence closures may run more than once.

use super::checkpoint::Checkpoint;
use super::{Committed, HistoryError};
use rusqlite::{Connection, Transaction, params};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use tokio::sync::{oneshot, watch};

/// So many requests at most share a commit, so that the first of them does
/// not wait for long.
const BATCH: usize = 512;

/// A transaction in the making.
pub(super) struct Write<'a> {
    pub(super) tx: &'a Transaction<'a>,
    seq: &'a mut i64,
    added: &'a mut HashMap<i64, i64>,
}

impl Write<'_> {
    /// The next position of the change cursor.
    pub(super) fn next_seq(&mut self) -> i64 {
        *self.seq += 1;
        *self.seq
    }

    /// Notes that `profile` has so many events more, or fewer.
    pub(super) fn counts_events(&mut self, profile: i64, more: i64) {
        *self.added.entry(profile).or_default() += more;
    }
}

trait Job: Send {
    fn run(&mut self, write: &mut Write<'_>) -> rusqlite::Result<()>;
    fn answer(self: Box<Self>, outcome: Result<(), HistoryError>);
}

struct Work<F, T> {
    work: F,
    result: Option<T>,
    answer: oneshot::Sender<Result<T, HistoryError>>,
}

impl<F, T> Job for Work<F, T>
where
    F: FnMut(&mut Write<'_>) -> rusqlite::Result<T> + Send,
    T: Send,
{
    fn run(&mut self, write: &mut Write<'_>) -> rusqlite::Result<()> {
        self.result = Some((self.work)(write)?);
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<(), HistoryError>) {
        let Self { result, answer, .. } = *self;
        let result = outcome.and_then(|()| result.ok_or(HistoryError::Closed));
        // The one who asked may have gone; what was written stays written.
        let _ = answer.send(result);
    }
}

/// The way to the writer. Its thread ends when the last of these is dropped
/// and the queue is empty.
pub(super) struct Writer {
    queue: mpsc::Sender<Box<dyn Job>>,
}

impl Writer {
    /// Starts the thread. `committed` is updated after each commit.
    pub(super) fn start(
        mut connection: Connection,
        checkpoint: Checkpoint,
        committed: watch::Sender<Committed>,
        poke: mpsc::SyncSender<()>,
    ) -> Result<Self, HistoryError> {
        let pages = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&pages);
        connection
            .wal_hook(Some(move |_: &mut _, n: i32| {
                seen.store(usize::try_from(n).unwrap_or(0), Ordering::Relaxed);
                Ok(())
            }))
            .map_err(HistoryError::from)?;
        let (queue, requests) = mpsc::channel();
        let thread = Thread { connection, pages, checkpoint, committed, poke };
        std::thread::Builder::new()
            .name("history-writer".into())
            .spawn(move || thread.run(&requests))
            .map_err(HistoryError::io)?;
        Ok(Self { queue })
    }

    /// Runs `work` in a transaction and returns after the commit.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnMut(&mut Write<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, HistoryError> {
        let (answer, answered) = oneshot::channel();
        self.queue.send(Box::new(Work { work, result: None, answer })).map_err(|_| HistoryError::Closed)?;
        answered.await.map_err(|_| HistoryError::Closed)?
    }
}

struct Thread {
    connection: Connection,
    /// The WAL's length after the last commit.
    pages: Arc<AtomicUsize>,
    checkpoint: Checkpoint,
    committed: watch::Sender<Committed>,
    poke: mpsc::SyncSender<()>,
}

impl Thread {
    fn run(mut self, requests: &mpsc::Receiver<Box<dyn Job>>) {
        while let Ok(first) = requests.recv() {
            self.write(first, &mut requests.try_iter().take(BATCH - 1));
            self.checkpoint.after_commit(self.pages.load(Ordering::Relaxed), &self.connection);
        }
    }

    /// Writes it, and what comes meanwhile.
    fn write(&mut self, first: Box<dyn Job>, more: &mut dyn Iterator<Item = Box<dyn Job>>) {
        let mut batch = vec![first];
        match self.commit(&mut batch, more) {
            Ok(()) => batch.into_iter().for_each(|job| job.answer(Ok(()))),
            Err(_) if batch.len() > 1 => {
                batch.into_iter().for_each(|job| self.write(job, &mut std::iter::empty()));
            }
            Err(e) => {
                let e = HistoryError::from(e);
                batch.into_iter().for_each(|job| job.answer(Err(e.clone())));
            }
        }
    }

    fn commit(
        &mut self,
        batch: &mut Vec<Box<dyn Job>>,
        more: &mut dyn Iterator<Item = Box<dyn Job>>,
    ) -> rusqlite::Result<()> {
        let before = self.committed.borrow().seq;
        let mut seq = before;
        let mut added = HashMap::new();
        let tx = self.connection.transaction()?;
        let mut ran = 0;
        while let Some(job) = batch.get_mut(ran) {
            job.run(&mut Write { tx: &tx, seq: &mut seq, added: &mut added })?;
            ran += 1;
            if ran == batch.len() {
                batch.extend(more.next());
            }
        }
        for (profile, n) in &added {
            tx.prepare_cached("UPDATE profile SET events = events + ?2 WHERE id = ?1")?
                .execute(params![profile, n])?;
        }
        if seq != before {
            tx.prepare_cached("UPDATE cursor SET seq = ?1")?.execute([seq])?;
        }
        tx.commit()?;
        self.committed.send_modify(|committed| {
            committed.seq = seq;
            for (profile, n) in added {
                *committed.events.entry(profile).or_default() += n;
            }
        });
        // A full channel means it has not yet looked since the last poke.
        let _ = self.poke.try_send(());
        Ok(())
    }
}
