//! A certificate and its key, as files: reading them, and seeing that they
//! have changed.

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// No certificate chain or key is larger, in bytes.
const LARGEST: u64 = 1024 * 1024;

/// Where a certificate and its key are, both in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The certificate, then those that lead to the authority.
    pub certificate: PathBuf,
    /// The certificate's private key (PKCS #8, PKCS #1 or SEC 1), without a
    /// passphrase.
    pub key: PathBuf,
}

/// Why a pair of files cannot be used; each is a sentence for who set it.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// A file cannot be read.
    #[error("{what} {path} cannot be read: {source}")]
    Unreadable {
        /// `the certificate file` or `the key file`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file holds nothing of the kind.
    #[error("{what} {path} holds no {expected}: it must be PEM, with a line `{line}`")]
    Empty {
        /// `the certificate file` or `the key file`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// `certificate` or `private key`.
        expected: &'static str,
        /// The line that begins one.
        line: &'static str,
    },
    /// A file begins like PEM, and is not.
    #[error("{what} {path} is damaged PEM: {reason}")]
    Damaged {
        /// `the certificate file` or `the key file`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Where.
        reason: String,
    },
    /// The key wants a passphrase.
    #[error("the key file {0} is encrypted: write the key to it without a passphrase")]
    Encrypted(PathBuf),
    /// Both are good, but not of each other.
    #[error("the key in {key} is not the key of the first certificate in {certificate}")]
    Mismatch {
        /// The certificate file.
        certificate: PathBuf,
        /// The key file.
        key: PathBuf,
    },
    /// The certificate or the key is of a kind that TLS does not take.
    #[error("the certificate in {certificate} with the key in {key} cannot be used: {source}")]
    Unusable {
        /// The certificate file.
        certificate: PathBuf,
        /// The key file.
        key: PathBuf,
        /// Why.
        source: Error,
    },
}

const CERTIFICATE: &str = "the certificate file";
const KEY: &str = "the key file";

impl Files {
    /// Reads both and checks that they belong together.
    pub(crate) fn read(&self, provider: &CryptoProvider) -> Result<CertifiedKey, FilesError> {
        let chain = self.chain()?;
        let key = self.private_key()?;
        CertifiedKey::from_der(chain, key, provider).map_err(|source| match source {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                FilesError::Mismatch { certificate: self.certificate.clone(), key: self.key.clone() }
            }
            source => {
                FilesError::Unusable { certificate: self.certificate.clone(), key: self.key.clone(), source }
            }
        })
    }

    fn chain(&self) -> Result<Vec<CertificateDer<'static>>, FilesError> {
        let path = &self.certificate;
        let text = read(CERTIFICATE, path)?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
        let chain = chain.map_err(|error| damaged(CERTIFICATE, path, &error))?;
        if chain.is_empty() {
            return Err(FilesError::Empty {
                what: CERTIFICATE,
                path: path.clone(),
                expected: "certificate",
                line: "-----BEGIN CERTIFICATE-----",
            });
        }
        Ok(chain)
    }

    fn private_key(&self) -> Result<PrivateKeyDer<'static>, FilesError> {
        let path = &self.key;
        let text = read(KEY, path)?;
        match PrivateKeyDer::from_pem_slice(&text) {
            Ok(_) | Err(pem::Error::NoItemsFound) if is_encrypted(&text) => {
                Err(FilesError::Encrypted(path.clone()))
            }
            Ok(key) => Ok(key),
            Err(pem::Error::NoItemsFound) => Err(FilesError::Empty {
                what: KEY,
                path: path.clone(),
                expected: "private key",
                line: "-----BEGIN PRIVATE KEY-----",
            }),
            Err(error) => Err(damaged(KEY, path, &error)),
        }
    }

    /// What tells one state of the files from another.
    pub(crate) fn stamp(&self) -> Stamp {
        Stamp(
            [&self.certificate, &self.key]
                .map(|path| std::fs::metadata(path).ok().map(|m| FileStamp::of(&m))),
        )
    }
}

fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, FilesError> {
    let unreadable = |source| FilesError::Unreadable { what, path: path.to_owned(), source };
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    if size > LARGEST {
        let reason = format!("it has {size} bytes, more than any certificate");
        return Err(FilesError::Damaged { what, path: path.to_owned(), reason });
    }
    std::fs::read(path).map_err(unreadable)
}

fn damaged(what: &'static str, path: &Path, error: &pem::Error) -> FilesError {
    // The error may quote a line, and the line may be the key's.
    let reason = match error {
        pem::Error::MissingSectionEnd { .. } => "a section does not end",
        pem::Error::Base64Decode(_) => "a section is not base64",
        _ => "a section cannot be read",
    };
    FilesError::Damaged { what, path: path.to_owned(), reason: reason.to_owned() }
}

/// Whether a key wants a passphrase: PKCS #8's way of saying so, or OpenSSL's.
fn is_encrypted(text: &[u8]) -> bool {
    let has = |wanted: &[u8]| text.windows(wanted.len()).any(|part| part == wanted);
    has(b"BEGIN ENCRYPTED PRIVATE KEY") || has(b"Proc-Type: 4,ENCRYPTED")
}

/// The state of both files at a time; absent files included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp([Option<FileStamp>; 2]);

#[derive(Clone, Debug, PartialEq, Eq)]
struct FileStamp {
    modified: Option<SystemTime>,
    size: u64,
    /// A file put in its place has another inode, whatever its times say.
    inode: u64,
}

impl FileStamp {
    fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(metadata);
        #[cfg(not(unix))]
        let inode = 0;
        Self { modified: metadata.modified().ok(), size: metadata.len(), inode }
    }
}
