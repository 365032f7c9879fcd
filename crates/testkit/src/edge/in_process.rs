//! An edge in this process.

use crate::within;
use postern_edge::{Edge, EdgeConfig, EdgeHandle, EnvironmentToken, MemorySecrets, api};
use postern_protocol::{Clock, Secret};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The connection's state tells this harness nothing by itself.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// A running edge. Dropped, it stops.
pub struct EdgeInProcess {
    handle: EdgeHandle,
    stop: CancellationToken,
    work: JoinHandle<()>,
    folder: TempDir,
}

impl EdgeInProcess {
    /// Starts one that signs in at `proxy` by itself; `adjust` changes its
    /// configuration before.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(
        proxy: &str,
        token: Secret,
        clock: Arc<dyn Clock>,
        adjust: impl FnOnce(&mut EdgeConfig),
    ) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let mut config = EdgeConfig::new(folder.path(), MemorySecrets::new());
        config.environment = Some(EnvironmentToken { token, proxy_url: Some(proxy.to_owned()) });
        config.clock = clock;
        config.api = None;
        adjust(&mut config);
        let (handle, edge) = Edge::start(config).await.unwrap_or_else(|error| panic!("{error}"));
        let stop = CancellationToken::new();
        let work = tokio::spawn(edge.run(stop.clone()));
        Self { handle, stop, work, folder }
    }

    /// By which it is asked.
    #[must_use]
    pub fn handle(&self) -> &EdgeHandle {
        &self.handle
    }

    /// Where its history lies.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        self.folder.path()
    }

    /// Waits until the proxy delivers to it.
    ///
    /// # Panics
    /// When it does not before the deadline.
    pub async fn live(&self) {
        within("a live connection", async {
            loop {
                let status = api::status(&self.handle).await.unwrap_or_else(|error| panic!("{error}"));
                if matches!(status.connection, api::Connection::Live { .. }) {
                    return;
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        })
        .await;
    }

    /// Stops it, and waits until it has drained. Its folder stays until this
    /// is dropped.
    ///
    /// # Panics
    /// When it had failed.
    pub async fn stop(&mut self) {
        self.stop.cancel();
        within("the edge to stop", &mut self.work).await.expect("the edge does not panic");
    }
}

impl Drop for EdgeInProcess {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
