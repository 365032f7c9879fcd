//! Secrets that last as long as the process.

use super::{KeptIn, ProfileSecrets, SecretStore, SecretStoreError};
use async_trait::async_trait;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Keeps secrets in this process alone. A restart registers a new worker, so
/// this is for tests and for machines that are thrown away.
#[derive(Debug, Default)]
pub struct MemorySecrets {
    profiles: Mutex<HashMap<String, ProfileSecrets>>,
}

impl MemorySecrets {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn with<T>(&self, f: impl FnOnce(&mut HashMap<String, ProfileSecrets>) -> T) -> T {
        f(&mut self.profiles.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl SecretStore for MemorySecrets {
    fn kept_in(&self) -> KeptIn {
        KeptIn::Memory
    }

    async fn load(&self, profile: &str) -> Result<Option<ProfileSecrets>, SecretStoreError> {
        Ok(self.with(|profiles| profiles.get(profile).cloned()))
    }

    async fn save(&self, profile: &str, secrets: &ProfileSecrets) -> Result<(), SecretStoreError> {
        self.with(|profiles| profiles.insert(profile.to_owned(), secrets.clone()));
        Ok(())
    }

    async fn delete(&self, profile: &str) -> Result<(), SecretStoreError> {
        self.with(|profiles| profiles.remove(profile));
        Ok(())
    }
}
