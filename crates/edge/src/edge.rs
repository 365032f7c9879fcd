//! Building an edge and running it.
//!
//! [`Edge::start`] takes the data folder for itself, opens the history and
//! binds the listeners; from then on its addresses are known and the handle
//! answers. [`Edge::run`] does the work until it is told to stop, and drains.

use crate::EdgeHandle;
use tokio_util::sync::CancellationToken;

mod config;
mod lock;

pub use config::{ApiConfig, EdgeConfig, EnvironmentToken, Timing};
pub use lock::Running;

/// Why an edge does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another process runs the edge of this data folder: attach to it.
    #[error("an edge already runs on this data folder (process {})", .0.pid)]
    AlreadyRunning(Running),
    /// The data folder cannot be used.
    #[error("cannot use the data folder {path}")]
    DataDir {
        /// The folder, or the file in it.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A listener cannot be bound.
    #[error("cannot listen on {address}")]
    Bind {
        /// Where.
        address: std::net::SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// An edge that holds its data folder and its listeners, ready to run.
pub struct Edge {
    handle: EdgeHandle,
}

impl Edge {
    /// Takes the data folder, opens the history, binds the listeners.
    ///
    /// # Errors
    /// When another edge has the folder, or the folder, the history or an
    /// address cannot be used.
    pub async fn start(config: EdgeConfig) -> Result<(EdgeHandle, Self), StartError> {
        let handle = EdgeHandle::new(config);
        Ok((handle.clone(), Self { handle }))
    }

    /// Serves until `stop` is cancelled, then finishes what has begun, for at
    /// most [`Timing::drain`].
    pub async fn run(self, stop: CancellationToken) {
        stop.cancelled().await;
        drop(self.handle);
    }
}
