//! `GET /edge/connect` of the small proxy: the real transport's other end.

use crate::proxy::{FakeProxy, Refused, bearer};
use crate::support::{Delivery, soon};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::RETRY_AFTER;
use http_body_util::{BodyExt, Full};
use postern_protocol::ErrorCode;
use postern_protocol::api::TUNNEL_DELIVERY_URI;
use postern_protocol::signature::standard;
use postern_tunnel::{Carrier, Hello, Link, TunnelBody, accept, upgrade};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::watch;

/// What a test may look at and change.
#[derive(Default)]
pub(crate) struct Desk {
    /// What was dialled with: carrier and credential.
    pub(crate) dials: Vec<(Carrier, String)>,
    /// Answers every dial with this while set.
    pub(crate) refuse: Option<ErrorCode>,
    /// Lets only WebSockets through, as some load balancers do.
    pub(crate) websocket_only: bool,
}

/// The tunnels: the newest is the one in use.
#[derive(Clone, Default)]
pub(crate) struct Links {
    desk: Arc<Mutex<Desk>>,
    newest: watch::Sender<Option<Link>>,
}

impl Links {
    pub(crate) fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap()
    }

    /// The next link that is up, which is taken.
    pub(crate) async fn next(&self) -> Link {
        let mut newest = self.newest.subscribe();
        soon("a tunnel", newest.wait_for(Option::is_some)).await.unwrap();
        self.newest.send_replace(None).unwrap()
    }
}

pub(crate) async fn connect(State(proxy): State<FakeProxy>, mut request: Request) -> Response {
    match answer(&proxy, &mut request) {
        Ok(response) => response,
        Err(refused) => refused.into_response(),
    }
}

fn answer(proxy: &FakeProxy, request: &mut Request) -> Result<Response, Refused> {
    let credential = bearer(request.headers()).unwrap_or_default().to_owned();
    let upgrading = upgrade(request);
    {
        let mut desk = proxy.links.desk();
        if let Ok(upgrading) = &upgrading {
            desk.dials.push((upgrading.carrier(), credential.clone()));
            if desk.websocket_only && upgrading.carrier() == Carrier::Upgrade {
                return Ok(StatusCode::BAD_REQUEST.into_response());
            }
        }
        if let Some(code) = desk.refuse {
            proxy.changed.send_modify(|n| *n += 1);
            let mut response = Refused(code).into_response();
            response.headers_mut().insert(RETRY_AFTER, 3600.into());
            return Ok(response);
        }
    }
    proxy.check()?;
    if !proxy.book().workers.values().any(|worker| worker.credential == credential) {
        return Err(Refused(ErrorCode::Unauthorized));
    }
    let upgrading = match upgrading {
        Ok(upgrading) => upgrading,
        Err(refused) => return Ok(refused.response().map(|()| Body::empty())),
    };
    let response = upgrading.response().map(|()| Body::empty());
    let links = proxy.links.clone();
    tokio::spawn(async move {
        let carrier = upgrading.carrier();
        let io = upgrading.upgraded().await.unwrap();
        if let Ok(link) = accept(io, carrier, Hello::default(), Default::default()).await {
            links.newest.send_replace(Some(link));
        }
    });
    Ok(response)
}

impl Delivery {
    /// Sends it down a tunnel: the answer's status and text.
    pub(crate) async fn send(&self, link: &Link) -> (StatusCode, String) {
        self.send_to(TUNNEL_DELIVERY_URI, link).await
    }

    pub(crate) async fn send_to(&self, uri: &str, link: &Link) -> (StatusCode, String) {
        let signature = standard::sign(std::slice::from_ref(&self.secret), &self.id, self.at, &self.body);
        let mut request = http::Request::post(uri);
        for (name, value) in &self.headers {
            request = request.header(name, value.as_slice());
        }
        let request = request
            .header("content-length", self.body.len())
            .header("webhook-id", &self.id)
            .header("webhook-timestamp", self.at.seconds().to_string())
            .header("webhook-signature", signature)
            .body(Full::from(self.body.clone()))
            .unwrap();
        let response = soon("an answer", link.send(request)).await.unwrap();
        let status = response.status();
        (status, text(response.into_body()).await)
    }
}

async fn text(body: TunnelBody) -> String {
    String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap()
}
