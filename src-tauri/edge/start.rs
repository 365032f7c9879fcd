//! Finding an edge to work with: one that runs, or one of our own.

use crate::config::ConfigError;
use postern_edge::api::ApiError;
use postern_edge::attach::Client;
use postern_edge::{Edge, EdgeConfig, EdgeHandle, Running, StartError};
use std::time::Duration;
use tokio::time::Instant;

/// How long another program may hold the folder and not answer. It may be
/// about to end, as when the app is quit and started again at once: as long
/// as an edge may take to finish what it has begun.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often to look meanwhile.
const AGAIN: Duration = Duration::from_millis(100);

/// The edge to work with.
pub(super) enum Found {
    /// One in this process, not running yet.
    Own(EdgeHandle, Edge),
    /// One that runs elsewhere.
    Other(Client),
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
    /// Another program has the data folder and cannot be attached to.
    #[error("{}", .0.message)]
    Attach(ApiError),
}

/// The edge that runs on the data folder; without one, an own one.
///
/// # Errors
/// When the folder cannot be used, or another program holds it and does not
/// answer.
pub(super) async fn find(config: &EdgeConfig) -> Result<Found, EdgeError> {
    let patience = Instant::now() + PATIENCE;
    loop {
        let refused = match attach(config).await {
            Ok(Some(client)) => return Ok(Found::Other(client)),
            Ok(None) => match Edge::start(config.clone()).await {
                Ok((handle, edge)) => return Ok(Found::Own(handle, edge)),
                // It was faster; or only looks something up.
                Err(error @ StartError::AlreadyRunning(_)) => error.into(),
                Err(error) => return Err(error.into()),
            },
            Err(error) => EdgeError::Attach(error),
        };
        if Instant::now() >= patience {
            return Err(refused);
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn attach(config: &EdgeConfig) -> Result<Option<Client>, ApiError> {
    // What cannot be looked into cannot be started on: that says it better.
    match Running::find(&config.data_dir) {
        Ok(Some(running)) => Client::attach(&config.data_dir, running).await,
        Ok(None) | Err(_) => Ok(None),
    }
}

/// What happened and why, in one line.
pub(crate) fn causes(problem: &EdgeError) -> String {
    let mut line = problem.to_string();
    let mut cause = std::error::Error::source(problem);
    while let Some(next) = cause {
        line.push_str(&format!(": {next}"));
        cause = next.source();
    }
    line
}
