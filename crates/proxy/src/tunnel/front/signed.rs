//! Tunnels that only a provider's signed requests get through: the body is read
//! whole, verified as a webhook to that source would be, and passed on byte for
//! byte.

use super::Front;
use super::page::Failure;
use crate::http::error::ApiError;
use crate::ingest::{Posted, Terms, kept};
use crate::store::ReservedTunnel;
use axum::body::Body;
use http::header::{CONTENT_LENGTH, EXPECT, HeaderValue, TRAILER, TRANSFER_ENCODING};
use http::request::Parts;

impl Front {
    /// The body, once its signature holds.
    pub(super) async fn signed(
        &self,
        head: &mut Parts,
        tunnel: &ReservedTunnel,
        source: &str,
        body: Body,
    ) -> Result<Body, Failure> {
        let sources = self.store.sources(tunnel.workspace).await.map_err(ApiError::from)?;
        let unsigned =
            |source: &crate::store::Source| source.scheme == postern_protocol::signature::Scheme::None;
        let found = sources.into_iter().find(|found| found.name == source).filter(|found| !unsigned(found));
        let Some(source) = found else {
            return Err(Failure::denied("the source whose signed requests this tunnel takes is gone"));
        };
        let held = self.bodies.read(&head.headers, body, self.ingest.largest(source.provider())).await?;
        let now = self.clock.now();
        let bytes = held.bytes.clone();
        let posted = Posted { headers: kept(&head.headers), body: bytes.clone(), received_at: now };
        if let Err(error) = self.ingest.verify(posted, Terms::of(&source, now)).await {
            return Err(Failure::denied(&format!("only signed requests get through: {}", error.message())));
        }
        // It is here, in one piece, without trailers.
        for name in [TRANSFER_ENCODING, TRAILER, EXPECT] {
            head.headers.remove(name);
        }
        head.headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
        Ok(Body::from(bytes))
    }
}
