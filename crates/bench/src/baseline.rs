//! The least a receiver of webhooks can do: a bare axum server that verifies
//! the signature over the raw body and answers 200. At `/`, Linear's; at
//! `/hook`, a proxy's.

use crate::Result;
use crate::load::{SECRET, WORKER_SECRET};
use axum::Router;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use postern_protocol::signature::{Verdict, linear, standard};
use postern_protocol::{HeaderList, Secret};
use std::sync::Arc;
use tokio::net::TcpListener;

/// Serves on a free loopback port and prints its address, until killed.
///
/// # Errors
/// When it cannot listen.
pub(crate) async fn serve() -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("{}", listener.local_addr()?);
    let secrets = |secret| Arc::<[Secret]>::from([Secret::new(secret)]);
    let linear = Router::new().route("/", post(verify_linear)).with_state(secrets(SECRET));
    let proxy = Router::new().route("/hook", post(verify_proxy)).with_state(secrets(WORKER_SECRET));
    Ok(axum::serve(listener, linear.merge(proxy)).await?)
}

async fn verify_linear(State(secrets): State<Arc<[Secret]>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    answer(linear::verify(&secrets, &list(&headers), &body, None))
}

async fn verify_proxy(State(secrets): State<Arc<[Secret]>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    answer(standard::verify(&secrets, &list(&headers), &body, None))
}

fn list(headers: &HeaderMap) -> HeaderList {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
}

fn answer(verdict: Verdict) -> StatusCode {
    if verdict.is_ok() { StatusCode::OK } else { StatusCode::UNAUTHORIZED }
}
