//! The one thread that writes, by group commit: whatever requests wait, and
//! come while these run, are run in one transaction with one fsync, and each
//! is answered after it. No commit waits for requests to come.
//!
//! A batch runs without savepoints, which cost time. When one request fails,
//! the whole batch is rolled back and run again with a savepoint around each,
//! so that the failing one spoils no other. Requests are therefore functions
//! that may run twice; what they change in memory they leave with
//! [`Tx::after_commit`].

use super::checkpoint::{self, Checkpointer, Level};
use super::connection;
use super::dedupe;
use super::memory::{Memory, SharedMemory};
use super::problem::Problem;
use crate::store::StoreError;
use crate::vault::Vault;
use rusqlite::Connection;
use rusqlite::hooks::Wal;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Requests in one transaction at most.
const BATCH: usize = 512;
/// How often other processes' changes are looked for: well within the second
/// that [`crate::store::Store::source`] allows.
const WATCH: Duration = Duration::from_millis(400);

/// A piece of work inside a transaction.
pub(super) struct Tx<'a> {
    pub(super) db: &'a Connection,
    pub(super) memory: &'a SharedMemory,
    pub(super) vault: &'a Vault,
    /// The last event's number; numbers of rolled back events are not reused.
    pub(super) last_event: &'a mut i64,
    effects: &'a mut Vec<Effect>,
}

type Effect = Box<dyn FnOnce(&mut Memory)>;

impl Tx<'_> {
    /// What is to change in memory once the transaction is on the disk, and
    /// only then; before anyone is told of it.
    pub(super) fn after_commit(&mut self, effect: impl FnOnce(&mut Memory) + 'static) {
        self.effects.push(Box::new(effect));
    }
}

/// Whether later requests may join a request's transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Batch {
    Joins,
    /// It changes who gets events, which later ones must see in memory.
    Ends,
}

/// The handle on the writing thread; ends it when dropped.
pub(super) struct Writer {
    requests: Option<Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread on an open connection.
    pub(super) fn start(
        path: PathBuf,
        connection: Connection,
        memory: Arc<SharedMemory>,
        vault: Arc<Vault>,
        last_event: i64,
        serving: bool,
    ) -> Result<Self, Problem> {
        if serving {
            checkpoint::reserve(&path, &connection)?;
        }
        let level = Arc::new(Level::new(&connection)?);
        let failed = |_| Problem::Damaged("no thread could be started");
        let checkpointer = Checkpointer::start(path.clone(), Arc::clone(&level)).map_err(failed)?;
        let mut desk = Desk {
            path,
            connection: None,
            memory,
            vault,
            last_event,
            serving,
            level,
            checkpointer,
            seen: None,
        };
        desk.use_connection(connection)?;
        let (requests, inbox) = channel();
        let thread = std::thread::Builder::new()
            .name("postern-writer".into())
            .spawn(move || desk.run(&inbox))
            .map_err(failed)?;
        Ok(Self { requests: Some(requests), thread: Some(thread) })
    }

    /// Runs `work` in a transaction and answers after its commit.
    pub(super) async fn write<T, F>(&self, batch: Batch, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&mut Tx<'_>) -> Result<T, Problem> + Send + 'static,
    {
        let ended = || StoreError::Failed("the writing thread has ended".into());
        let (reply, answer) = oneshot::channel();
        let request = Request { batch, work, outcome: None, reply };
        self.requests.as_ref().ok_or_else(ended)?.send(Box::new(request)).map_err(|_| ended())?;
        // The work is dropped here, where it was made, not by the writing thread.
        let (outcome, _work) = answer.await.map_err(|_| ended())?;
        outcome
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Request<T, F> {
    batch: Batch,
    work: F,
    outcome: Option<Result<T, Problem>>,
    reply: oneshot::Sender<(Result<T, StoreError>, F)>,
}

/// What became of one run of a request.
enum Ran {
    Well,
    /// It failed and may have written something.
    Badly,
    /// The disk, or the file, is in trouble.
    Outage(String),
}

trait Job: Send {
    fn ends_batch(&self) -> bool;
    fn run(&mut self, tx: &mut Tx<'_>) -> Ran;
    /// Tells the outcome, or that the transaction failed.
    fn answer(self: Box<Self>, failure: Option<&str>);
}

impl<T, F> Job for Request<T, F>
where
    T: Send,
    F: FnMut(&mut Tx<'_>) -> Result<T, Problem> + Send,
{
    fn ends_batch(&self) -> bool {
        self.batch == Batch::Ends
    }

    fn run(&mut self, tx: &mut Tx<'_>) -> Ran {
        let outcome = catch_unwind(AssertUnwindSafe(|| (self.work)(tx))).unwrap_or(Err(Problem::Panicked));
        let ran = match &outcome {
            Ok(_) => Ran::Well,
            Err(problem) if problem.is_refusal() => Ran::Well,
            Err(problem) if problem.is_outage() => Ran::Outage(problem.to_string()),
            Err(_) => Ran::Badly,
        };
        self.outcome = Some(outcome);
        ran
    }

    fn answer(self: Box<Self>, failure: Option<&str>) {
        let outcome = match (failure, self.outcome) {
            (None, Some(outcome)) => outcome.map_err(StoreError::from),
            (failure, _) => Err(StoreError::Unavailable(failure.unwrap_or("the request did not run").into())),
        };
        // Whoever asked may have gone: the work stands all the same.
        let _ = self.reply.send((outcome, self.work));
    }
}

/// The thread's own state.
struct Desk {
    path: PathBuf,
    /// Absent after an outage, until it opens again.
    connection: Option<Connection>,
    memory: Arc<SharedMemory>,
    vault: Arc<Vault>,
    last_event: i64,
    serving: bool,
    level: Arc<Level>,
    checkpointer: Checkpointer,
    /// When other processes' changes were last looked for, and what SQLite's
    /// counter of them said.
    seen: Option<(Instant, i64)>,
}

impl Desk {
    fn run(mut self, inbox: &Receiver<Box<dyn Job>>) {
        let mut jobs: Vec<Box<dyn Job>> = Vec::with_capacity(BATCH);
        loop {
            match inbox.recv_timeout(WATCH) {
                Ok(job) => jobs.push(job),
                Err(RecvTimeoutError::Timeout) => {
                    self.watch();
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.watch();
            let failure = self.commit(&mut jobs, inbox).err();
            for job in jobs.drain(..) {
                job.answer(failure.as_deref());
            }
        }
    }

    fn use_connection(&mut self, mut connection: Connection) -> Result<(), Problem> {
        let level = Arc::clone(&self.level);
        connection.wal_hook(Some(move |_: &mut Wal, pages: std::ffi::c_int| {
            level.pages.store(u32::try_from(pages).unwrap_or(0), Ordering::Release);
            Ok(())
        }))?;
        self.seen = Some((Instant::now(), data_version(&connection)?));
        self.connection = Some(connection);
        Ok(())
    }

    /// Runs the jobs in one transaction. An error: none of them took effect.
    fn commit(&mut self, jobs: &mut Vec<Box<dyn Job>>, inbox: &Receiver<Box<dyn Job>>) -> Result<(), String> {
        if self.connection.is_none() {
            self.reopen().map_err(|problem| problem.to_string())?;
        }
        let Some(connection) = self.connection.take() else { return Err("the database is not open".into()) };
        let (mut effects, began) = (Vec::new(), Instant::now());
        let outcome = self.run_together(&connection, jobs, inbox, &mut effects).and_then(|all_well| {
            if all_well { Ok(()) } else { self.run_apart(&connection, jobs, &mut effects) }
        });
        if outcome.is_ok() {
            self.memory.committed(jobs.len(), began.elapsed());
            self.memory.change(|memory| effects.into_iter().for_each(|effect| effect(memory)));
            self.checkpointer.after_commit(&connection);
        } else if !connection.is_autocommit() && connection.execute_batch("ROLLBACK").is_err() {
            tracing::warn!("a transaction could not be rolled back: opening the database anew");
            return outcome;
        }
        self.connection = Some(connection);
        outcome
    }

    /// All jobs, and those that come meanwhile, then the commit. `false`: one
    /// failed, and nothing took effect.
    fn run_together(
        &mut self,
        connection: &Connection,
        jobs: &mut Vec<Box<dyn Job>>,
        inbox: &Receiver<Box<dyn Job>>,
        effects: &mut Vec<Effect>,
    ) -> Result<bool, String> {
        execute(connection, "BEGIN IMMEDIATE")?;
        let mut ran = 0;
        while let Some(job) = jobs.get_mut(ran) {
            match job.run(&mut self.tx(connection, effects)) {
                Ran::Well => {}
                Ran::Outage(reason) => return Err(reason),
                Ran::Badly => {
                    effects.clear();
                    execute(connection, "ROLLBACK")?;
                    return Ok(false);
                }
            }
            let last = job.ends_batch();
            ran += 1;
            if ran == jobs.len() && ran < BATCH && !last {
                jobs.extend(inbox.try_recv());
            }
        }
        self.end(connection).map(|()| true)
    }

    /// All jobs, each within a savepoint, then the commit.
    fn run_apart(
        &mut self,
        connection: &Connection,
        jobs: &mut [Box<dyn Job>],
        effects: &mut Vec<Effect>,
    ) -> Result<(), String> {
        execute(connection, "BEGIN IMMEDIATE")?;
        for job in jobs.iter_mut() {
            let before = effects.len();
            execute(connection, "SAVEPOINT job")?;
            match job.run(&mut self.tx(connection, effects)) {
                Ran::Well => {}
                Ran::Outage(reason) => return Err(reason),
                Ran::Badly => {
                    effects.truncate(before);
                    execute(connection, "ROLLBACK TO job")?;
                }
            }
            execute(connection, "RELEASE job")?;
        }
        self.end(connection)
    }

    fn end(&self, connection: &Connection) -> Result<(), String> {
        let moved = dedupe::move_due(connection, &self.memory).map_err(|error| error.to_string())?;
        execute(connection, "COMMIT")?;
        if let Some(moved) = moved {
            self.memory.change(|memory| memory.keys.moved(moved));
        }
        Ok(())
    }

    fn tx<'a>(&'a mut self, db: &'a Connection, effects: &'a mut Vec<Effect>) -> Tx<'a> {
        Tx { db, memory: &self.memory, vault: &self.vault, last_event: &mut self.last_event, effects }
    }

    fn reopen(&mut self) -> Result<(), Problem> {
        let connection = connection::for_writing(Path::new(&self.path))?;
        self.use_connection(connection)?;
        self.forget_others();
        Ok(())
    }

    /// Looks, now and then, whether another process has written, and if so
    /// forgets what memory says of the things another process may change.
    fn watch(&mut self) {
        let (Some(connection), Some((at, version))) = (&self.connection, self.seen) else { return };
        if at.elapsed() < WATCH {
            return;
        }
        match data_version(connection) {
            Ok(now) => {
                self.seen = Some((Instant::now(), now));
                if now != version {
                    self.forget_others();
                }
            }
            Err(error) => tracing::warn!(%error, "the database cannot be watched for changes"),
        }
    }

    fn forget_others(&self) {
        self.memory.change(Memory::forget_cached);
        let Some(connection) = &self.connection else { return };
        if let Err(error) = super::open::compare_key(connection, &self.vault) {
            tracing::error!(%error, "the master key was replaced, and the new one is not to be found");
        }
        if !self.serving {
            return;
        }
        if let Err(error) = self.memory.reload_workers(connection, &self.vault) {
            tracing::warn!(%error, "the workers cannot be read again");
        }
    }
}

fn execute(connection: &Connection, sql: &str) -> Result<(), String> {
    connection.prepare_cached(sql).and_then(|mut s| s.execute([])).map(drop).map_err(|e| e.to_string())
}

fn data_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))
}
