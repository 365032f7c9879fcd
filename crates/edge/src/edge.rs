//! Building an edge and running it.
//!
//! [`Edge::start`] takes the data folder for itself, opens the history and
//! binds the listeners; from then on its addresses are known and the handle
//! answers. [`Edge::run`] does the work until it is told to stop, and drains.

use crate::EdgeHandle;
use crate::api::Settings;
use crate::api::http::{self, Access};
use crate::handlers::Forwarder;
use crate::history::{History, HistoryError, Rejection};
use crate::inspector::Inspector;
use crate::local_proxy::LocalProxy;
use crate::ports::OwnPorts;
use crate::profiles::Profiles;
use crate::proxy_client::Clients;
use crate::receiver::{self, Rejections};
use crate::registration;
use crate::serve::serve;
use crate::state::Shared;
use crate::tunnel::WayOut;
use postern_tls::{Acceptor, Certificates, FilesError};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

mod config;
mod housekeeping;
mod listen;
mod lock;
mod place;
mod slot;

pub use config::{ApiConfig, EdgeConfig, EnvironmentToken, Timing};
pub use lock::Running;

use lock::Lock;
pub(crate) use place::Place;
use slot::Common;

/// The setting that holds [`Settings`] as JSON.
pub(crate) const SETTINGS: &str = "settings";
/// The setting that holds the receiver's port of the last time.
pub(crate) const PORT: &str = "receiver_port";

/// How long a handshake at the receiver may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Why an edge does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another process runs the edge of this data folder: attach to it.
    #[error("an edge already runs on this data folder (process {})", .0.pid)]
    AlreadyRunning(Running),
    /// The data folder cannot be used.
    #[error("cannot use the data folder {path}")]
    DataDir {
        /// The folder, or the file in it.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The history cannot be opened.
    #[error("cannot open the history")]
    History(#[from] HistoryError),
    /// A listener cannot be bound.
    #[error("cannot listen on {address}")]
    Bind {
        /// Where.
        address: std::net::SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The local API would be open to others.
    #[error("the local API must listen on a loopback address, not on {0}")]
    ApiNotLoopback(std::net::SocketAddr),
    /// The public address of the receiver is not one.
    #[error("the webhook address `{0}` is not a URL of the form https://laptop.example")]
    WebhookBase(String),
    /// The receiver's certificate cannot be used.
    #[error(transparent)]
    Certificate(#[from] FilesError),
    /// The receiver's TLS cannot be set up.
    #[error("cannot set up the receiver's TLS: {0}")]
    ReceiverTls(#[source] rustls::Error),
    /// TLS cannot be set up.
    #[error("cannot set up TLS with the system's trust store")]
    Tls(#[source] std::io::Error),
    /// The HTTP client cannot be built.
    #[error("cannot set up the HTTP client")]
    Client(#[from] reqwest::Error),
}

/// An edge that holds its data folder and its listeners, ready to run.
pub struct Edge {
    profiles: Arc<Profiles>,
    begun: mpsc::UnboundedReceiver<Arc<Shared>>,
    lock: Lock,
    receiver: TcpListener,
    moved: mpsc::UnboundedReceiver<TcpListener>,
    tls: Option<(Arc<Certificates>, Acceptor)>,
    api: Option<(TcpListener, axum::Router)>,
    rejections: (Rejections, mpsc::Receiver<Rejection>),
}

impl Edge {
    /// Takes the data folder, opens the history, binds the listeners.
    ///
    /// # Errors
    /// When another edge has the folder, or the folder, the history or an
    /// address cannot be used.
    pub async fn start(config: EdgeConfig) -> Result<(EdgeHandle, Self), StartError> {
        // Whoever was first has installed the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let tls = match &config.tls {
            Some(files) => {
                let certificates = Certificates::load(files.clone())?;
                let acceptor =
                    certificates.acceptor(HANDSHAKE, &["http/1.1"]).map_err(StartError::ReceiverTls)?;
                Some((certificates, acceptor))
            }
            None => None,
        };
        let (lock, history, inspector, access) = open(&config).await?;
        let settings = settings(&config, &history).await?;
        let receiver = listen::receiver(&config, &history, settings.port).await?;
        let api = listen::api(&config).await?;
        let own_ports = OwnPorts::new(listen::ports([Some(&receiver), api.as_ref()].into_iter().flatten()));
        let (place, moved) = Place::new(&config, &receiver, own_ports.clone())?;
        let common = Common {
            proxies: Clients::new(config.timing.proxy_timeout)?,
            forwarder: Arc::new(Forwarder::new(config.timing.forward_timeout).map_err(StartError::Tls)?),
            place: Arc::new(place),
            way_out: Arc::new(WayOut::from_system()?),
            api_url: api.as_ref().and_then(listen::url),
            own_ports,
            access: Arc::new(access),
            settings: Arc::new(watch::Sender::new(settings)),
            changed: Arc::new(watch::Sender::new(0)),
            awake: Arc::new(watch::Sender::new(0)),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            local_proxy: Arc::new(LocalProxy::new(config.proxy_program.clone(), &config.data_dir)),
            config,
            history,
            inspector,
        };
        let (profiles, begun) = Profiles::new(Box::new(move |profiles| Arc::new(common.slot(profiles))));
        let shared = profiles.shown();
        registration::at_start(&profiles).await?;

        let handle =
            EdgeHandle { shared: Arc::clone(&shared), profiles: Arc::clone(&profiles), fixed: false };
        let api = api.map(|listener| {
            let port = listener.local_addr().map_or(0, |address| address.port());
            let ui = shared.config.api.as_ref().and_then(|api| api.ui.clone());
            (listener, http::router(handle.clone(), port, ui))
        });
        lock.announce(&Running {
            pid: std::process::id(),
            program: shared.config.program.clone(),
            api_url: shared.api_url.clone(),
            control_token: shared.access.control.clone(),
        })?;
        Ok((handle, Self { profiles, begun, lock, receiver, moved, tls, api, rejections: Rejections::new() }))
    }

    /// Serves until `stop` is cancelled, then finishes what has begun, for at
    /// most [`Timing::drain`]. The worker stays registered at the proxy.
    pub async fn run(self, stop: CancellationToken) {
        let Self { profiles, begun, lock, receiver, moved, tls, api, rejections: (rejections, refused) } =
            self;
        let shared = profiles.shown();
        profiles.set_at_work();
        let parts = TaskTracker::new();
        let (certificates, tls) = tls.unzip();
        if let Some(certificates) = certificates {
            parts.spawn(certificates.follow(stop.clone()));
        }
        let head = shared.config.timing.head_timeout;
        let deliveries = receiver::routes(Arc::clone(&profiles), rejections);
        parts.spawn(slot::begin(parts.clone(), begun, deliveries.clone(), stop.clone()));
        parts.spawn(place::receive(receiver, moved, tls, deliveries, head, stop.clone()));
        if let Some((listener, routes)) = api {
            parts.spawn(serve(listener, None, routes, head, stop.clone()));
        }
        let local_proxy = Arc::clone(&shared.local_proxy);
        parts.spawn(local_proxy.run(Arc::clone(&profiles), stop.clone()));
        parts.spawn(receiver::record(profiles, refused, stop.clone()));
        parts.spawn(registration::awake::run(Arc::clone(&shared), stop.clone()));
        parts.spawn(housekeeping::run(Arc::clone(&shared), stop.clone()));

        stop.cancelled().await;
        shared.stopping.cancel();
        shared.tasks.close();
        parts.close();
        let drained = async {
            parts.wait().await;
            shared.tasks.wait().await;
        };
        if tokio::time::timeout(shared.config.timing.drain, drained).await.is_err() {
            let left = parts.len() + shared.tasks.len();
            tracing::warn!(left, "stopping without waiting longer for what is under way");
        }
        drop(lock);
    }
}

/// What the user has set; what the shell was told this time is kept.
async fn settings(config: &EdgeConfig, history: &History) -> Result<Settings, HistoryError> {
    let kept = history.setting(SETTINGS).await?;
    let kept: Settings = kept.and_then(|kept| serde_json::from_str(&kept).ok()).unwrap_or_default();
    let settings = Settings {
        via: config.via.unwrap_or(kept.via),
        ordering: config.ordering.unwrap_or(kept.ordering),
        capabilities: config.capabilities.clone().unwrap_or_else(|| kept.capabilities.clone()),
        group: config.group.clone().unwrap_or_else(|| kept.group.clone()),
        ..kept
    };
    if settings != kept
        && let Ok(text) = serde_json::to_string(&settings)
    {
        history.set_setting(SETTINGS, text).await?;
    }
    Ok(settings)
}

/// Takes the folder, then opens what is in it.
async fn open(config: &EdgeConfig) -> Result<(Lock, History, Arc<Inspector>, Access), StartError> {
    let (dir, now) = (config.data_dir.clone(), config.clock.now());
    let opened = tokio::task::spawn_blocking(move || {
        let lock = Lock::take(&dir)?;
        let history = History::open(&dir, now)?;
        Ok((lock, history, Inspector::open(&dir), Access::open(dir.join("sessions"))))
    });
    opened.await.unwrap_or(Err(StartError::History(HistoryError::Closed)))
}
