//! Reading a body: whole, or not at all; in time; in bounded memory.

use super::answer::Refusal;
use crate::Timing;
use crate::serve::is_misframed;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use postern_protocol::ErrorCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// One permit's worth of memory, in bytes.
const UNIT: usize = 1024;

/// How long a delivery waits for room before it is sent away.
const ROOM_WAIT: Duration = Duration::from_secs(5);

/// The memory all bodies may take together, from their arrival until they are
/// stored.
pub(super) struct Budget {
    permits: Arc<Semaphore>,
}

/// A body, and its share of the memory until it is dropped.
pub(super) struct Held {
    pub(super) bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

impl Budget {
    /// Room for four bodies of the largest size, or many small ones.
    pub(super) fn new(limit: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new((limit * 4).div_ceil(UNIT))) }
    }
}

/// Reads the body of a request.
pub(super) async fn read(
    body: Body,
    headers: &HeaderMap,
    budget: &Budget,
    timing: &Timing,
) -> Result<Held, Refusal> {
    let limit = timing.body_limit;
    let announced = match headers.get(header::CONTENT_LENGTH) {
        Some(length) => length.to_str().ok().and_then(|length| length.parse::<u64>().ok()),
        None => None,
    };
    if let Some(length) = announced.filter(|length| *length > limit as u64) {
        return Err(Refusal::too_large(limit, length));
    }
    // A body of unknown length may become as large as the limit.
    let reserved = announced.map_or(limit, |length| usize::try_from(length).unwrap_or(limit));
    let units = u32::try_from(reserved.div_ceil(UNIT)).unwrap_or(u32::MAX);
    let room = Arc::clone(&budget.permits).acquire_many_owned(units);
    let Ok(Ok(room)) = tokio::time::timeout(ROOM_WAIT, room).await else { return Err(Refusal::no_room()) };
    let read = tokio::time::timeout(timing.body_timeout, collect(body, reserved, limit)).await;
    let bytes = read.unwrap_or_else(|_| {
        let seconds = timing.body_timeout.as_secs_f32();
        Err(Refusal::new(ErrorCode::BodyTimeout, format!("the body did not arrive within {seconds} s")))
    })?;
    Ok(Held { bytes, _room: room })
}

/// `reserved`: how many bytes there is room for.
async fn collect(mut body: Body, reserved: usize, limit: usize) -> Result<Bytes, Refusal> {
    // Most bodies come in one piece, which is kept as it is.
    let mut first = Bytes::new();
    let mut rest = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|error| broken(&error))?.into_data() else { continue };
        let size = first.len() + rest.len() + data.len();
        if size > limit {
            return Err(Refusal::too_large(limit, size as u64));
        }
        if first.is_empty() && rest.is_empty() {
            first = data;
        } else {
            if rest.is_empty() {
                // All of it at once: growing takes twice the memory for a while.
                rest.reserve_exact(reserved);
                rest.extend_from_slice(&std::mem::take(&mut first));
            }
            rest.extend_from_slice(&data);
        }
    }
    Ok(if rest.is_empty() { first } else { rest.into() })
}

fn broken(error: &axum::Error) -> Refusal {
    if is_misframed(error) {
        return Refusal::new(ErrorCode::BadRequest, "the body is not framed as HTTP wants it");
    }
    // The proxy sends it once more, and has used up nothing.
    Refusal::new(ErrorCode::BodyIncomplete, "the body broke off")
}
