//! Answers of Postern's own, where the target gives none. They are for programs:
//! the proxy makes a page of them where the visitor is a browser.

use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, StatusCode};
use postern_protocol::api::tunnels::HEADER_ERROR;
use postern_protocol::{ErrorBody, ErrorCode};

/// What happened, and what to do about it.
pub(super) struct Problem {
    pub(super) code: ErrorCode,
    pub(super) message: String,
    pub(super) cure: &'static str,
}

impl Problem {
    /// The answer.
    pub(super) fn answer(&self) -> Response {
        let body = ErrorBody::new(self.code, format!("{}. {}", self.message, self.cure));
        let mut response = Response::new(Body::from(serde_json::to_string(&body).unwrap_or_default()));
        *response.status_mut() = StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::BAD_GATEWAY);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(HeaderName::from_static(HEADER_ERROR), HeaderValue::from_static(self.code.as_str()));
        response
    }
}
