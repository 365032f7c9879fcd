//! The proxy: in this process, where its clock can be handed in and its store
//! looked at, or as the real program ([`ProxyHome`]).

mod program;

pub use program::{ProxyHome, ProxyProcess};

use crate::within;
use postern_protocol::signature::Scheme;
use postern_protocol::{Clock, Provider, Secret};
use postern_proxy::bus::{Bus, InProcess};
use postern_proxy::clock::SystemClock;
use postern_proxy::config::Config;
use postern_proxy::entropy;
use postern_proxy::store::{Access, Scope, Source, SqliteStore, Store, Token, Workspace};
use postern_proxy::vault::Vault;
use postern_proxy::{App, Listeners, Parts, RunError};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A running proxy with one workspace. Dropped, it stops.
pub struct Proxy {
    address: SocketAddr,
    store: Arc<dyn Store>,
    bus: Arc<dyn Bus>,
    clock: Arc<dyn Clock>,
    workspace: Workspace,
    stop: CancellationToken,
    work: JoinHandle<Result<(), RunError>>,
    folder: TempDir,
}

impl Proxy {
    /// Starts one on free ports of loopback, with the default settings.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start() -> Self {
        Self::start_with("", Arc::new(SystemClock)).await
    }

    /// Starts one with these settings (TOML) over the defaults, and a clock.
    ///
    /// # Panics
    /// When the settings are wrong or it does not start.
    pub async fn start_with(settings: &str, clock: Arc<dyn Clock>) -> Self {
        // Installed already: as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let data = format!("data_dir = {:?}\n{settings}", folder.path());
        let mut config = Config::from_toml(&data).unwrap_or_else(|error| panic!("{error}"));
        // Workers in tests are on this machine.
        config.registration.allow_loopback = true;
        let database = config.database();
        let vault = Arc::new(Vault::new(&entropy::bytes()));
        let opening = tokio::task::spawn_blocking(move || SqliteStore::open(&database, vault, Access::Serve));
        let opened = opening.await.expect("opening does not panic");
        let store = opened.unwrap_or_else(|error| panic!("{error}"));
        let store: Arc<dyn Store> = Arc::new(store);
        let bus: Arc<dyn Bus> = Arc::new(InProcess::new());
        let now = clock.now();
        let workspace = Workspace { id: entropy::workspace_id(now), name: "Test".into(), created_at: now };
        store.create_workspace(workspace.clone()).await.expect("a new store takes a workspace");
        let listen =
            || async { TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback has a free port") };
        let listeners = Listeners { public: listen().await, admin: listen().await };
        let address = listeners.public.local_addr().expect("a bound listener has an address");
        let parts =
            Parts { config, store: Arc::clone(&store), clock: Arc::clone(&clock), bus: Arc::clone(&bus) };
        let app = App::build(parts).unwrap_or_else(|error| panic!("{error}"));
        let stop = CancellationToken::new();
        let work = tokio::spawn(app.serve(listeners, stop.clone()));
        Self { address, store, bus, clock, workspace, stop, work, folder }
    }

    /// Its base URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its database lies.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        self.folder.path()
    }

    /// What it keeps.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The bus: whoever moves the clock wakes the scheduler on it.
    #[must_use]
    pub fn bus(&self) -> &Arc<dyn Bus> {
        &self.bus
    }

    /// Makes a source with one secret; returns the URL to post to.
    ///
    /// # Panics
    /// When the name is taken, or the provider needs parameters.
    pub async fn source(&self, name: &str, provider: Provider, secret: Secret) -> String {
        let now = self.clock.now();
        let id = entropy::source_id(now);
        let source = Source {
            id,
            workspace: self.workspace.id,
            name: name.into(),
            scheme: Scheme::of(provider).expect("a provider without parameters"),
            id_from: None,
            entity_pointer: None,
            secrets: vec![secret],
            old_until: None,
            created_at: now,
        };
        self.store.create_source(source).await.expect("the source can be made");
        format!("{}/hooks/{id}", self.url())
    }

    /// Issues a workspace token with every scope.
    ///
    /// # Panics
    /// When the store fails.
    pub async fn token(&self) -> Secret {
        let now = self.clock.now();
        let token = entropy::credential("pst_");
        let issued = Token {
            id: entropy::token_id(now),
            workspace: self.workspace.id,
            label: "test".into(),
            hash: entropy::credential_hash(token.reveal()),
            scopes: Scope::ALL.to_vec(),
            created_at: now,
            expires_at: None,
            revoked_at: None,
            last_used_at: None,
        };
        self.store.create_token(issued).await.expect("the token can be issued");
        token
    }

    /// Revokes every token of the workspace.
    ///
    /// # Panics
    /// When the store fails.
    pub async fn revoke_tokens(&self) {
        let tokens = self.store.tokens(self.workspace.id).await.expect("the tokens can be read");
        for token in tokens {
            self.store.revoke_token(token.id, self.clock.now()).await.expect("a token can be revoked");
        }
    }

    /// Stops it, and waits until it has drained. Its folder stays until this
    /// is dropped.
    ///
    /// # Panics
    /// When a part of it had failed.
    pub async fn stop(&mut self) {
        self.stop.cancel();
        let ended = within("the proxy to stop", &mut self.work).await;
        ended.expect("the proxy does not panic").unwrap_or_else(|error| panic!("{error}"));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
