//! Reading a request's body: whole, small, in time.

use crate::Timing;
use crate::api::ApiError;
use crate::serve::is_misframed;
use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use postern_protocol::ErrorCode;

/// The body, of at most `limit` bytes.
pub(super) async fn read(body: Body, limit: usize, timing: &Timing) -> Result<Bytes, ApiError> {
    let too_large = || ApiError::new(ErrorCode::TooLarge, format!("the body is larger than {limit} bytes"));
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large());
    }
    let reading = tokio::time::timeout(timing.body_timeout, Limited::new(body, limit).collect());
    let Ok(read) = reading.await else {
        let seconds = timing.body_timeout.as_secs_f32();
        return Err(ApiError::new(
            ErrorCode::BodyTimeout,
            format!("the body did not arrive within {seconds} s"),
        ));
    };
    match read {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(error) if is_misframed(error.as_ref()) => {
            Err(ApiError::new(ErrorCode::BadRequest, "the body is not framed as HTTP wants it"))
        }
        Err(_) => Err(ApiError::new(ErrorCode::BodyIncomplete, "the body broke off")),
    }
}
