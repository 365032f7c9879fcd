//! Secrets at rest: sealed with XChaCha20-Poly1305 under the proxy's master
//! key, so that a stolen database file reveals none.
//!
//! A sealed secret is `1 ‖ key id (8) ‖ nonce (24) ‖ ciphertext and tag`. The
//! associated data is what the secret belongs to, so that a ciphertext moved
//! to another row does not open. The key's id names the key without telling
//! anything of it, so that keys can be rotated and a wrong one is recognised.
//!
//! A key kept in a file may be replaced while a proxy serves: what is sealed
//! with a key the vault does not know makes it look at the file, and at those
//! beside it in which the next key waits and replaced ones are kept.

use crate::private;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use postern_protocol::Secret;
use sha2::{Digest, Sha256};
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};
use zeroize::Zeroizing;

const VERSION: u8 = 1;
const KEY_ID: usize = 8;
const NONCE: usize = 24;
const HEAD: usize = 1 + KEY_ID + NONCE;

/// Names a master key; tells nothing of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyId(pub [u8; KEY_ID]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why there is no vault, or a secret does not open.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The key's text is not a key.
    #[error(
        "{origin} is not a master key: expected 32 bytes in base64 (44 characters), such as `openssl rand -base64 32` prints"
    )]
    NotAKey {
        /// Where the text came from: a variable's or a file's name.
        origin: String,
    },
    /// The key file cannot be read or made.
    #[error("the master key file {path} cannot be {what}")]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// `read` or `written`.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The key file is not there, and making one would not help: secrets have
    /// been sealed with the one that is lost.
    #[error(
        "the master key file {path} is missing, but the database was sealed with its key: put the file back, or set POSTERN_MASTER_KEY"
    )]
    KeyFileMissing {
        /// The file.
        path: PathBuf,
    },
    /// Sealed with another key.
    #[error(
        "sealed with master key {sealed}, while the present one is {present}: set POSTERN_MASTER_KEY or master_key_file to the former"
    )]
    WrongKey {
        /// The key it was sealed with.
        sealed: KeyId,
        /// The vault's key.
        present: KeyId,
    },
    /// Not a sealed secret, altered, or of another row.
    #[error("a sealed secret is damaged")]
    Damaged,
}

/// Seals and opens secrets.
pub struct Vault {
    keys: RwLock<Keys>,
    /// Where the key is kept, when that is a file.
    file: Option<PathBuf>,
}

/// The keys that open; one of them seals.
struct Keys {
    sealing: KeyId,
    known: Vec<(KeyId, XChaCha20Poly1305)>,
}

impl Keys {
    fn cipher(&self, id: KeyId) -> Option<&XChaCha20Poly1305> {
        self.known.iter().find(|(known, _)| *known == id).map(|(_, cipher)| cipher)
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault({})", self.key_id())
    }
}

impl Vault {
    /// A vault under this key.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        let digest = Sha256::new().chain_update(b"postern master key id").chain_update(key).finalize();
        let mut id = [0; KEY_ID];
        id.copy_from_slice(&digest[..KEY_ID]);
        let sealing = KeyId(id);
        let known = vec![(sealing, XChaCha20Poly1305::new(key.into()))];
        Self { keys: RwLock::new(Keys { sealing, known }), file: None }
    }

    /// A vault under a key in base64. `origin` names where the text is from,
    /// for the error.
    ///
    /// # Errors
    /// When the text is not 32 bytes in base64.
    pub fn from_text(key: &Secret, origin: &str) -> Result<Self, VaultError> {
        let not_a_key = || VaultError::NotAKey { origin: origin.to_owned() };
        let bytes = Zeroizing::new(STANDARD.decode(key.reveal().trim()).map_err(|_| not_a_key())?);
        let key = Zeroizing::new(<[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| not_a_key())?);
        Ok(Self::new(&key))
    }

    /// A vault under the key in a file. Where the file is absent, a new key
    /// is made and kept in it (mode 0600), unless `must_exist`.
    ///
    /// # Errors
    /// When the file cannot be read or written, or holds no key.
    pub fn from_file(path: &Path, must_exist: bool) -> Result<Self, VaultError> {
        let failed = |what| move |source| VaultError::KeyFile { path: path.to_owned(), what, source };
        match Self::read(path) {
            Err(VaultError::KeyFile { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            read => return read,
        }
        if must_exist {
            return Err(VaultError::KeyFileMissing { path: path.to_owned() });
        }
        match Self::make_file(path) {
            // Another process was faster: its key is the key.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Self::from_file(path, true),
            Err(error) => Err(failed("written")(error)),
            Ok(()) => Self::read(path),
        }
    }

    /// Makes a new key in a file that must not exist yet.
    pub(crate) fn make_file(path: &Path) -> io::Result<()> {
        let key = Zeroizing::new(crate::entropy::bytes::<32>());
        let text = Zeroizing::new(format!("{}\n", STANDARD.encode(key.as_slice())));
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            private::folder(folder)?;
        }
        private::write_new(path, &text)
    }

    fn read(path: &Path) -> Result<Self, VaultError> {
        let text = fs::read_to_string(path).map_err(|source| VaultError::KeyFile {
            path: path.to_owned(),
            what: "read",
            source,
        })?;
        let vault = Self::from_text(&Secret::new(text), &format!("the file {}", path.display()))?;
        Ok(Self { file: Some(path.to_owned()), ..vault })
    }

    /// Where a key is kept that was replaced: old backups open with it.
    pub(crate) fn kept_file(path: &Path, id: KeyId) -> PathBuf {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{id}"));
        PathBuf::from(name)
    }

    /// Where the key waits that is to take the place of the one in `path`.
    pub(crate) fn next_file(path: &Path) -> PathBuf {
        let mut name = path.as_os_str().to_owned();
        name.push(".new");
        PathBuf::from(name)
    }

    /// Which key this is.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).sealing
    }

    /// Seals with this key from now on, if it is known, or found where the
    /// present one is kept.
    ///
    /// # Errors
    /// When the key is not to be found.
    pub fn adopt(&self, id: KeyId) -> Result<(), VaultError> {
        if self.key_id() == id {
            return Ok(());
        }
        self.find(id)?;
        self.keys.write().unwrap_or_else(PoisonError::into_inner).sealing = id;
        Ok(())
    }

    /// Looks for a key where the present one is kept, unless it is known.
    fn find(&self, id: KeyId) -> Result<(), VaultError> {
        let known = |keys: &Keys| keys.cipher(id).is_some();
        if known(&self.keys.read().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(());
        }
        let files = self
            .file
            .iter()
            .flat_map(|file| [file.clone(), Self::next_file(file), Self::kept_file(file, id)]);
        for found in files.filter_map(|file| Self::read(&file).ok()) {
            let found = found.keys.into_inner().unwrap_or_else(PoisonError::into_inner);
            if known(&found) {
                self.keys.write().unwrap_or_else(PoisonError::into_inner).known.extend(found.known);
                return Ok(());
            }
        }
        Err(VaultError::WrongKey { sealed: id, present: self.key_id() })
    }

    /// Seals a text that belongs to `context` (`source:<id>`).
    #[must_use]
    pub fn seal(&self, context: &str, text: &str) -> Vec<u8> {
        let nonce = crate::entropy::bytes::<NONCE>();
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let payload = Payload { msg: text.as_bytes(), aad: context.as_bytes() };
        #[expect(clippy::expect_used, reason = "the sealing key is known; fails only beyond 256 GiB")]
        let sealed = keys
            .cipher(keys.sealing)
            .and_then(|cipher| cipher.encrypt(&XNonce::from(nonce), payload).ok())
            .expect("the text is short");
        let mut out = Vec::with_capacity(HEAD + sealed.len());
        out.push(VERSION);
        out.extend_from_slice(&keys.sealing.0);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&sealed);
        out
    }

    /// Opens what [`Vault::seal`] made for the same context.
    ///
    /// # Errors
    /// When it was sealed with another key, for another context, or altered.
    pub fn open(&self, context: &str, sealed: &[u8]) -> Result<Secret, VaultError> {
        let (head, text) = sealed.split_at_checked(HEAD).ok_or(VaultError::Damaged)?;
        let key = KeyId(head[1..=KEY_ID].try_into().map_err(|_| VaultError::Damaged)?);
        let nonce: [u8; NONCE] = head[1 + KEY_ID..].try_into().map_err(|_| VaultError::Damaged)?;
        if head[0] != VERSION {
            return Err(VaultError::Damaged);
        }
        self.find(key)?;
        let payload = Payload { msg: text, aad: context.as_bytes() };
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let cipher = keys.cipher(key).ok_or(VaultError::WrongKey { sealed: key, present: keys.sealing })?;
        let text = cipher.decrypt(&XNonce::from(nonce), payload).map_err(|_| VaultError::Damaged)?;
        String::from_utf8(text).map(Secret::new).map_err(|_| VaultError::Damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_what_it_sealed_and_only_for_its_context() {
        let vault = Vault::new(&[7; 32]);
        let sealed = vault.seal("source:a", "lin_whs_x");
        assert_eq!(vault.open("source:a", &sealed).unwrap(), Secret::new("lin_whs_x"));
        assert!(matches!(vault.open("source:b", &sealed), Err(VaultError::Damaged)));
        assert_ne!(sealed, vault.seal("source:a", "lin_whs_x"), "every sealing has its own nonce");
    }

    #[test]
    fn every_altered_byte_is_noticed() {
        let vault = Vault::new(&[7; 32]);
        let sealed = vault.seal("x", "secret");
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert!(vault.open("x", &altered).is_err(), "byte {at}");
            assert!(vault.open("x", &sealed[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn another_key_is_named() {
        let sealed = Vault::new(&[7; 32]).seal("x", "secret");
        let other = Vault::new(&[8; 32]);
        let error = other.open("x", &sealed).unwrap_err();
        assert!(matches!(error, VaultError::WrongKey { present, .. } if present == other.key_id()));
        assert!(error.to_string().contains("POSTERN_MASTER_KEY"));
    }

    #[test]
    fn a_key_file_is_made_once_and_kept_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/master.key");
        let first = Vault::from_file(&path, false).unwrap();
        assert_eq!(Vault::from_file(&path, true).unwrap().key_id(), first.key_id());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn a_missing_or_bad_key_file_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        assert!(matches!(Vault::from_file(&path, true), Err(VaultError::KeyFileMissing { .. })));
        fs::write(&path, "c2hvcnQ=").unwrap();
        let error = Vault::from_file(&path, false).unwrap_err();
        assert!(
            error.to_string().contains("master.key") && error.to_string().contains("32 bytes"),
            "{error}"
        );
    }
}
