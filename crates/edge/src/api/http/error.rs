//! Errors of the local API over HTTP: the same body as over any shell.

use crate::api::ApiError;
use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use postern_protocol::ErrorCode;

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(self)).into_response()
    }
}

pub(super) async fn not_found() -> ApiError {
    ApiError::new(ErrorCode::NotFound, "the local API has no such path")
}

pub(super) async fn method_not_allowed() -> ApiError {
    ApiError::new(ErrorCode::MethodNotAllowed, "this path takes another method")
}
