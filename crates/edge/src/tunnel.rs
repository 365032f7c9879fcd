//! The tunnel: a line that this machine keeps to the proxy, for deliveries to
//! come through where the proxy cannot post to it.
//!
//! One agent keeps it for whoever is signed in, for as long as the proxy has
//! the worker on record without an address, or public tunnels are on. What comes through takes exactly
//! the receiver's way: verified, known ids dropped, committed, and only then
//! answered. A line that ends is dialled anew, at once when the machine woke or
//! changed networks; a credential that the proxy refuses has the worker
//! registered anew, ever more rarely should that not help.

use crate::api::Tunnel;
use crate::edge::StartError;
use crate::receiver::Peer;
use crate::state::{Session, Shared};
use crate::tunnels;
use axum::Router;
use axum::body::Body;
use axum::response::Response;
use futures_util::future::BoxFuture;
use http::{Request, Uri};
use line::Line;
use postern_protocol::api::TUNNEL_DELIVERY_URI;
use postern_protocol::api::tunnels::HEADER_NAME;
use postern_protocol::{PROTOCOL_VERSION, Secret};
use postern_tunnel::{Agent, AgentConfig, AgentHandle, Carrier, Dialer, Hello, Proxies, Tls, TunnelBody};
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

mod line;
mod thread;
mod words;

/// What a tunnel to any proxy is dialled with.
pub(crate) struct WayOut {
    proxies: Proxies,
    tls: Tls,
}

impl WayOut {
    /// As the system says: its HTTP proxies, its trust store.
    pub(crate) fn from_system() -> Result<Self, StartError> {
        let tls = Tls::new(Vec::new()).map_err(|e| StartError::Tls(std::io::Error::other(e)))?;
        Ok(Self { proxies: Proxies::from_system(), tls })
    }
}

/// Keeps the tunnel of whoever is signed in until `stop`. `routes` are the
/// receiver's.
pub(crate) async fn run(shared: Arc<Shared>, routes: Router, stop: CancellationToken) {
    let instance = hex::encode(rand::random::<[u8; 8]>());
    let mut account = shared.account.subscribe();
    while !stop.is_cancelled() {
        let session = account.borrow_and_update().session().cloned();
        let over = stop.child_token();
        let attended = async {
            match session {
                Some(session) => attend(&shared, &session, &routes, &instance, &over).await,
                None => over.cancelled().await,
            }
        };
        tokio::pin!(attended);
        tokio::select! {
            () = &mut attended => {}
            _ = account.changed() => {
                over.cancel();
                attended.await;
            }
        }
    }
}

/// Whether the line is needed, once the worker is registered: for deliveries,
/// where they come through it, or for public tunnels.
fn needed(session: &Session) -> Option<bool> {
    let by_tunnel = session.registered.borrow().as_ref().map(|registered| registered.to.is_none())?;
    Some(by_tunnel || session.tunnels.any_on())
}

/// Waits until the line is needed, or is not.
async fn until(session: &Session, wanted: bool) {
    let (mut registered, mut tunnels) = (session.registered.subscribe(), session.tunnels.changes());
    while needed(session) != Some(wanted) {
        let changed = tokio::select! {
            changed = registered.changed() => changed,
            changed = tunnels.changed() => changed,
        };
        if changed.is_err() {
            return std::future::pending().await;
        }
    }
}

/// Keeps a session's tunnel whenever its deliveries come through one.
async fn attend(
    shared: &Arc<Shared>,
    session: &Arc<Session>,
    routes: &Router,
    instance: &str,
    over: &CancellationToken,
) {
    let mut worker = session.worker.subscribe();
    loop {
        let ready = async {
            until(session, true).await;
            let known = worker.wait_for(Option::is_some).await;
            known.ok().and_then(|worker| worker.as_ref().map(|worker| worker.credential.clone()))
        };
        let credential = tokio::select! {
            credential = ready => credential,
            () = over.cancelled() => return,
        };
        let Some(credential) = credential else { continue };
        let unneeded = until(session, false);
        let stop = over.child_token();
        match dial(shared, session, routes, instance, &credential, &stop) {
            Ok((handle, http_proxy, agent)) => {
                let mut line = Line::new(shared, session, handle.clone(), credential, http_proxy);
                tokio::select! {
                    () = line.watch() => {}
                    () = tunnels::serve_names(shared, &session.tunnels, &handle) => {}
                    () = unneeded => {}
                    () = over.cancelled() => {}
                }
                stop.cancel();
                if let Err(e) = agent.await {
                    tracing::error!(error = %e, "the tunnel's agent failed");
                }
            }
            Err(problem) => {
                let since = shared.now();
                shared.set_tunnel(Tunnel::Down { since, problem, cure: None, retry_at: None });
                tokio::select! {
                    () = unneeded => {}
                    () = over.cancelled() => {}
                }
            }
        }
        shared.set_tunnel(Tunnel::Idle);
    }
}

/// Starts a session's agent, which runs until `stop`; by which HTTP proxy it
/// goes. Or says what is in the way.
fn dial(
    shared: &Arc<Shared>,
    session: &Session,
    routes: &Router,
    instance: &str,
    credential: &Secret,
    stop: &CancellationToken,
) -> Result<(AgentHandle, Option<String>, oneshot::Receiver<()>), String> {
    let way_out = &shared.way_out;
    let dialer = Dialer::new(&session.profile.proxy_url, way_out.proxies.clone(), way_out.tls.clone());
    let dialer = dialer.map_err(|e| e.to_string())?;
    let config = AgentConfig {
        credential: credential.clone(),
        hello: hello(instance),
        carrier: session.profile.tunnel_carrier.as_deref().and_then(carrier),
        timing: shared.config.timing.tunnel.clone(),
        jitter: Arc::new(rand::random),
    };
    let http_proxy = dialer.http_proxy().map(str::to_owned);
    let (agent, handle) = Agent::new(dialer, config, service(shared, session, routes));
    let agent = thread::run(agent.run(stop.clone())).map_err(|e| format!("no thread for the tunnel: {e}"))?;
    Ok((handle, http_proxy, agent))
}

/// How this program introduces itself.
fn hello(instance: &str) -> Hello {
    Hello {
        protocol_version: PROTOCOL_VERSION.into(),
        software: concat!("postern-edge/", env!("CARGO_PKG_VERSION")).into(),
        instance: instance.into(),
        capabilities: vec!["deliveries".into()],
        ..Hello::default()
    }
}

/// The carrier of that name.
fn carrier(name: &str) -> Option<Carrier> {
    [Carrier::Upgrade, Carrier::WebSocket].into_iter().find(|carrier| carrier.to_string() == name)
}

/// What answers the proxy: the receiver, or, where the proxy says so, a public
/// tunnel's target. Deliveries are told by where they are posted to; the
/// connection says whose they are, so their path is the session's. Anything else
/// finds nothing here.
fn service(
    shared: &Arc<Shared>,
    session: &Session,
    routes: &Router,
) -> impl Fn(Request<TunnelBody>) -> BoxFuture<'static, Response> + Clone + Send + Sync + 'static {
    let (delivery, path) = (Uri::from_static(TUNNEL_DELIVERY_URI), session.path());
    let path: Uri = path.parse().unwrap_or_default();
    let routes = routes.clone();
    let (exchanges, public) = (Arc::clone(&shared.exchanges), Arc::clone(&session.tunnels));
    move |request| {
        if request.headers().contains_key(HEADER_NAME) {
            let (exchanges, public) = (Arc::clone(&exchanges), Arc::clone(&public));
            return Box::pin(async move { tunnels::answer(&exchanges, &public, request).await });
        }
        let mut request = request.map(Body::new);
        let is_delivery = *request.uri() == delivery;
        *request.uri_mut() = if is_delivery { path.clone() } else { Uri::default() };
        request.extensions_mut().insert(Peer::Tunnel);
        let routes = routes.clone();
        Box::pin(async move {
            match routes.oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            }
        })
    }
}
