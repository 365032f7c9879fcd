//! Postern's edge worker as a library: it registers with a proxy, receives
//! and verifies deliveries, keeps their history, and forwards them.
//!
//! No Tauri, no command line: the desktop app and the CLI are two shells
//! around an [`EdgeHandle`] and the operations in [`api`].
//!
//! ```no_run
//! # async fn shell() -> Result<(), Box<dyn std::error::Error>> {
//! use postern_edge::{Edge, EdgeConfig, MemorySecrets, api};
//! use tokio_util::sync::CancellationToken;
//!
//! let config = EdgeConfig::new("/home/ada/.local/share/postern", MemorySecrets::new());
//! let (handle, edge) = Edge::start(config).await?;
//! let stop = CancellationToken::new();
//! let running = tokio::spawn(edge.run(stop.clone()));
//! let status = api::status(&handle).await?;
//! stop.cancel();
//! running.await?;
//! # Ok(()) }
//! ```

pub mod api;
mod arrival;
pub mod attach;
mod canary;
mod claims;
mod clock;
pub mod doctor;
mod edge;
#[cfg(test)]
mod fuzz;
mod handle;
mod handlers;
mod history;
mod inspector;
mod large;
mod local;
mod local_proxy;
pub mod log;
mod ports;
mod private_file;
mod profiles;
mod proxy_client;
mod receiver;
mod redact;
mod registration;
pub mod secrets;
mod serve;
mod state;
mod templates;
mod tunnel;
mod tunnels;

pub use clock::SystemClock;
pub use edge::{ApiConfig, Edge, EdgeConfig, EnvironmentToken, Running, StartError, Timing};
pub use handle::EdgeHandle;
pub use handlers::Listener;
pub use history::HistoryError;
pub use postern_tls::Files as CertificateFiles;
pub use postern_tunnel::Timing as TunnelTiming;
pub use proxy_client::base_url as proxy_address;
pub use secrets::{
    FileSecrets, KeptIn, KeychainSecrets, MemorySecrets, OsKeychain, ProfileSecrets, SecretStore,
    SecretStoreError,
};
pub use templates::list as trigger_templates;
