//! Where the desktop app keeps its secrets: the system's keychain; on a
//! machine without one, this process, so that the app still works. The user
//! interface says which (`tokenKeptIn`): kept in memory, a sign-in lasts until
//! the app is quit.
//!
//! A keychain that is there but locked is not passed over: its error reaches
//! the user, who can unlock it.

use async_trait::async_trait;
use postern_edge::secrets::{
    KeptIn, Keychain, KeychainSecrets, MemorySecrets, OsKeychain, ProfileSecrets, SecretStore,
    SecretStoreError,
};
use std::sync::atomic::{AtomicBool, Ordering};

/// The service name under which people find Postern's items.
const SERVICE: &str = "Postern";

/// The keychain, or memory where there is none.
#[derive(Debug)]
pub(crate) struct DesktopSecrets {
    keychain: KeychainSecrets,
    memory: MemorySecrets,
    /// Set once the keychain has been found to be absent; it does not come
    /// back within a process.
    absent: AtomicBool,
}

impl DesktopSecrets {
    /// The system's keychain.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub(crate) fn start() -> std::io::Result<Self> {
        Self::over(OsKeychain::new(SERVICE))
    }

    fn over(keychain: impl Keychain) -> std::io::Result<Self> {
        Ok(Self {
            keychain: KeychainSecrets::start(keychain, KeychainSecrets::TIMEOUT)?,
            memory: MemorySecrets::new(),
            absent: AtomicBool::new(false),
        })
    }

    fn store(&self) -> &dyn SecretStore {
        if self.absent.load(Ordering::Acquire) { &self.memory } else { &self.keychain }
    }

    /// Whether `result` is the news that there is no keychain: then the call
    /// is to be made again, on memory.
    fn lost<T>(&self, result: &Result<T, SecretStoreError>) -> bool {
        let Err(SecretStoreError::Absent(cause)) = result else { return false };
        if !self.absent.swap(true, Ordering::AcqRel) {
            tracing::warn!(%cause, "no keychain here: secrets are kept in memory until the app is quit");
        }
        true
    }
}

#[async_trait]
impl SecretStore for DesktopSecrets {
    fn kept_in(&self) -> KeptIn {
        self.store().kept_in()
    }

    async fn load(&self, profile: &str) -> Result<Option<ProfileSecrets>, SecretStoreError> {
        let result = self.store().load(profile).await;
        if self.lost(&result) { self.memory.load(profile).await } else { result }
    }

    async fn save(&self, profile: &str, secrets: &ProfileSecrets) -> Result<(), SecretStoreError> {
        let result = self.store().save(profile, secrets).await;
        if self.lost(&result) { self.memory.save(profile, secrets).await } else { result }
    }

    async fn delete(&self, profile: &str) -> Result<(), SecretStoreError> {
        let result = self.store().delete(profile).await;
        if self.lost(&result) { self.memory.delete(profile).await } else { result }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postern_protocol::Secret;

    /// A keychain that always fails in one way.
    struct Failing(fn() -> SecretStoreError);

    impl Keychain for Failing {
        fn get(&mut self, _: &str) -> Result<Option<String>, SecretStoreError> {
            Err((self.0)())
        }
        fn set(&mut self, _: &str, _: &str) -> Result<(), SecretStoreError> {
            Err((self.0)())
        }
        fn remove(&mut self, _: &str) -> Result<(), SecretStoreError> {
            Err((self.0)())
        }
    }

    fn token() -> ProfileSecrets {
        ProfileSecrets { token: Some(Secret::new("pst_x")), worker: None, local: Vec::new() }
    }

    #[tokio::test]
    async fn without_a_keychain_memory_takes_its_place_and_says_so() {
        let secrets = DesktopSecrets::over(Failing(|| SecretStoreError::Absent("no bus".into()))).unwrap();
        assert_eq!(secrets.load("p").await.unwrap(), None);
        assert_eq!(secrets.kept_in(), KeptIn::Memory);
        secrets.save("p", &token()).await.unwrap();
        assert_eq!(secrets.load("p").await.unwrap(), Some(token()));
        secrets.delete("p").await.unwrap();
        assert_eq!(secrets.load("p").await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_locked_keychain_is_an_error_and_nothing_is_kept_elsewhere() {
        let secrets = DesktopSecrets::over(Failing(|| SecretStoreError::Locked)).unwrap();
        let refused = secrets.save("p", &token()).await;
        assert!(matches!(refused, Err(SecretStoreError::Locked)), "{refused:?}");
        assert_eq!(secrets.kept_in(), KeptIn::Keychain);
        assert_eq!(secrets.memory.load("p").await.unwrap(), None);
    }
}
