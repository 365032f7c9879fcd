//! The edge in this process: started before the window, stopped before the
//! end.

use crate::config::{Config, ConfigError};
use crate::live::Latest;
use crate::notifications::{Note, Screen};
use postern_edge::api::{self, Connection, Replay, SetPaused};
use postern_edge::{Edge, EdgeConfig, EdgeHandle, StartError};
use std::time::Duration;
use tauri::async_runtime::JoinHandle;
use tauri::{AppHandle, Manager, Runtime};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

/// How long to wait for another edge to end.
const PATIENCE: Duration = Duration::from_secs(3);

/// An edge and the task it runs in.
pub(crate) struct RunningEdge {
    handle: EdgeHandle,
    stop: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// Why there is no edge.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EdgeError {
    /// Nothing to start from.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The edge itself refuses.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// Starts the edge this machine's configuration describes.
///
/// # Errors
/// When it does not start; another may be running.
pub(crate) async fn start<R: Runtime>(app: &AppHandle<R>, config: &Config) -> Result<RunningEdge, EdgeError> {
    let (handle, edge) = start_after_another(config.edge(app)?).await?;
    let stop = CancellationToken::new();
    let task = tauri::async_runtime::spawn(edge.run(stop.clone()));
    Ok(RunningEdge { handle, stop, task: Mutex::new(Some(task)) })
}

/// Starts the edge; one that runs already may be about to end, as when the
/// app is quit and started again at once.
async fn start_after_another(config: EdgeConfig) -> Result<(EdgeHandle, Edge), StartError> {
    let patience = tokio::time::Instant::now() + PATIENCE;
    loop {
        match Edge::start(config.clone()).await {
            Err(StartError::AlreadyRunning(_)) if tokio::time::Instant::now() < patience => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            outcome => return outcome,
        }
    }
}

impl RunningEdge {
    /// What everything in the shell talks to.
    pub(crate) fn handle(&self) -> &EdgeHandle {
        &self.handle
    }

    /// Stops and waits until what has begun is finished, for as long as the
    /// edge allows. Stopping twice waits for the first.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        let mut task = self.task.lock().await;
        if let Some(running) = task.take()
            && let Err(problem) = running.await
        {
            tracing::error!(%problem, "the edge did not end well");
        }
    }
}

/// Pauses, or ends the pause: what the tray's item says.
pub(crate) fn toggle_pause<R: Runtime>(app: &AppHandle<R>) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let Some(status) = app.state::<Latest>().status() else { return };
        let paused = !matches!(status.connection, Connection::Paused { .. });
        let edge = app.state::<EdgeHandle>().inner().clone();
        if let Err(problem) = api::set_paused(&edge, SetPaused { paused }).await {
            tell(&app, if paused { "Not paused" } else { "Not resumed" }, problem.message);
        }
    });
}

/// Sends an event to the forward target once more.
pub(crate) fn replay<R: Runtime>(app: &AppHandle<R>, id: String) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let edge = app.state::<EdgeHandle>().inner().clone();
        if let Err(problem) = api::replay(&edge, Replay { id, target: None }).await {
            tell(&app, "Not replayed", problem.message);
        }
    });
}

/// Says what went wrong where there may be no window to say it in.
fn tell<R: Runtime>(app: &AppHandle<R>, summary: &str, body: String) {
    tracing::warn!(summary, %body);
    if let Some(screen) = app.try_state::<Screen>() {
        screen.show(Note { summary: summary.to_owned(), body, event: None });
    }
}
