//! A certificate of our own for `localhost`, and who trusts it.

use crate::Result;
use rcgen::generate_simple_self_signed;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// The files, and a client that trusts them.
pub(super) struct Certificate {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
    pub(super) trusting: TlsConnector,
}

impl Certificate {
    /// Makes one in this folder.
    ///
    /// # Errors
    /// When there is no room.
    pub(super) fn make(folder: &Path) -> Result<Self> {
        let made = generate_simple_self_signed(["localhost".into(), "127.0.0.1".into()])?;
        let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
        std::fs::write(&certificate, made.cert.pem())?;
        std::fs::write(&key, made.signing_key.serialize_pem())?;
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone())?;
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { certificate, key, trusting: TlsConnector::from(Arc::new(config)) })
    }
}
