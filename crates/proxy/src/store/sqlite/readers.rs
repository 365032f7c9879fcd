//! A small pool of reading connections, used off the async threads. Reads are
//! short: a long one would keep the write-ahead log from being reused.

use super::connection;
use super::problem::Problem;
use crate::store::StoreError;
use rusqlite::Connection;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

/// Reads under way at once.
const READERS: usize = 4;

#[derive(Clone)]
pub(super) struct Readers {
    path: Arc<PathBuf>,
    idle: Arc<Mutex<Vec<Connection>>>,
    room: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path: Arc::new(path), idle: Arc::default(), room: Arc::new(Semaphore::new(READERS)) }
    }

    /// Runs `work` in one read transaction: all of it sees one state.
    pub(super) async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Problem> + Send + 'static,
    {
        let failed = |error: &str| StoreError::Failed(error.into());
        let permit =
            Arc::clone(&self.room).acquire_owned().await.map_err(|_| failed("the store is closed"))?;
        let this = self.clone();
        let read = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            this.read_now(work)
        });
        Ok(read.await.map_err(|_| failed("a read did not finish"))??)
    }

    fn read_now<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Problem>) -> Result<T, Problem> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => connection::for_reading(&self.path)?,
        };
        let outcome = connection
            .unchecked_transaction()
            .map_err(Problem::from)
            .and_then(|transaction| work(&transaction));
        // After an outage a fresh connection may fare better than this one.
        if !outcome.as_ref().is_err_and(Problem::is_outage) {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
        outcome
    }
}
