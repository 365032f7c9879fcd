//! How a command reaches the edge: the one that runs on the data folder, over
//! its local HTTP API, or, when none runs, one of its own.
//!
//! An edge of its own ([`Backend::open`]) has the history and the settings but
//! does not run: a command that only looks something up must not make this
//! machine appear at the proxy for a moment.

mod client;
mod settings;

pub(crate) use client::Client;
pub(crate) use settings::{Keep, Settings};

use crate::failure::Failure;
use postern_edge::api;
use postern_edge::{Edge, EdgeConfig, EdgeHandle, Running, StartError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::io;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The edge that a command talks to.
pub(crate) enum Backend {
    /// It runs in another process.
    Running(Client),
    /// It is opened here, and ends with the command.
    Own(EdgeHandle, Edge),
}

impl Backend {
    /// The running edge, or one of our own made of `config`, without its
    /// listeners for others.
    ///
    /// # Errors
    /// When an edge runs that cannot be reached, or none does and the data
    /// folder cannot be used.
    pub(crate) async fn open(settings: &Settings, mut config: EdgeConfig) -> Result<Self, Failure> {
        if let Some(client) = running(settings).await? {
            return Ok(Self::Running(client));
        }
        config.api = None;
        match Edge::start(config).await {
            Ok((handle, edge)) => Ok(Self::Own(handle, edge)),
            // It was faster.
            Err(StartError::AlreadyRunning(edge)) => Ok(Self::Running(Client::attach(settings, edge).await?)),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the edge runs: registers, receives, forwards.
    pub(crate) fn runs(&self) -> bool {
        matches!(self, Self::Running(_))
    }

    /// Calls an operation of the table in [`postern_edge::api`].
    ///
    /// # Errors
    /// What the operation says, or that the edge cannot be reached.
    pub(crate) async fn call<R: DeserializeOwned>(&self, op: &str, args: impl Serialize) -> Result<R, Failure> {
        let args = serde_json::to_value(args).map_err(io::Error::from)?;
        let answer = match self {
            Self::Running(client) => client.call(op, args).await?,
            Self::Own(edge, _) => api::call(edge, op, args).await?,
        };
        read(op, answer)
    }
}

/// The answer's type; it may come from an edge of another version.
fn read<R: DeserializeOwned>(op: &str, answer: Value) -> Result<R, Failure> {
    serde_json::from_value(answer).map_err(|error| {
        Failure::coded(
            "edge.version",
            format!("The running worker answered `{op}` in a form this version does not know ({error}). Restart it, so that both are of one version."),
        )
    })
}

/// The edge that runs on the data folder, if one does.
///
/// # Errors
/// When it cannot be reached.
pub(crate) async fn running(settings: &Settings) -> Result<Option<Client>, Failure> {
    let found = Running::find(&settings.data_dir).map_err(|error| {
        let folder = settings.data_dir.display();
        Failure::coded("edge.data_dir", format!("The data folder {folder} cannot be used: {error}."))
    })?;
    match found {
        Some(edge) => Client::attach(settings, edge).await.map(Some),
        None => Ok(None),
    }
}

/// An edge that runs in this process.
pub(crate) struct Own {
    pub(crate) handle: EdgeHandle,
    stop: CancellationToken,
    work: JoinHandle<()>,
}

impl Own {
    /// Starts it.
    ///
    /// # Errors
    /// When another one runs, or the data folder or an address is not to be had.
    pub(crate) async fn start(config: EdgeConfig) -> Result<Self, StartError> {
        let (handle, edge) = Edge::start(config).await?;
        let stop = CancellationToken::new();
        let work = tokio::spawn(edge.run(stop.clone()));
        Ok(Self { handle, stop, work })
    }

    /// Stops it, after what it has begun.
    pub(crate) async fn drain(self) {
        self.stop.cancel();
        if let Err(error) = self.work.await {
            tracing::error!(%error, "the worker did not end in order");
        }
    }
}
