//! A refusal, as answered and as remembered.

use super::Peer;
use crate::history::Rejection;
use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, Method, StatusCode, header};
use postern_protocol::signature::Failure;
use postern_protocol::{ErrorBody, ErrorCode, UnixMillis};

/// Why a request is not taken.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: ErrorCode,
    message: String,
    failure: Option<Failure>,
    /// What is probably wrong, for this machine's user alone.
    guess: Option<String>,
    /// How much of the body was read, in bytes.
    size: u64,
    retry_after: Option<u32>,
}

impl Refusal {
    pub(super) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, code, message: message.into(), failure: None, guess: None, size: 0, retry_after: None }
    }

    /// No such path. Not 410: that would end the registration.
    pub(super) fn unknown() -> Self {
        Self::new(
            ErrorCode::NotFound,
            "no worker receives here: its URL may have changed since it registered",
        )
    }

    pub(super) fn method(method: &Method) -> Self {
        let method: String = method.as_str().chars().take(16).collect();
        Self::new(ErrorCode::MethodNotAllowed, format!("deliveries are posted, not sent by {method}"))
    }

    /// Signed in, but not able to verify yet.
    pub(super) fn not_ready() -> Self {
        let message = "the worker's secrets are not read yet: the keychain may be locked";
        Self { retry_after: Some(10), ..Self::new(ErrorCode::Unavailable, message) }
    }

    pub(super) fn store_down() -> Self {
        let message = "the event could not be stored: the disk may be full";
        Self { retry_after: Some(5), ..Self::new(ErrorCode::StoreUnavailable, message) }
    }

    pub(super) fn no_room() -> Self {
        let message = "too many bodies in flight";
        Self { retry_after: Some(1), ..Self::new(ErrorCode::Unavailable, message) }
    }

    pub(super) fn too_large(limit: usize, size: u64) -> Self {
        Self { size, ..Self::new(ErrorCode::TooLarge, format!("the body is larger than {limit} bytes")) }
    }

    /// A signature that does not hold. Headers that are missing or cannot be
    /// read are 400: the request is malformed, whoever signed it.
    pub(super) fn signature(failure: Failure, size: u64) -> Self {
        let refusal = Self { size, ..Self::new(failure.code(), failure.to_string()) };
        let status = match failure {
            Failure::MissingHeader { .. } | Failure::Malformed { .. } => StatusCode::BAD_REQUEST,
            Failure::WrongSecret { .. } | Failure::Stale { .. } | Failure::Future { .. } => refusal.status,
        };
        Self { status, failure: Some(failure), ..refusal }
    }

    /// With what is probably wrong.
    pub(super) fn probably(self, guess: Option<String>) -> Self {
        Self { guess, ..self }
    }

    pub(super) fn response(&self) -> Response {
        let body = ErrorBody::new(self.code, self.message.clone());
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
        }
        response
    }

    pub(super) fn record(
        &self,
        profile: Option<i64>,
        peer: Peer,
        request: String,
        at: UnixMillis,
    ) -> Rejection {
        Rejection {
            profile,
            at,
            status: self.status.as_u16(),
            code: self.code.as_str(),
            reason: self.message.clone(),
            failure: self.failure.clone(),
            guess: self.guess.clone(),
            peer_ip: peer.host(),
            peer: peer.to_string(),
            request,
            size: self.size,
            count: 1,
        }
    }
}
