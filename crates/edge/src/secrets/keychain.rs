//! Secrets in the operating system's keychain.
//!
//! A locked keychain blocks its caller on a dialog, without a limit of its
//! own. So it is called on one thread that does nothing else, and whoever
//! waits for it does so with a timeout; a call that was given up on still ends
//! by itself, and later calls queue behind it.

use super::{KeptIn, ProfileSecrets, SecretStore, SecretStoreError};
use async_trait::async_trait;
use std::sync::mpsc;
use std::time::Duration;
use tokio::sync::oneshot;

/// A keychain as the operating system has it: named items of text. Calls may
/// block for as long as a dialog is open.
pub trait Keychain: Send + 'static {
    /// The item's text; `None` when there is no such item.
    ///
    /// # Errors
    /// As [`SecretStoreError`] tells them apart.
    fn get(&mut self, item: &str) -> Result<Option<String>, SecretStoreError>;

    /// Makes or replaces the item.
    ///
    /// # Errors
    /// As [`SecretStoreError`] tells them apart.
    fn set(&mut self, item: &str, text: &str) -> Result<(), SecretStoreError>;

    /// Removes the item, if it is there.
    ///
    /// # Errors
    /// As [`SecretStoreError`] tells them apart.
    fn remove(&mut self, item: &str) -> Result<(), SecretStoreError>;
}

/// The keychain of this system: Secret Service, macOS Keychain or Windows
/// Credential Manager.
#[derive(Clone, Debug)]
pub struct OsKeychain {
    service: String,
}

impl OsKeychain {
    /// Items are kept under this service name, which people see in their
    /// keychain: `Postern`.
    #[must_use]
    pub fn new(service: impl Into<String>) -> Self {
        Self { service: service.into() }
    }

    fn entry(&self, item: &str) -> Result<keyring::Entry, SecretStoreError> {
        keyring::Entry::new(&self.service, item).map_err(explain)
    }
}

impl Keychain for OsKeychain {
    fn get(&mut self, item: &str) -> Result<Option<String>, SecretStoreError> {
        match self.entry(item)?.get_password() {
            Ok(text) => Ok(Some(text)),
            Err(keyring::Error::NoEntry) => Ok(None),
            Err(e) => Err(explain(e)),
        }
    }

    fn set(&mut self, item: &str, text: &str) -> Result<(), SecretStoreError> {
        self.entry(item)?.set_password(text).map_err(explain)
    }

    fn remove(&mut self, item: &str) -> Result<(), SecretStoreError> {
        match self.entry(item)?.delete_credential() {
            Ok(()) | Err(keyring::Error::NoEntry) => Ok(()),
            Err(e) => Err(explain(e)),
        }
    }
}

/// Which of our errors a keyring error is. Errors that carry an item's bytes
/// are reduced to their name.
fn explain(error: keyring::Error) -> SecretStoreError {
    match error {
        keyring::Error::NoDefaultStore => {
            let cause = match keyring::Entry::store_status() {
                Ok(()) => "no credential store".to_owned(),
                Err(e) => e.to_string(),
            };
            SecretStoreError::Absent(cause)
        }
        keyring::Error::NoStorageAccess(_) => SecretStoreError::Locked,
        keyring::Error::BadEncoding(_) | keyring::Error::BadDataFormat(..) => {
            SecretStoreError::Unreadable("the keychain".into())
        }
        other => SecretStoreError::Keychain(other.to_string()),
    }
}

type Call = Box<dyn FnOnce(&mut dyn Keychain) + Send>;

/// Keeps each profile's secrets as one keychain item.
pub struct KeychainSecrets {
    calls: mpsc::Sender<Call>,
    timeout: Duration,
}

impl KeychainSecrets {
    /// How long a call may take by default, dialog included.
    pub const TIMEOUT: Duration = Duration::from_secs(10);

    /// Starts the thread that talks to `keychain`. A call that takes longer
    /// than `timeout` is answered with [`SecretStoreError::Locked`].
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn start(mut keychain: impl Keychain, timeout: Duration) -> std::io::Result<Self> {
        let (calls, queue) = mpsc::channel::<Call>();
        std::thread::Builder::new().name("keychain".into()).spawn(move || {
            for call in queue {
                call(&mut keychain);
            }
        })?;
        Ok(Self { calls, timeout })
    }

    async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Keychain) -> Result<T, SecretStoreError> + Send + 'static,
    ) -> Result<T, SecretStoreError> {
        let (answer, answered) = oneshot::channel();
        let call: Call = Box::new(move |keychain| {
            // Nobody waits any more for an answer that came too late.
            if !answer.is_closed() {
                let _ = answer.send(work(keychain));
            }
        });
        let gone = || SecretStoreError::Keychain("its thread has ended".into());
        self.calls.send(call).map_err(|_| gone())?;
        match tokio::time::timeout(self.timeout, answered).await {
            Ok(answer) => answer.map_err(|_| gone())?,
            Err(_) => Err(SecretStoreError::Locked),
        }
    }
}

#[async_trait]
impl SecretStore for KeychainSecrets {
    fn kept_in(&self) -> KeptIn {
        KeptIn::Keychain
    }

    async fn load(&self, profile: &str) -> Result<Option<ProfileSecrets>, SecretStoreError> {
        let item = profile.to_owned();
        match self.call(move |keychain| keychain.get(&item)).await? {
            None => Ok(None),
            Some(text) => serde_json::from_str(&text)
                .map(Some)
                .map_err(|_| SecretStoreError::Unreadable("the keychain".into())),
        }
    }

    async fn save(&self, profile: &str, secrets: &ProfileSecrets) -> Result<(), SecretStoreError> {
        let item = profile.to_owned();
        let text = serde_json::to_string(secrets).map_err(|e| SecretStoreError::Keychain(e.to_string()))?;
        let text = postern_protocol::Secret::new(text);
        self.call(move |keychain| keychain.set(&item, text.reveal())).await
    }

    async fn delete(&self, profile: &str) -> Result<(), SecretStoreError> {
        let item = profile.to_owned();
        self.call(move |keychain| keychain.remove(&item)).await
    }
}

impl std::fmt::Debug for KeychainSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeychainSecrets").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
