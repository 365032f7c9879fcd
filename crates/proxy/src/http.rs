//! The public HTTP server and THE route table: every route of the proxy but
//! health and metrics, grouped by who calls it.

use crate::api::{self, Api};
use crate::canary::{self, Canaried};
use crate::ingest::{self, Ingest};
use crate::registry::{self, Registry, work::Work};
use crate::trigger::{self, Trigger};
use crate::tunnel::reservations::{self, Reservations};
use crate::tunnel::{self, Tunnels};
use crate::workspace::{self, Reader};
use axum::Router;
use axum::middleware::from_fn;
use axum::routing::{delete, get, post, put};
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) mod after;
pub(crate) mod auth;
pub(crate) mod beginning;
pub(crate) mod body;
pub(crate) mod error;
pub(crate) mod hangup;
pub(crate) mod middleware;
pub(crate) mod openapi;
pub(crate) mod paging;
pub(crate) mod rate;
pub(crate) mod server;
mod socket;

/// The parts the routes belong to.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) ingest: Arc<Ingest>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) work: Arc<Work>,
    pub(crate) tunnels: Arc<Tunnels>,
    pub(crate) reservations: Arc<Reservations>,
    pub(crate) trigger: Arc<Trigger>,
    pub(crate) reader: Arc<Reader>,
    pub(crate) api: Arc<Api>,
    pub(crate) canaried: Arc<Canaried>,
}

/// The routes.
pub(crate) fn routes(parts: Parts) -> Router {
    let Parts { ingest, registry, work, tunnels, reservations, trigger, reader, api, canaried } = parts;

    // Providers post webhooks.
    let providers = Router::new()
        .route("/hooks/{source}", post(ingest::hook::receive))
        .route("/webhooks/linear/{app}", post(ingest::linear_app::receive))
        .with_state(ingest);

    let workers = registry.clone();

    // Edges register, stay and leave.
    let edges = Router::new()
        .route("/edge/register", post(registry::register::register))
        .route("/edge/workers/{id}/lease", post(registry::lease::renew))
        .route("/edge/workers/{id}/secret", post(registry::secret::rotate))
        .route("/edge/workers/{id}/catch-up", post(registry::catch_up::choose))
        .route("/edge/events/{event}/redeliver", post(registry::catch_up::redeliver))
        .route("/edge/workers/{id}", delete(registry::lease::leave))
        .with_state(registry);
    let canaries = Router::new().route("/edge/workers/{id}/canary", post(canary::send)).with_state(canaried);
    let reports =
        Router::new().route("/edge/events/{event}/status", post(registry::work::report)).with_state(work);
    let tunnels = Router::new().route("/edge/connect", get(tunnel::connect::connect)).with_state(tunnels);

    let names = Router::new()
        .route("/edge/tunnels", get(reservations::list_for_worker).post(reservations::reserve_for_worker))
        .route("/edge/tunnels/{name}", delete(reservations::release_for_worker))
        .route("/edge/tunnels/{name}/options", put(reservations::change_for_worker))
        .with_state(reservations.clone());

    let looking = Router::new()
        .route("/edge/events/{event}", get(workspace::event_for_worker))
        .with_state(reader.clone());

    // Workspace clients: each handler says its path, for the document at
    // /v1/openapi.json.
    let workspace = OpenApiRouter::new()
        .routes(routes!(workspace::workspace))
        .routes(routes!(workspace::sources))
        .routes(routes!(workspace::workers))
        .with_state(reader);
    let deliveries = OpenApiRouter::new()
        .routes(routes!(api::events::list))
        .routes(routes!(api::events::show))
        .routes(routes!(api::events::body))
        .routes(routes!(api::replay::replay))
        .routes(routes!(api::deliveries::list))
        .routes(routes!(api::deliveries::show))
        .routes(routes!(api::dead_letters::list))
        .routes(routes!(api::dead_letters::redrive))
        .routes(routes!(api::dead_letters::discard))
        .routes(routes!(api::replay::recover))
        .routes(routes!(api::live::live))
        .with_state(api);
    let trigger = OpenApiRouter::new().routes(routes!(trigger::trigger)).with_state(trigger);
    let workers = OpenApiRouter::new().routes(routes!(registry::settings::change)).with_state(workers);
    let reserved = OpenApiRouter::new()
        .routes(routes!(reservations::list, reservations::reserve))
        .routes(routes!(reservations::change))
        .routes(routes!(reservations::release))
        .with_state(reservations);
    let workspace = workspace.merge(deliveries).merge(trigger).merge(workers).merge(reserved);
    let workspace = openapi::described(workspace);

    Router::new()
        .merge(providers)
        .merge(edges)
        .merge(reports)
        .merge(looking)
        .merge(canaries)
        .merge(tunnels)
        .merge(names)
        .merge(workspace)
        .fallback(middleware::not_found)
        .method_not_allowed_fallback(middleware::method_not_allowed)
        .layer(from_fn(middleware::around))
}
