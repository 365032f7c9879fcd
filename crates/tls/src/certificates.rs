//! The certificate that is shown now, and following the files it came from.

use crate::accept::Acceptor;
use crate::files::{Files, FilesError, Stamp};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(2);

/// A certificate and its key, always the newest good ones of their files.
#[derive(Debug)]
pub struct Certificates {
    files: Files,
    provider: Arc<CryptoProvider>,
    current: RwLock<Arc<CertifiedKey>>,
    seen: Mutex<Stamp>,
}

impl Certificates {
    /// Reads the files.
    ///
    /// # Errors
    /// When the files cannot be used.
    pub fn load(files: Files) -> Result<Arc<Self>, FilesError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        // Before reading: what changes meanwhile is noticed at the next look.
        let seen = files.stamp();
        let current = RwLock::new(Arc::new(files.read(&provider)?));
        Ok(Arc::new(Self { files, provider, current, seen: Mutex::new(seen) }))
    }

    /// Makes handshakes with them, each of which may take `timeout`, for
    /// `protocols` (ALPN), the one that is liked best first.
    ///
    /// # Errors
    /// Never with the cryptography that is built in.
    pub fn acceptor(
        self: &Arc<Self>,
        timeout: Duration,
        protocols: &[&str],
    ) -> Result<Acceptor, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Ok(Acceptor::new(Arc::new(config), timeout))
    }

    /// Reads the files again if they have changed since the last look, or
    /// `always`; says whether there is a new pair. Blocks for as long as
    /// reading two small files takes.
    ///
    /// # Errors
    /// When the files have changed and cannot be used; the pair before stays.
    pub fn refresh(&self, always: bool) -> Result<bool, FilesError> {
        let stamp = self.files.stamp();
        {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if *seen == stamp && !always {
                return Ok(false);
            }
            *seen = stamp;
        }
        let new = Arc::new(self.files.read(&self.provider)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(true)
    }

    /// Follows the files until `stop`.
    pub async fn follow(self: Arc<Self>, stop: CancellationToken) {
        let mut hang_up = HangUp::listen();
        loop {
            let asked = tokio::select! {
                () = stop.cancelled() => return,
                () = hang_up.next() => true,
                () = tokio::time::sleep(EVERY) => false,
            };
            let this = self.clone();
            let Ok(refreshed) = tokio::task::spawn_blocking(move || this.refresh(asked)).await else {
                continue;
            };
            let certificate = self.files.certificate.display();
            match refreshed {
                Ok(true) => tracing::info!(%certificate, "the TLS certificate was read again"),
                Ok(false) => {}
                Err(error) => {
                    tracing::error!(%error, "the new TLS certificate cannot be used; the one before stays");
                }
            }
        }
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// SIGHUP, where there is one.
struct HangUp(#[cfg(unix)] Option<tokio::signal::unix::Signal>);

impl HangUp {
    #[cfg(unix)]
    fn listen() -> Self {
        let signal = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup());
        Self(signal.inspect_err(|error| tracing::warn!(%error, "SIGHUP cannot be listened for")).ok())
    }

    #[cfg(not(unix))]
    fn listen() -> Self {
        Self()
    }

    async fn next(&mut self) {
        #[cfg(unix)]
        if let Some(signal) = &mut self.0
            && signal.recv().await.is_some()
        {
            return;
        }
        std::future::pending().await
    }
}
