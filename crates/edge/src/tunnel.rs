//! The tunnel: a line that this machine keeps to the proxy, for deliveries to
//! come through where the proxy cannot post to it.
//!
//! One agent keeps it for whoever is signed in, for as long as the proxy has
//! the worker on record without an address. What comes through takes exactly
//! the receiver's way: verified, known ids dropped, committed, and only then
//! answered. A line that ends is dialled anew, at once when the machine woke or
//! changed networks; a credential that the proxy refuses has the worker
//! registered anew, ever more rarely should that not help.

use crate::api::Tunnel;
use crate::edge::StartError;
use crate::receiver::Peer;
use crate::registration::Registered;
use crate::state::{Session, Shared};
use axum::Router;
use axum::body::Body;
use axum::response::Response;
use futures_util::future::BoxFuture;
use http::{Request, Uri};
use line::Line;
use postern_protocol::PROTOCOL_VERSION;
use postern_protocol::api::TUNNEL_DELIVERY_URI;
use postern_tunnel::{Agent, AgentConfig, Carrier, Dialer, Hello, Proxies, Tls, TunnelBody};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tower::ServiceExt;

mod line;
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

/// Whether deliveries come through the tunnel, once that is registered.
fn by_tunnel(registered: &Option<Registered>) -> Option<bool> {
    registered.as_ref().map(|registered| registered.to.is_none())
}

/// Keeps a session's tunnel whenever its deliveries come through one.
async fn attend(
    shared: &Arc<Shared>,
    session: &Arc<Session>,
    routes: &Router,
    instance: &str,
    over: &CancellationToken,
) {
    let (mut registered, mut worker) = (session.registered.subscribe(), session.worker.subscribe());
    loop {
        let ready = async {
            let _ = registered.wait_for(|registered| by_tunnel(registered) == Some(true)).await;
            let known = worker.wait_for(Option::is_some).await;
            known.ok().and_then(|worker| worker.as_ref().map(|worker| worker.credential.clone()))
        };
        let credential = tokio::select! {
            credential = ready => credential,
            () = over.cancelled() => return,
        };
        let Some(credential) = credential else { continue };
        let way_out = &shared.way_out;
        let dialer = Dialer::new(&session.profile.proxy_url, way_out.proxies.clone(), way_out.tls.clone());
        let elsewhere = registered.wait_for(|registered| by_tunnel(registered) == Some(false));
        match dialer {
            Ok(dialer) => {
                let stop = over.child_token();
                let config = AgentConfig {
                    credential: credential.clone(),
                    hello: hello(instance),
                    carrier: session.profile.tunnel_carrier.as_deref().and_then(carrier),
                    timing: shared.config.timing.tunnel.clone(),
                    jitter: Arc::new(rand::random),
                };
                let http_proxy = dialer.http_proxy().map(str::to_owned);
                let (agent, handle) = Agent::new(dialer, config, service(session, routes));
                let agent = AbortOnDropHandle::new(tokio::spawn(agent.run(stop.clone())));
                let mut line = Line::new(shared, session, handle, credential, http_proxy);
                tokio::select! {
                    () = line.watch() => {}
                    _ = elsewhere => {}
                    () = over.cancelled() => {}
                }
                stop.cancel();
                if let Err(e) = agent.await {
                    tracing::error!(error = %e, "the tunnel's agent failed");
                }
            }
            Err(e) => {
                let (since, problem) = (shared.now(), e.to_string());
                shared.set_tunnel(Tunnel::Down { since, problem, cure: None, retry_at: None });
                tokio::select! {
                    _ = elsewhere => {}
                    () = over.cancelled() => {}
                }
            }
        }
        shared.set_tunnel(Tunnel::Idle);
    }
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

/// What answers the proxy: the receiver. Deliveries are told by where they are
/// posted to; the connection says whose they are, so their path is the
/// session's. Anything else finds nothing here.
fn service(
    session: &Session,
    routes: &Router,
) -> impl Fn(Request<TunnelBody>) -> BoxFuture<'static, Response> + Clone + Send + Sync + 'static {
    let (delivery, path) = (Uri::from_static(TUNNEL_DELIVERY_URI), session.path());
    let path: Uri = path.parse().unwrap_or_default();
    let routes = routes.clone();
    move |request| {
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
