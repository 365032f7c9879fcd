//! A few connections for reading, used on blocking threads.

use super::search::{self, Generation};
use super::{HistoryError, database};
use rusqlite::Connection;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Semaphore, watch};

/// So many reads at most at a time; more wait.
const CONNECTIONS: usize = 4;

/// A connection for reading. Transactions on it are short: a long one would
/// keep the log from starting over.
pub(super) struct Reader {
    pub(super) connection: Connection,
    attached: Option<u64>,
}

impl Reader {
    /// The connection with the search index attached as `search`.
    pub(super) fn with_search(&mut self, index: &Generation) -> rusqlite::Result<&Connection> {
        if self.attached != Some(index.number) {
            if self.attached.take().is_some() {
                self.connection.execute("DETACH search", [])?;
            }
            search::attach(&self.connection, &index.path)?;
            self.attached = Some(index.number);
        }
        Ok(&self.connection)
    }
}

pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Reader>>,
    permits: Semaphore,
    pub(super) index: watch::Receiver<Generation>,
}

impl Readers {
    pub(super) fn new(path: PathBuf, index: watch::Receiver<Generation>) -> Arc<Self> {
        Arc::new(Self { path, idle: Mutex::new(Vec::new()), permits: Semaphore::new(CONNECTIONS), index })
    }

    /// Runs `work` on a blocking thread, in one read transaction.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Reader, &Generation) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, HistoryError> {
        let _permit = self.permits.acquire().await.map_err(|_| HistoryError::Closed)?;
        let pool = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            let index = pool.index.borrow().clone();
            let mut reader = match pool.take() {
                Some(reader) => reader,
                None => Reader { connection: database::open_reader(&pool.path)?, attached: None },
            };
            let result = work(&mut reader, &index);
            // A connection that failed is not used again.
            if result.is_ok() {
                pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
            }
            result.map_err(HistoryError::from)
        })
        .await
        .map_err(|_| HistoryError::Closed)?
    }

    fn take(&self) -> Option<Reader> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}
