//! Reads a request's body: no larger than allowed, in time, and within the
//! room all bodies in flight share, so that a flood of large bodies meets 429
//! instead of the end of memory.

use super::error::ApiError;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use postern_protocol::ErrorCode;
use serde::de::DeserializeOwned;
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long a caller should wait for room, in seconds.
const ROOM_RETRY_AFTER: u64 = 1;

/// The largest JSON body of the proxy's own API but `trigger`'s, in bytes.
pub(crate) const JSON_LIMIT: usize = 256 * 1024;

/// Reads bodies.
#[derive(Clone, Debug)]
pub(crate) struct BodyReader {
    room: Arc<Semaphore>,
    /// All of the room, in bytes.
    size: usize,
    timeout: Duration,
}

/// A body, and its share of the room until it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    /// The body, byte for byte.
    pub(crate) bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

impl BodyReader {
    /// `room`: bytes all bodies in flight may take together. `timeout`: how
    /// long one may take to arrive.
    pub(crate) fn new(room: usize, timeout: Duration) -> Self {
        let size = room.min(Semaphore::MAX_PERMITS);
        Self { room: Arc::new(Semaphore::new(size)), size, timeout }
    }

    /// How much of the room is taken, and all of it, in bytes.
    pub(crate) fn taken(&self) -> (usize, usize) {
        (self.size.saturating_sub(self.room.available_permits()), self.size)
    }

    /// Reads a body of at most `limit` bytes.
    pub(crate) async fn read(&self, headers: &HeaderMap, body: Body, limit: usize) -> Result<Held, ApiError> {
        let announced = headers
            .get(header::CONTENT_LENGTH)
            .and_then(|v| v.to_str().ok())
            .and_then(|v| v.parse::<u64>().ok());
        if announced.is_some_and(|length| length > limit as u64) {
            return Err(too_large(limit));
        }
        let announced = announced.and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
        tokio::time::timeout(self.timeout, self.collect(body, announced, limit)).await.map_err(|_| {
            let seconds = self.timeout.as_secs();
            ApiError::new(ErrorCode::BodyTimeout, format!("the body did not arrive within {seconds} s"))
        })?
    }

    /// Reads a body of at most `limit` bytes as JSON.
    pub(crate) async fn json<T: DeserializeOwned>(
        &self,
        headers: &HeaderMap,
        body: Body,
        limit: usize,
    ) -> Result<T, ApiError> {
        let read = self.json_or_none(headers, body, limit).await?;
        read.ok_or_else(|| ApiError::new(ErrorCode::BadRequest, "the body is empty; send a JSON object"))
    }

    /// The same; `None` when there is no body.
    pub(crate) async fn json_or_none<T: DeserializeOwned>(
        &self,
        headers: &HeaderMap,
        body: Body,
        limit: usize,
    ) -> Result<Option<T>, ApiError> {
        let held = self.read(headers, body, limit).await?;
        if held.bytes.is_empty() {
            return Ok(None);
        }
        let Ok(text) = std::str::from_utf8(&held.bytes) else {
            return Err(ApiError::new(ErrorCode::BadRequest, "the body is not UTF-8"));
        };
        // serde would read the members of a struct from a list, too.
        if !text.trim_ascii_start().starts_with('{') {
            return Err(ApiError::new(ErrorCode::BadRequest, "the body is not a JSON object"));
        }
        serde_json::from_str(text).map(Some).map_err(|error| {
            // serde's messages may quote the value, and the value may be a secret.
            let (line, column) = (error.line(), error.column());
            let what = match error.classify() {
                serde_json::error::Category::Data => shape(&error),
                _ => "it is not valid JSON".to_owned(),
            };
            ApiError::new(
                ErrorCode::BadRequest,
                format!("cannot read the body at line {line}, column {column}: {what}"),
            )
        })
    }

    /// The room is taken for what is allocated, and before it is: for an
    /// announced body at once, so that of many that arrive together some get
    /// in, instead of each getting a part; for others as they grow.
    async fn collect(&self, mut body: Body, announced: usize, limit: usize) -> Result<Held, ApiError> {
        let mut room = self.take(announced)?;
        // Most bodies come in one piece, which is kept as it is.
        let mut first = Bytes::new();
        let mut rest = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| broken(&error))?;
            let Ok(data) = frame.into_data() else { continue };
            let length = first.len() + rest.len() + data.len();
            if length > limit {
                return Err(too_large(limit));
            }
            if first.is_empty() && rest.is_empty() {
                if length > room.num_permits() {
                    room = self.take(length)?;
                }
                first = data;
                continue;
            }
            if length > rest.capacity() {
                let capacity = if length <= announced { announced } else { limit.min(2 * length) };
                // While the old buffer is copied into the new one, both count.
                let more = if capacity > room.num_permits() { Some(self.take(capacity)?) } else { None };
                let mut grown = Vec::with_capacity(capacity);
                grown.extend_from_slice(&std::mem::take(&mut first));
                grown.extend_from_slice(&rest);
                rest = grown;
                room = more.unwrap_or(room);
            }
            rest.extend_from_slice(&data);
        }
        let bytes = if rest.is_empty() { first } else { rest.into() };
        Ok(Held { bytes, _room: room })
    }

    fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit, ApiError> {
        u32::try_from(bytes).ok().and_then(|n| self.room.clone().try_acquire_many_owned(n).ok()).ok_or_else(
            || {
                ApiError::new(ErrorCode::RateLimited, "too many bodies are arriving at once; try again")
                    .retry_after(ROOM_RETRY_AFTER)
            },
        )
    }
}

/// A body that cannot be read to its end: framed wrongly, or broken off.
fn broken(error: &(dyn Error + 'static)) -> ApiError {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        if matches!(kind, Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData)) {
            return ApiError::new(ErrorCode::BadRequest, "the body is not framed as HTTP wants it");
        }
        cause = error.source();
    }
    ApiError::new(ErrorCode::BodyIncomplete, "the body broke off")
}

fn too_large(limit: usize) -> ApiError {
    ApiError::new(ErrorCode::TooLarge, format!("the body is larger than the {limit} bytes allowed here"))
}

/// What serde says of a well-formed body of the wrong shape, when it names
/// only a member; nothing of the values.
fn shape(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((what, _)) if what.starts_with("missing field") => what.to_owned(),
        // Before `expected` stands the value; after it, what we take.
        Some((what, _)) if what.starts_with("unknown variant") => match what.rsplit_once(", expected ") {
            Some((_, known)) => format!("a member has an unknown value; expected {known}"),
            None => "a member has an unknown value".to_owned(),
        },
        _ => "a member has a wrong type or value".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postern_protocol::api::{
        CatchUpRequest, DiscardRequest, LeaseRequest, PolicyChange, RecoverRequest, RedriveRequest,
        RegisterRequest, ReplayRequest, ReportWork, TriggerRequest,
    };

    #[test]
    fn any_body_is_read_or_refused_without_quoting_it() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let reader = BodyReader::new(1 << 20, Duration::from_secs(1));
        fn refusal<T: DeserializeOwned>(runtime: &tokio::runtime::Runtime, reader: &BodyReader, data: &[u8]) {
            let body = Body::from(data.to_vec());
            let Err(error) = runtime.block_on(reader.json::<T>(&HeaderMap::new(), body, JSON_LIMIT)) else {
                return;
            };
            let message = error.message();
            assert_eq!(error.code(), ErrorCode::BadRequest, "{message}");
            assert!(!message.contains("s3cret"), "{message}");
            assert!(!message.is_empty() && !message.chars().any(char::is_control), "{message}");
        }
        crate::fuzz::run("body", |data| {
            for refusal in [
                refusal::<RegisterRequest>,
                refusal::<LeaseRequest>,
                refusal::<CatchUpRequest>,
                refusal::<ReportWork>,
                refusal::<PolicyChange>,
                refusal::<TriggerRequest>,
                refusal::<RedriveRequest>,
                refusal::<DiscardRequest>,
                refusal::<RecoverRequest>,
                refusal::<ReplayRequest>,
            ] {
                refusal(&runtime, &reader, data);
            }
            assert_eq!(reader.taken().0, 0, "the room is given back");
        });
    }
}
