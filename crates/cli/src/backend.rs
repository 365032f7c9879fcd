//! How a command reaches the edge: the one that runs on the data folder, over
//! its local HTTP API, or, when none runs, one of its own.
//!
//! An edge of its own ([`Backend::open`]) has the history and the settings but
//! does not run: a command that only looks something up must not make this
//! machine appear at the proxy for a moment.

mod settings;

pub(crate) use postern_edge::attach::Client;
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
    /// It is opened here, and closed with the command.
    Own {
        /// What answers.
        handle: EdgeHandle,
        /// Holds the data folder meanwhile.
        _edge: Edge,
    },
}

impl Backend {
    /// The running edge, or one of our own made of `config`, without its
    /// listeners for others.
    ///
    /// # Errors
    /// When an edge runs that cannot be reached, or none does and the data
    /// folder cannot be used.
    pub(crate) async fn open(settings: &Settings, mut config: EdgeConfig) -> Result<Self, Failure> {
        config.api = None;
        loop {
            if let Some(client) = running(settings).await? {
                return Ok(Self::Running(client));
            }
            match Edge::start(config.clone()).await {
                Ok((handle, edge)) => {
                    return Ok(Self::Own { handle: about(settings, handle)?, _edge: edge });
                }
                // It was faster.
                Err(StartError::AlreadyRunning(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Whether the edge runs: registers, receives, forwards.
    pub(crate) fn runs(&self) -> bool {
        matches!(self, Self::Running(_))
    }

    /// Has an edge of our own read its secrets, for an operation that needs
    /// them; a running one has.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(crate) async fn unlock(&self) -> Result<(), Failure> {
        match self {
            Self::Running(_) => Ok(()),
            Self::Own { handle, .. } => Ok(handle.unlock().await?),
        }
    }

    /// Calls an operation of the table in [`postern_edge::api`].
    ///
    /// # Errors
    /// What the operation says, or that the edge cannot be reached.
    pub(crate) async fn call<R: DeserializeOwned>(
        &self,
        op: &str,
        args: impl Serialize,
    ) -> Result<R, Failure> {
        let args = serde_json::to_value(args).map_err(io::Error::from)?;
        let answer = match self {
            Self::Running(client) => client.call(op, args).await?,
            Self::Own { handle, .. } => api::call(handle, op, args).await?,
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
        Some(edge) => {
            let client = Client::attach(&settings.data_dir, edge).await?;
            Ok(client.map(|client| client.about(settings.profile.clone())))
        }
        None => Ok(None),
    }
}

/// A handle on the profile that the command is about.
fn about(settings: &Settings, handle: EdgeHandle) -> Result<EdgeHandle, Failure> {
    match &settings.profile {
        Some(name) => Ok(handle.named(name)?),
        None => Ok(handle),
    }
}

/// Which edge runs now.
pub(crate) enum Started {
    /// One in this process.
    Own(Own),
    /// The one that ran already.
    Other(Client),
}

/// An edge that runs in this process.
pub(crate) struct Own {
    pub(crate) handle: EdgeHandle,
    stop: CancellationToken,
    work: JoinHandle<()>,
}

impl Own {
    /// Starts it, unless another one runs on the data folder: then that one.
    ///
    /// # Errors
    /// When the other one cannot be reached, or the data folder or an address
    /// is not to be had.
    pub(crate) async fn start(settings: &Settings, config: EdgeConfig) -> Result<Started, Failure> {
        loop {
            if let Some(client) = running(settings).await? {
                return Ok(Started::Other(client));
            }
            let (handle, edge) = match Edge::start(config.clone()).await {
                Ok(started) => started,
                // It was faster; or only looks something up.
                Err(StartError::AlreadyRunning(_)) => continue,
                Err(error) => return Err(error.into()),
            };
            let handle = about(settings, handle)?;
            let stop = CancellationToken::new();
            let work = tokio::spawn(edge.run(stop.clone()));
            return Ok(Started::Own(Self { handle, stop, work }));
        }
    }

    /// Stops it, after what it has begun.
    pub(crate) async fn drain(self) {
        self.stop.cancel();
        if let Err(error) = self.work.await {
            tracing::error!(%error, "the worker did not end in order");
        }
    }
}
