//! TLS as a client: the system's trust store, ring's cryptography.

use super::dial::DialError;
use crate::io::BoxIo;
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls_platform_verifier::Verifier;
use std::io::{Error, ErrorKind};
use std::sync::Arc;
use tokio_rustls::TlsConnector;

/// How to speak TLS with the proxy. A cheap clone; building one reads the
/// system's trust store.
#[derive(Clone)]
pub struct Tls(Arc<ClientConfig>);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// Trusts what the operating system trusts, and `extra_roots`.
    ///
    /// # Errors
    /// When the trust store cannot be read, or an extra root is none.
    pub fn new(extra_roots: Vec<CertificateDer<'static>>) -> Result<Self, rustls::Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = Verifier::new_with_extra_roots(extra_roots, provider.clone())?;
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        // The upgrade is HTTP/1.1's; a front that were offered h2 would take it.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }

    pub(super) async fn connect(&self, host: &str, io: BoxIo) -> Result<BoxIo, DialError> {
        let failed = |source| DialError::Tls { host: host.to_owned(), source };
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| failed(Error::new(ErrorKind::InvalidInput, error)))?;
        let stream = TlsConnector::from(self.0.clone()).connect(name, io).await.map_err(failed)?;
        Ok(Box::new(stream))
    }
}
