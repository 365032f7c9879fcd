//! Why a command did not do it, in one sentence, and with which exit code.

use crate::app::RunError;
use crate::config::ConfigError;
use crate::store::{BackupError, OpenError, StoreError};
use crate::vault::VaultError;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a command did not do it.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// A setting cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The command line makes no sense as it is.
    #[error("{0}")]
    Usage(String),
    /// What was named is not there.
    #[error("{0}")]
    NotFound(String),
    /// The database does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no backup, or nothing was restored.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The database is not as it should be; what is wrong has been said.
    #[error("{0}")]
    Unsound(String),
    /// An address cannot be listened on.
    #[error("cannot listen on {address} ({key}): {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The setting it comes from.
        key: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error("{path} cannot be written: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A secret cannot be read from standard input.
    #[error("the secret cannot be read: {0}")]
    Input(std::io::Error),
    /// The answer cannot be written.
    #[error("the answer cannot be written: {0}")]
    Output(std::io::Error),
    /// The proxy stopped by itself.
    #[error(transparent)]
    Run(#[from] RunError),
    /// No async runtime.
    #[error("the program cannot start: {0}")]
    Runtime(std::io::Error),
}

impl CliError {
    /// The exit code.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Self::Config(_)
            | Self::Usage(_)
            | Self::Open(OpenError::Key(VaultError::NotAKey { .. }))
            | Self::Backup(BackupError::Open(OpenError::Key(VaultError::NotAKey { .. })))
            | Self::Run(RunError::Certificate(_)) => 2,
            _ => 1,
        }
    }
}
