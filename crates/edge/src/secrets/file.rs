//! Secrets in a file that only its owner can read.

use super::{KeptIn, ProfileSecrets, SecretStore, SecretStoreError};
use crate::private_file;
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Mutex;

/// Keeps secrets as JSON in one file, mode 0600, replaced atomically. A file
/// that others can read is refused, not repaired: its secrets may be known.
#[derive(Clone, Debug)]
pub struct FileSecrets {
    path: PathBuf,
    /// Held across read–change–write.
    turn: Arc<Mutex<()>>,
}

type Profiles = BTreeMap<String, ProfileSecrets>;

impl FileSecrets {
    /// What the file is called that every shell uses once the user has asked
    /// for one, in the data folder.
    pub const NAME: &str = "secrets.json";

    /// Keeps secrets in the file at `path`, made when first needed; its folder
    /// must exist.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), turn: Arc::default() }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Path) -> Result<T, SecretStoreError> + Send + 'static,
    ) -> Result<T, SecretStoreError> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let path = self.path.clone();
        tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work(&path)
        })
        .await
        .map_err(|e| SecretStoreError::File {
            action: "use",
            path: self.path.display().to_string(),
            source: io::Error::other(e),
        })?
    }
}

fn read(path: &Path) -> Result<Profiles, SecretStoreError> {
    let failed = |source| SecretStoreError::File { action: "read", path: path.display().to_string(), source };
    let mut file = match fs::File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Profiles::new()),
        Err(e) => return Err(failed(e)),
    };
    if let Some(mode) = private_file::exposed(&file).map_err(failed)? {
        return Err(SecretStoreError::Exposed { path: path.display().to_string(), mode });
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(failed)?;
    serde_json::from_str(&text).map_err(|_| SecretStoreError::Unreadable(path.display().to_string()))
}

fn write(path: &Path, profiles: &Profiles) -> Result<(), SecretStoreError> {
    let failed =
        |source| SecretStoreError::File { action: "write", path: path.display().to_string(), source };
    let text = serde_json::to_vec_pretty(profiles).map_err(|e| failed(e.into()))?;
    private_file::replace(path, &text).map_err(failed)
}

#[async_trait]
impl SecretStore for FileSecrets {
    fn kept_in(&self) -> KeptIn {
        KeptIn::File
    }

    async fn load(&self, profile: &str) -> Result<Option<ProfileSecrets>, SecretStoreError> {
        let profile = profile.to_owned();
        self.blocking(move |path| Ok(read(path)?.remove(&profile))).await
    }

    async fn save(&self, profile: &str, secrets: &ProfileSecrets) -> Result<(), SecretStoreError> {
        let (profile, secrets) = (profile.to_owned(), secrets.clone());
        self.blocking(move |path| {
            let mut profiles = read(path)?;
            profiles.insert(profile, secrets);
            write(path, &profiles)
        })
        .await
    }

    async fn delete(&self, profile: &str) -> Result<(), SecretStoreError> {
        let profile = profile.to_owned();
        self.blocking(move |path| {
            let mut profiles = read(path)?;
            if profiles.remove(&profile).is_some() { write(path, &profiles) } else { Ok(()) }
        })
        .await
    }
}

#[cfg(test)]
mod tests;
