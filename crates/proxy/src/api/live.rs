//! `GET /v1/live`: what happens, as it happens (Server-Sent Events). Every
//! message has an id; whoever comes back with the last one as `Last-Event-ID`
//! gets all that followed, from the store.
//!
//! A tail is pulled: it reads the next part when the connection has taken the
//! one before, so that a slow client holds a few messages in memory and no
//! more. One that takes nothing for a while is cut with its connection.

use super::Api;
use crate::http::error::{ApiError, chain};
use crate::http::openapi::Refusals;
use crate::store::{LiveBatch, LiveMark};
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use postern_protocol::ErrorCode;
use postern_protocol::api::LiveMessage;
use postern_protocol::id::WorkspaceId;
use serde::Serialize;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;

/// Tails at once.
pub(crate) const MOST_TAILS: usize = 200;
/// How long to wait for room, in seconds.
const ROOM_RETRY_AFTER: u64 = 5;
/// Events, and deliveries, in one part.
const PART: u32 = 100;
/// How long nothing may be said, and a credential be trusted.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How often the store is asked, woken or not.
const LOOK: Duration = Duration::from_secs(1);
/// How often it is asked at most.
const REST: Duration = Duration::from_millis(100);
/// How long a client is asked to wait before it connects again, in milliseconds.
const RECONNECT: u64 = 2_000;

/// What happens, as it happens.
///
/// Server-Sent Events: `event: event` when one was accepted, `event: delivery`
/// when one was attempted or stands differently, each with its JSON document as
/// `data`; `event: ready` at the start; `event: reset` where what followed the
/// `Last-Event-ID` is not known any more and lists are to be read anew. A
/// comment comes at least every 15 s. Scope `events:read`.
#[utoipa::path(
    get,
    path = "/v1/live",
    tag = "events",
    params((
        "Last-Event-ID" = Option<String>, Header, nullable = false, pattern = "^[0-9]{1,18}-[0-9]{1,18}$",
        description = "The last message's id, to go on after it; absent: from now on.",
    )),
    responses(
        (status = 200, description = "The messages.", body = LiveMessage, content_type = "text/event-stream"),
        Refusals,
    ),
)]
pub(crate) async fn live(State(api): State<Arc<Api>>, headers: HeaderMap) -> Result<Response, ApiError> {
    // Armed before the store is asked: what comes from here on wakes.
    let wakes = api.bus.watch();
    let workspace = api.reading(&headers).await?.workspace();
    let room = api.tails.clone().try_acquire_owned().map_err(|_| {
        ApiError::new(ErrorCode::RateLimited, "too many live tails are open").retry_after(ROOM_RETRY_AFTER)
    })?;
    let after = match headers.get("last-event-id") {
        None => api.store.live_now().await?,
        Some(value) => value.to_str().ok().and_then(|text| text.parse().ok()).ok_or_else(|| {
            ApiError::new(ErrorCode::BadRequest, "Last-Event-ID: not the id of a message of this stream")
        })?,
    };
    let tail = Tail {
        api,
        headers,
        workspace,
        wakes,
        mark: after,
        begun: false,
        more: true,
        checked: Instant::now(),
        _room: room,
    };
    let parts = stream::unfold(tail, |mut tail| async {
        let part = tail.next().await?;
        Some((Ok::<_, Infallible>(part), tail))
    });
    let kind = HeaderValue::from_static("text/event-stream");
    Ok(([(CONTENT_TYPE, kind)], Body::from_stream(parts)).into_response())
}

struct Tail {
    api: Arc<Api>,
    headers: HeaderMap,
    workspace: WorkspaceId,
    wakes: watch::Receiver<u64>,
    mark: LiveMark,
    begun: bool,
    /// There may be something to read already.
    more: bool,
    /// When the credential was found good.
    checked: Instant,
    _room: OwnedSemaphorePermit,
}

impl Tail {
    /// The next part; `None` ends the stream.
    async fn next(&mut self) -> Option<Bytes> {
        if !self.begun {
            self.begun = true;
            let hello = format!("retry: {RECONNECT}\nevent: ready\nid: {}\ndata: {{}}\n\n", self.mark);
            return Some(hello.into());
        }
        loop {
            if self.checked.elapsed() >= HEARTBEAT {
                self.api.reading(&self.headers).await.ok()?;
                self.checked = Instant::now();
                return Some(Bytes::from_static(b": still here\n\n"));
            }
            if !std::mem::take(&mut self.more) {
                self.wait().await?;
            }
            self.wakes.mark_unchanged();
            match self.api.store.live_since(self.workspace, self.mark, PART).await {
                Ok(batch) => {
                    (self.mark, self.more) = (batch.mark, batch.more);
                    let text = text(batch);
                    if !text.is_empty() {
                        return Some(text.into());
                    }
                }
                // The client comes back, and goes on where it was.
                Err(error) => {
                    tracing::warn!(error = chain(&error), "a live tail ends: the store cannot be read");
                    return None;
                }
            }
        }
    }

    /// Until there may be something to tell. `None`: the proxy stops.
    async fn wait(&mut self) -> Option<()> {
        let beat = HEARTBEAT.saturating_sub(self.checked.elapsed());
        let woken = async {
            if self.wakes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = self.api.stop.cancelled() => return None,
            () = woken => tokio::time::sleep(REST.min(beat)).await,
            () = tokio::time::sleep(LOOK.min(beat)) => {}
        }
        Some(())
    }
}

fn text(batch: LiveBatch) -> String {
    let mut text = String::new();
    if batch.gap {
        message(&mut text, "reset", batch.mark, &serde_json::json!({}));
    }
    for (mark, event) in batch.events {
        message(&mut text, "event", mark, &LiveMessage::Event(event));
    }
    for (mark, delivery) in batch.deliveries {
        message(&mut text, "delivery", mark, &LiveMessage::Delivery(delivery));
    }
    text
}

fn message(text: &mut String, kind: &str, mark: LiveMark, data: &impl Serialize) {
    // One line: JSON escapes what would break it.
    let data = serde_json::to_string(data).unwrap_or_default();
    text.push_str(&format!("event: {kind}\nid: {mark}\ndata: {data}\n\n"));
}
