//! The least an intake can do: a bare axum server that verifies Linear's
//! signature over the raw body and answers 200.

use crate::Result;
use crate::load::SECRET;
use axum::Router;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use postern_protocol::signature::linear;
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
    let secrets: Arc<[Secret]> = Arc::new([Secret::new(SECRET)]);
    Ok(axum::serve(listener, Router::new().route("/", post(verify)).with_state(secrets)).await?)
}

async fn verify(State(secrets): State<Arc<[Secret]>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let headers: HeaderList = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    match linear::verify(&secrets, &headers, &body, None) {
        Ok(_) => StatusCode::OK,
        Err(_) => StatusCode::UNAUTHORIZED,
    }
}
