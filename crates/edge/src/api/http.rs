//! The local API over HTTP, for browsers and for a second program on this
//! machine.
//!
//! | method and path | who | |
//! | --- | --- | --- |
//! | `POST /api/session` `{"token"}` | whoever has a one-time token, or the control token | `{"bearer"}` |
//! | `POST /api/token` | bearer | `{"token"}`: a one-time token, for a browser |
//! | `POST /api/{op}` | bearer | the operation's arguments → its answer |
//! | `GET /api/live?after={cursor}&listen={url}&filter={terms}` | bearer | server-sent events, each a [`Live`](super::Live) |
//! | anything else | anyone | the web UI |
//!
//! `?profile={name}` makes a call, or a stream, about a profile that need not be
//! the one that is shown.
//!
//! What protects it: the listener is on loopback; `Host` must be a loopback
//! name with our port (a rebound DNS name is not); `Origin`, where sent, must
//! be our own; the bearer is sent in a header, never as a cookie, which every
//! program on localhost would get.

use crate::EdgeHandle;
use axum::Router;
use axum::middleware;
use axum::routing::{get, post};

mod access;
mod arguments;
mod body;
mod error;
mod guard;
mod routes;

pub(crate) use access::Access;

/// The API's routes for a listener on `port`; other paths go to `ui`.
pub fn router(edge: EdgeHandle, port: u16, ui: Option<Router>) -> Router {
    let protected = Router::new()
        .route("/token", post(routes::token))
        .route("/live", get(routes::live))
        .route("/{op}", post(routes::call))
        .route_layer(middleware::from_fn_with_state(edge.clone(), guard::bearer));
    let api = Router::new()
        .route("/session", post(routes::session))
        .merge(protected)
        .fallback(error::not_found)
        .method_not_allowed_fallback(error::method_not_allowed)
        .with_state(edge);
    let all = ui.unwrap_or_default().nest("/api", api);
    all.layer(middleware::from_fn_with_state(port, guard::origin))
}
