//! Where a profile's secrets are kept: the workspace token, the worker's
//! credential and the keys that verify deliveries.
//!
//! All secrets of one profile are one item, so that a keychain asks once. A
//! store is read once, at start or sign-in, and written when something
//! changes; the receiver never waits for it. The shell chooses the store: the
//! desktop [`KeychainSecrets`]; a headless machine a token from the
//! environment ([`crate::EnvironmentToken`]), then the keychain, then
//! [`FileSecrets`] where the user asked for it in so many words.

use async_trait::async_trait;
use postern_protocol::secret::expose;
use postern_protocol::signature::Scheme;
use postern_protocol::{ErrorCode, Secret, UnixMillis};
use serde::{Deserialize, Serialize};

mod file;
mod keychain;
mod memory;

pub use file::FileSecrets;
pub use keychain::{Keychain, KeychainSecrets, OsKeychain};
pub use memory::MemorySecrets;

/// The secrets of one profile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProfileSecrets {
    /// The workspace token; absent where the environment provides it.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "expose_some")]
    pub token: Option<Secret>,
    /// What the proxy gave at registration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<WorkerSecrets>,
    /// What the developer's own program verifies with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub local: Vec<LocalSecret>,
}

/// The secret by which the program that events are forwarded to verifies them.
/// An event is signed anew with it, or its signature explained by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LocalSecret {
    /// The name of the one source it is for; absent: all of the scheme's
    /// provider that have none of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// How it signs.
    pub scheme: Scheme,
    /// The secret, as the program has it.
    #[serde(serialize_with = "expose")]
    pub secret: Secret,
    /// When it was set.
    pub set_at: UnixMillis,
}

/// A registered worker's secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkerSecrets {
    /// Whose they are.
    pub worker_id: String,
    /// Renews and changes the worker.
    #[serde(serialize_with = "expose")]
    pub credential: Secret,
    /// The keys that verify deliveries, the current one first.
    pub signing: Vec<SigningSecret>,
}

/// A key that verifies deliveries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SigningSecret {
    /// `whsec_…`.
    #[serde(serialize_with = "expose")]
    pub secret: Secret,
    /// Until when it is still accepted; absent on the current one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<UnixMillis>,
}

fn expose_some<S: serde::Serializer>(secret: &Option<Secret>, s: S) -> Result<S::Ok, S::Error> {
    match secret {
        Some(secret) => s.serialize_some(secret.reveal()),
        None => s.serialize_none(),
    }
}

/// Where secrets are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeptIn {
    /// The operating system's keychain.
    Keychain,
    /// A file only its owner can read.
    File,
    /// The environment of this process.
    Environment,
    /// This process alone: gone when it ends.
    Memory,
}

impl KeptIn {
    /// The stable text: `keychain`, `file`, `environment`, `memory`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keychain => "keychain",
            Self::File => "file",
            Self::Environment => "environment",
            Self::Memory => "memory",
        }
    }
}

/// A place for secrets. Implementations do their waiting off the async
/// threads and give up in bounded time.
#[async_trait]
pub trait SecretStore: Send + Sync + 'static {
    /// What it is, for people and for choosing words.
    fn kept_in(&self) -> KeptIn;

    /// The secrets of `profile`; `None` when it has none.
    async fn load(&self, profile: &str) -> Result<Option<ProfileSecrets>, SecretStoreError>;

    /// Replaces the secrets of `profile`.
    async fn save(&self, profile: &str, secrets: &ProfileSecrets) -> Result<(), SecretStoreError>;

    /// Forgets the secrets of `profile`; nothing to forget is no error.
    async fn delete(&self, profile: &str) -> Result<(), SecretStoreError>;
}

/// Why secrets could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SecretStoreError {
    /// The keychain is there, but locked, or its dialog was not answered.
    #[error("the keychain is locked, or its dialog was not answered: unlock it and try again")]
    Locked,
    /// This machine, or this session, has no keychain.
    #[error("this machine has no keychain service ({0})")]
    Absent(String),
    /// The keychain answered with a failure.
    #[error("the keychain failed: {0}")]
    Keychain(String),
    /// Others can read the file.
    #[error("{path} can be read by other users of this machine (mode {mode:03o}): run `chmod 600 {path}`")]
    Exposed {
        /// The file.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
    /// The file cannot be read or written.
    #[error("cannot {action} {path}")]
    File {
        /// `read`, `write`, …
        action: &'static str,
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// What is stored is not what Postern stores. Its content is not shown.
    #[error("the secrets kept in {0} cannot be read: they are not of Postern's form")]
    Unreadable(String),
}

impl SecretStoreError {
    /// The code this error crosses a process boundary with.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Locked => ErrorCode::KeychainLocked,
            Self::Absent(_) => ErrorCode::KeychainAbsent,
            Self::Keychain(_) | Self::Exposed { .. } | Self::File { .. } | Self::Unreadable(_) => {
                ErrorCode::StoreUnavailable
            }
        }
    }
}
