//! `GET /edge/connect`: a worker's connection becomes its tunnel.

use super::Directory;
use super::lanes::Lane;
use super::names::{Names, Serving};
use crate::bus::Bus;
use crate::entropy;
use crate::http::auth;
use crate::http::error::{ApiError, chain};
use crate::http::rate::Buckets;
use crate::registry::version;
use crate::store::{Scope, Store};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{CONNECTION, UPGRADE};
use postern_protocol::api::tunnels::TunnelWorker;
use postern_protocol::id::WorkerId;
use postern_protocol::{Clock, ErrorCode, PROTOCOL_VERSION};
use postern_tunnel::{AcceptError, Closed, Goodbye, Hello, Link, Timing, UpgradeRefused, Upgrading, accept};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How often a worker may connect, per second and at once. An agent that keeps
/// being cut dials ever more slowly by itself; this holds against others.
const RATE: (f64, f64) = (0.5, 10.0);

/// How much of an agent's name for itself is logged, in characters.
const LONGEST_NAME: usize = 100;

/// Why a connection did not become a tunnel.
#[derive(Debug, thiserror::Error)]
enum NoLink {
    #[error("the connection ended before it was upgraded")]
    Cut(#[source] std::io::Error),
    #[error(transparent)]
    NotAccepted(#[from] AcceptError),
}

/// Makes tunnels of connections.
pub(crate) struct Tunnels {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    bus: Arc<dyn Bus>,
    directory: Arc<dyn Directory>,
    names: Arc<Names>,
    timing: Timing,
    /// This process, to agents.
    instance: String,
    by_worker: Buckets<WorkerId>,
    /// One task for each connection, from its upgrade to its end.
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Tunnels {
    /// Takes connections until `stop`; their tasks are in `tasks`.
    pub(crate) fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        bus: Arc<dyn Bus>,
        names: Arc<Names>,
        timing: Timing,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let directory = names.directory().clone();
        let instance = hex::encode(entropy::bytes::<8>());
        let by_worker = Buckets::new(RATE.0, RATE.1);
        Self { store, clock, bus, directory, names, timing, instance, by_worker, tasks, stop }
    }

    /// Holds the connection as the worker's tunnel for as long as it lasts.
    async fn carry(&self, serving: Serving, upgrading: Upgrading) {
        let worker = serving.worker.id;
        let link = match self.stop.run_until_cancelled(self.link(upgrading)).await {
            Some(Ok(link)) => link,
            Some(Err(error)) => return tracing::debug!(%worker, error = %chain(&error), "no tunnel"),
            None => return,
        };
        let (carrier, connection) = (link.carrier(), link.connection());
        let agent: String = link.agent().software.chars().take(LONGEST_NAME).collect();
        tracing::info!(%worker, %carrier, ?agent, connection, "a tunnel is up");
        self.directory.hold(worker, link.clone());
        if self.stop.is_cancelled() {
            // Perhaps too late to be drained with the others.
            link.shutdown(Goodbye::Draining);
        }
        self.reachable(worker).await;
        let why = tokio::select! {
            why = link.closed() => why,
            never = self.names.follow(&serving, &link) => match never {},
        };
        self.directory.forget(worker, link.epoch());
        self.names.forget(worker, link.epoch());
        match why {
            Closed::Here(_) | Closed::There(_) => {
                tracing::info!(%worker, connection, %why, "a tunnel ended");
            }
            Closed::Silent | Closed::Lost(_) | Closed::Protocol(_) => {
                tracing::warn!(%worker, connection, %why, "a tunnel broke");
            }
        }
    }

    async fn link(&self, upgrading: Upgrading) -> Result<Link, NoLink> {
        let carrier = upgrading.carrier();
        let io = upgrading.upgraded().await.map_err(NoLink::Cut)?;
        let epoch = self.directory.next_epoch();
        let hello = Hello {
            protocol_version: PROTOCOL_VERSION.to_owned(),
            software: concat!("postern-proxy/", env!("CARGO_PKG_VERSION")).to_owned(),
            instance: self.instance.clone(),
            connection: format!("{}-{epoch}", self.instance),
            epoch,
            ..Hello::default()
        };
        Ok(accept(io, carrier, hello, self.timing.clone()).await?)
    }

    /// What waits for the worker flows at once.
    async fn reachable(&self, worker: WorkerId) {
        if let Err(error) = self.store.heard_of(worker).await {
            let error = chain(&error);
            tracing::error!(%worker, %error, "a worker just connected is left alone for longer than need be");
        }
        self.bus.wake();
    }
}

/// 101, and the tunnel after it.
pub(crate) async fn connect(
    State(tunnels): State<Arc<Tunnels>>,
    mut request: Request,
) -> Result<Response, ApiError> {
    if tunnels.stop.is_cancelled() {
        return Err(ApiError::new(ErrorCode::Unavailable, "the proxy is stopping").retry_after(1));
    }
    let now = tunnels.clock.now();
    let (worker, token) = auth::calling_worker(tunnels.store.as_ref(), request.headers(), now).await?;
    tunnels.by_worker.take(worker.id, now)?;
    let lane = request.extensions().get::<Lane>().copied();
    let upgrading = match postern_tunnel::upgrade(&mut request) {
        Ok(upgrading) => upgrading,
        Err(why) => return Ok(refused(why)),
    };
    version::check(upgrading.protocol_version().unwrap_or_default())?;
    let response = upgrading.response().map(|()| Body::empty());
    let serving = Serving {
        worker: TunnelWorker { id: worker.id, name: worker.name },
        workspace: worker.workspace,
        allowed: token.scopes.contains(&Scope::TunnelsWrite),
        lane,
    };
    tunnels.tasks.clone().spawn(async move { tunnels.carry(serving, upgrading).await });
    Ok(response)
}

/// The refusal says what would be accepted, where HTTP has a header for it.
fn refused(why: UpgradeRefused) -> Response {
    let code = match why {
        UpgradeRefused::Required => ErrorCode::UpgradeRequired,
        UpgradeRefused::BadWebSocket | UpgradeRefused::NotUpgradable => ErrorCode::BadRequest,
    };
    let mut response = ApiError::new(code, why.to_string()).into_response();
    let (head, ()) = why.response().into_parts();
    for name in [CONNECTION, UPGRADE] {
        if let Some(value) = head.headers.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}
