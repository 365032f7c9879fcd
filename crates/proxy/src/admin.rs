//! Health and metrics, on a listener of their own: `/healthz` (the process
//! answers), `/readyz` (it can do its work), `/metrics` (for Prometheus).

use crate::http::body::BodyReader;
use crate::http::middleware::{around, method_not_allowed, not_found};
use crate::store::Store;
use axum::extract::State;
use axum::http::StatusCode;
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::header::CONTENT_TYPE;
use metrics_exporter_prometheus::PrometheusHandle;
use postern_protocol::Clock;
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio_util::sync::CancellationToken;

mod metrics;

pub(crate) use metrics::DepthMetrics;

/// What health is judged by.
pub(crate) struct Admin {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) scheduler: Arc<AtomicBool>,
    pub(crate) stop: CancellationToken,
    pub(crate) prometheus: PrometheusHandle,
    pub(crate) bodies: BodyReader,
    pub(crate) depth: DepthMetrics,
}

/// The routes.
pub(crate) fn routes(admin: Arc<Admin>) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(exposition))
        .with_state(admin)
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn(around))
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

async fn healthz() -> Json<Health> {
    Json(Health { status: "ok", reason: None })
}

async fn readyz(State(admin): State<Arc<Admin>>) -> Response {
    let reason = if admin.stop.is_cancelled() {
        Some("shutting down")
    } else if !admin.scheduler.load(Ordering::Acquire) {
        Some("the scheduler is not running")
    } else if let Err(error) = admin.store.ready().await {
        let error = crate::http::error::chain(&error);
        tracing::warn!(%error, "not ready");
        Some("the store is not ready")
    } else {
        None
    };
    match reason {
        None => Json(Health { status: "ready", reason }).into_response(),
        Some(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, Json(Health { status: "not ready", reason })).into_response()
        }
    }
}

async fn exposition(State(admin): State<Arc<Admin>>) -> Response {
    admin.depth.measure(admin.store.as_ref(), admin.clock.now()).await;
    admin.depth.bodies(&admin.bodies);
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], admin.prometheus.render()).into_response()
}
