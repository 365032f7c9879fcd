//! The composition root: the only place that names a concrete store, bus and
//! clock, and that knows how the parts hang together. Everything else is
//! handed what it needs.
//!
//! Each long-running part works until a token is cancelled. On stopping, the
//! public listener closes first; requests and attempts under way get the
//! drain's time to end; the admin listener closes last.

use crate::admin::{self, Admin, DepthMetrics};
use crate::api::{self, Api};
use crate::bus::{self, Bus};
use crate::canary::Canaried;
use crate::config::{Config, MasterKey};
use crate::delivery::canaries::Canaries;
use crate::delivery::circuits::CircuitWatch;
use crate::delivery::client::{NoTrust, Outbound};
use crate::delivery::dispatch::Dispatch;
use crate::delivery::heard::Heard;
use crate::delivery::metrics::DeliveryMetrics;
use crate::delivery::scheduler::Scheduler;
use crate::delivery::sender::Sender;
use crate::delivery::tunnel::Tunnelled;
use crate::http::body::BodyReader;
use crate::http::server::{self, Answering, Limits};
use crate::http::{self};
use crate::ingest::{Ingest, IngestMetrics};
use crate::linear::{self, LinearSignIn};
use crate::notices::Notices;
use crate::registry::challenge::Challenger;
use crate::registry::work::{Work, WorkMetrics};
use crate::registry::{self, Registry};
use crate::retention::{self, RetentionMetrics};
use crate::store::{Access, BATCH_SIZE, OpenError, SqliteStore, Store, WriteMetrics};
use crate::trigger::Trigger;
use crate::tunnel::address::Address;
use crate::tunnel::directory::InProcess;
use crate::tunnel::front::{self, Front};
use crate::tunnel::lanes::Lanes;
use crate::tunnel::names::Names;
use crate::tunnel::reservations::Reservations;
use crate::tunnel::{self, Directory, Tunnels};
use crate::vault::{Vault, VaultError};
use crate::workspace::Reader;
use metrics_exporter_prometheus::{
    BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use postern_protocol::Clock;
use postern_tls::{Acceptor, Certificates, FilesError};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Upper bounds of the histograms' buckets, in seconds.
const BUCKETS: [f64; 15] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0];
/// Upper bounds of the buckets of what shared one transaction.
const BATCH_BUCKETS: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];
/// How often the histograms are folded up.
const UPKEEP: Duration = Duration::from_secs(5);
/// How long connections of the admin listener may take to end.
const ADMIN_DRAIN: Duration = Duration::from_secs(1);

/// Where the proxy listens. Bound by the caller, so that a port taken is said
/// before anything starts, and tests can bind port 0.
#[derive(Debug)]
pub struct Listeners {
    /// For providers, edges and workspace clients.
    pub public: TcpListener,
    /// For health and metrics.
    pub admin: TcpListener,
}

/// Why the proxy cannot run, or stopped running.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Outbound TLS cannot be set up.
    #[error("deliveries cannot be made")]
    Trust(#[from] TrustError),
    /// Metrics cannot be set up.
    #[error("metrics cannot be recorded")]
    Metrics(#[source] BuildError),
    /// The listener's certificate cannot be used.
    #[error(transparent)]
    Certificate(#[from] FilesError),
    /// The listener's TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[source] rustls::Error),
    /// `linear.api_url` has characters that no request can carry.
    #[error("linear.api_url cannot be posted to: {0}")]
    LinearUrl(#[source] ::http::uri::InvalidUri),
    /// A listener has no address.
    #[error("a listener does not say where it listens")]
    Listener(#[source] std::io::Error),
    /// There are no threads for tunnels.
    #[error("the system has no threads for tunnels")]
    Threads(#[source] std::io::Error),
    /// A part that should work until the end has ended.
    #[error("the {0} ended unexpectedly")]
    Ended(&'static str),
}

/// Outbound TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct TrustError(NoTrust);

/// What the proxy is made of. Tests put in their own.
#[derive(Clone)]
pub struct Parts {
    /// The settings.
    pub config: Config,
    /// What is kept.
    pub store: Arc<dyn Store>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Wake-ups. Whoever moves a clock by hand wakes the scheduler with it.
    pub bus: Arc<dyn Bus>,
}

impl Parts {
    /// These settings and this store, with the system's clock and a bus within
    /// this process.
    #[must_use]
    pub fn new(config: Config, store: Arc<dyn Store>) -> Self {
        Self {
            config,
            store,
            clock: Arc::new(crate::clock::SystemClock),
            bus: Arc::new(bus::InProcess::new()),
        }
    }
}

/// A proxy that is ready to serve.
pub struct App {
    parts: Parts,
    recorder: Arc<PrometheusRecorder>,
    prometheus: PrometheusHandle,
    client: Outbound,
    tls: Option<(Arc<Certificates>, Acceptor)>,
    linear: Arc<LinearSignIn>,
    tunnels: Arc<dyn Directory>,
    notices: Arc<Notices>,
    canaries: Arc<Canaries>,
}

/// Opens the configured database under the configured key. Blocks; the first
/// to open a database also makes its key.
///
/// # Errors
/// When the key or the database cannot be used, or another process serves
/// from it.
pub fn open_store(config: &Config, access: Access) -> Result<SqliteStore, OpenError> {
    let database = config.database();
    let vault = open_vault(config, database.exists())?;
    SqliteStore::open(&database, Arc::new(vault), access)
}

/// The vault under the configured key. `must_exist`: a key file that is not
/// there is not made.
///
/// # Errors
/// When the key cannot be used.
pub fn open_vault(config: &Config, must_exist: bool) -> Result<Vault, VaultError> {
    match config.master_key() {
        MasterKey::Text(key) => Vault::from_text(&key, "POSTERN_MASTER_KEY"),
        MasterKey::File(path) => Vault::from_file(&path, must_exist),
    }
}

impl App {
    /// Puts the parts together.
    ///
    /// # Errors
    /// When the certificate cannot be used, or outbound TLS or metrics cannot
    /// be set up.
    pub fn build(parts: Parts) -> Result<Self, RunError> {
        let recorder = PrometheusBuilder::new()
            .set_buckets(&BUCKETS)
            .and_then(|builder| {
                builder.set_buckets_for_metric(Matcher::Full(BATCH_SIZE.to_owned()), &BATCH_BUCKETS)
            })
            .map_err(RunError::Metrics)?
            .build_recorder();
        let recorder = Arc::new(recorder);
        let prometheus = recorder.handle();
        let policy = registry::policy(&parts.config.registration);
        let client = Outbound::new(policy, parts.config.delivery.timeout).map_err(TrustError)?;
        let tls = match parts.config.tls.files() {
            Some(files) => {
                let certificates = Certificates::load(files)?;
                let timeout = parts.config.tls.handshake_timeout;
                let acceptor = certificates.acceptor(timeout, &["h2", "http/1.1"]).map_err(RunError::Tls)?;
                Some((certificates, acceptor))
            }
            None => None,
        };
        let linear_url = parts.config.linear.api_url.as_ref().map_or("", |url| url.as_str());
        let linear = Arc::new(LinearSignIn::new(
            parts.store.clone(),
            parts.clock.clone(),
            client.clone(),
            linear_url.parse().map_err(RunError::LinearUrl)?,
        ));
        let tunnels = Arc::new(metrics::with_local_recorder(&*recorder, InProcess::new));
        parts.store.measured_by(metrics::with_local_recorder(&*recorder, WriteMetrics::new));
        let Parts { store, clock, bus, .. } = &parts;
        let notices = Arc::new(Notices::new(store.clone(), clock.clone(), bus.clone()));
        Ok(Self {
            parts,
            recorder,
            prometheus,
            client,
            tls,
            linear,
            tunnels,
            notices,
            canaries: Arc::default(),
        })
    }

    /// Serves until `stop`, then drains.
    ///
    /// # Errors
    /// When a listener is unusable, or a part ends before its time.
    pub async fn serve(self, listeners: Listeners, stop: CancellationToken) -> Result<(), RunError> {
        let Listeners { public, admin } = listeners;
        let drain = self.parts.config.drain;
        let running = Arc::new(AtomicBool::new(false));
        // Attempts and challenges: what has a drain's time to end.
        let tasks = TaskTracker::new();
        let admin_stop = CancellationToken::new();
        let public_url = self.public_url(&public)?;
        // One for each tunnel.
        let carrying = TaskTracker::new();
        let limits = &self.parts.config.limits;
        let room = usize::try_from(limits.inflight).unwrap_or(usize::MAX);
        let bodies = BodyReader::new(room, limits.body_timeout);
        let admin_routes = Answering {
            router: admin::routes(Arc::new(self.admin(&bodies, &running, &stop))),
            front: None,
            lanes: None,
        };
        let challenger = self.challenger(&tasks, &stop);
        let cut = CancellationToken::new();
        let sender = self.sender();
        let bus = self.parts.bus.clone();
        let dispatch = Dispatch::new(sender.clone(), bus.clone(), tasks.clone(), cut.clone(), stop.clone());
        let routes =
            self.routes_parts(public_url, bodies, challenger.clone(), dispatch.clone(), &carrying, &stop);
        let work = routes.work.clone();
        let front = Some(self.front(&routes, &carrying));
        // Until the last tunnel has ended.
        let lanes = Lanes::start().map_err(RunError::Threads)?.map(Arc::new);
        let answering = Answering { router: http::routes(routes), front, lanes: lanes.clone() };
        let scheduler = Scheduler {
            store: self.parts.store.clone(),
            clock: self.parts.clock.clone(),
            bus,
            dispatch,
            sender,
            tasks: tasks.clone(),
            cut: cut.clone(),
            running,
        };
        let retention_metrics = self.measured(RetentionMetrics::new);
        let Parts { config, store, clock, .. } = self.parts;
        let (certificates, tls) = self.tls.unzip();
        let (linear, tunnels, notices) = (self.linear, self.tunnels, self.notices);

        let mut parts = JoinSet::new();
        let limits = Limits { header_timeout: config.limits.header_timeout, drain };
        let admin_limits = Limits { drain: ADMIN_DRAIN, ..limits };
        let admin_server =
            tokio::spawn(server::serve(admin, None, admin_routes, admin_limits, admin_stop.clone()));
        parts.spawn(named("public listener", server::serve(public, tls, answering, limits, stop.clone())));
        if let Some(certificates) = certificates {
            parts.spawn(named("certificate's renewal", certificates.follow(stop.clone())));
        }
        parts.spawn(named("scheduler", scheduler.run(stop.clone())));
        let lasting = registry::lasting::run(store.clone(), clock.clone(), challenger, stop.clone());
        parts.spawn(named("challenges of plain receivers", lasting));
        let expiry = registry::expiry::run(store.clone(), clock.clone(), notices.clone(), stop.clone());
        parts.spawn(named("lease expiry", expiry));
        parts.spawn(named("claims' expiry", work.run(stop.clone())));
        let retire_after = config.registration.retire_after;
        let retirement = registry::retirement::run(store.clone(), clock.clone(), retire_after, stop.clone());
        parts.spawn(named("retirement of workers", retirement));
        let keep = tunnel::keep::run(tunnels, store.clone(), clock.clone(), carrying, drain, stop.clone());
        parts.spawn(named("tunnels", keep));
        parts.spawn(named("check of Linear sign-ins", linear::recheck::run(linear, stop.clone())));
        parts.spawn(named(
            "retention",
            retention::run(store, clock, config.retention, retention_metrics, notices, stop.clone()),
        ));
        parts.spawn(named("metrics", upkeep(self.prometheus, stop.clone())));

        let mut outcome = Ok(());
        let mut deadline = None;
        while let Some(ended) = parts.join_next().await {
            // A panic loses the name; the log has the panic.
            let name = ended.unwrap_or("part that panicked");
            if !stop.is_cancelled() {
                tracing::error!(part = name, "ended unexpectedly; stopping");
                outcome = Err(RunError::Ended(name));
                stop.cancel();
            }
            // The listener's drain and the attempts' have one deadline.
            deadline.get_or_insert_with(|| Instant::now() + drain);
        }
        tasks.close();
        let deadline = deadline.unwrap_or_else(Instant::now);
        if tokio::time::timeout_at(deadline, tasks.wait()).await.is_err() {
            tracing::warn!(attempts = tasks.len(), "attempts were cut: the drain's deadline passed");
            cut.cancel();
            tasks.wait().await;
        }
        admin_stop.cancel();
        if admin_server.await.is_err() {
            tracing::error!("the admin listener panicked");
        }
        drop(lanes);
        outcome
    }

    fn public_url(&self, public: &TcpListener) -> Result<String, RunError> {
        let address = public.local_addr().map_err(RunError::Listener)?;
        Ok(self.parts.config.base_url(address))
    }

    fn challenger(&self, tasks: &TaskTracker, stop: &CancellationToken) -> Arc<Challenger> {
        let Parts { config, store, clock, bus } = &self.parts;
        Arc::new(Challenger::new(
            store.clone(),
            clock.clone(),
            bus.clone(),
            self.client.clone(),
            config.registration.clone(),
            tasks.clone(),
            stop.clone(),
        ))
    }

    fn routes_parts(
        &self,
        public_url: String,
        bodies: BodyReader,
        challenger: Arc<Challenger>,
        dispatch: Arc<Dispatch>,
        carrying: &TaskTracker,
        stop: &CancellationToken,
    ) -> http::Parts {
        let Parts { config, store, clock, bus } = &self.parts;
        let work = self.work(&bodies);
        let ingest = Arc::new(Ingest::new(
            store.clone(),
            clock.clone(),
            dispatch,
            bodies.clone(),
            config,
            self.measured(IngestMetrics::new),
            self.notices.clone(),
        ));
        let registry = Arc::new(Registry::new(
            store.clone(),
            clock.clone(),
            bus.clone(),
            bodies.clone(),
            config.registration.clone(),
            challenger,
            self.linear.clone(),
        ));
        let address = Arc::new(Address::new(&public_url, &config.tunnel));
        let names = Arc::new(Names::new(store.clone(), clock.clone(), self.tunnels.clone(), address.clone()));
        let tunnels = Arc::new(Tunnels::new(
            store.clone(),
            clock.clone(),
            bus.clone(),
            names.clone(),
            config.tunnel.timing(),
            carrying.clone(),
            stop.clone(),
        ));
        let reservations = Arc::new(Reservations {
            store: store.clone(),
            clock: clock.clone(),
            bodies: bodies.clone(),
            names,
            address,
        });
        let api = Arc::new(Api {
            store: store.clone(),
            clock: clock.clone(),
            bus: bus.clone(),
            bodies: bodies.clone(),
            tails: Arc::new(Semaphore::new(api::live::MOST_TAILS)),
            stop: stop.clone(),
        });
        let trigger = Arc::new(Trigger {
            store: store.clone(),
            clock: clock.clone(),
            bodies: bodies.clone(),
            ingest: ingest.clone(),
        });
        let reader = Arc::new(Reader {
            store: store.clone(),
            clock: clock.clone(),
            linear: self.linear.clone(),
            tunnels: self.tunnels.clone(),
            public_url,
        });
        let canaried = Arc::new(Canaried {
            store: store.clone(),
            clock: clock.clone(),
            bus: bus.clone(),
            bodies,
            ingest: ingest.clone(),
            client: self.client.clone(),
            tunnels: Tunnelled::new(self.tunnels.clone(), config.delivery.timeout),
            canaries: self.canaries.clone(),
            rates: Canaried::rates(),
        });
        http::Parts { ingest, registry, work, tunnels, reservations, trigger, reader, api, canaried }
    }

    fn front(&self, routes: &http::Parts, carrying: &TaskTracker) -> Arc<Front> {
        let Reservations { store, clock, bodies, names, address } = &*routes.reservations;
        Arc::new(Front::new(front::Needs {
            store: store.clone(),
            clock: clock.clone(),
            names: names.clone(),
            address: address.clone(),
            ingest: routes.ingest.clone(),
            bodies: bodies.clone(),
            settings: self.parts.config.tunnel.clone(),
            recorder: self.recorder.clone(),
            tasks: carrying.clone(),
        }))
    }

    fn work(&self, bodies: &BodyReader) -> Arc<Work> {
        let Parts { config, store, clock, bus } = &self.parts;
        Arc::new(Work {
            store: store.clone(),
            clock: clock.clone(),
            bus: bus.clone(),
            bodies: bodies.clone(),
            settings: config.delivery.clone(),
            notices: self.notices.clone(),
            metrics: self.measured(WorkMetrics::new),
        })
    }

    fn admin(&self, bodies: &BodyReader, running: &Arc<AtomicBool>, stop: &CancellationToken) -> Admin {
        Admin {
            store: self.parts.store.clone(),
            clock: self.parts.clock.clone(),
            scheduler: running.clone(),
            stop: stop.clone(),
            prometheus: self.prometheus.clone(),
            bodies: bodies.clone(),
            depth: self.measured(DepthMetrics::new),
        }
    }

    fn sender(&self) -> Arc<Sender> {
        let Parts { config, store, clock, .. } = &self.parts;
        Arc::new(Sender {
            store: store.clone(),
            clock: clock.clone(),
            client: self.client.clone(),
            tunnels: Tunnelled::new(self.tunnels.clone(), config.delivery.timeout),
            settings: config.delivery.clone(),
            metrics: self.measured(DeliveryMetrics::new),
            heard: Heard::default(),
            circuits: self.measured(CircuitWatch::new),
            notices: self.notices.clone(),
            canaries: self.canaries.clone(),
        })
    }

    /// Metrics belong to an app, not to the process: tests run many.
    fn measured<T>(&self, make: impl FnOnce() -> T) -> T {
        metrics::with_local_recorder(&*self.recorder, make)
    }
}

async fn named(name: &'static str, part: impl Future<Output = ()>) -> &'static str {
    part.await;
    name
}

async fn upkeep(prometheus: PrometheusHandle, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(UPKEEP);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => prometheus.run_upkeep(),
        }
    }
}
