//! Errors as HTTP answers. Every failure of a request is classified here,
//! once, into a code of the protocol; programs match the code, people read the
//! message. What went wrong inside is logged here, once, and not answered.

use crate::store::StoreError;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use postern_protocol::signature::Failure;
use postern_protocol::{ErrorBody, ErrorCode};
use std::error::Error;

/// How long a caller should wait when the store cannot take writes, in seconds.
const STORE_RETRY_AFTER: u64 = 5;

/// Why a request was not done.
#[derive(Debug)]
pub(crate) struct ApiError {
    code: ErrorCode,
    message: String,
    retry_after: Option<u64>,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

/// Left in an answer's extensions, for the log and the metrics.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused(pub(crate) ErrorCode);

impl ApiError {
    /// An error whose message people see: no secrets, and the cure where known.
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_after: None, cause: None }
    }

    /// A defect: the caller learns no more than that.
    pub(crate) fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            cause: Some(cause.into()),
            ..Self::new(ErrorCode::Internal, "the proxy failed; its log says why")
        }
    }

    /// With `Retry-After`, in seconds.
    pub(crate) fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// Logs what went wrong inside, if anything did.
    pub(crate) fn log(&self) {
        if let Some(cause) = &self.cause {
            tracing::error!(code = %self.code, error = %chain(cause.as_ref()), "request failed");
        }
    }

    /// What is wrong, in words.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The code it is answered with.
    pub(crate) fn code(&self) -> ErrorCode {
        self.code
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => Self {
                cause: Some(error.into()),
                ..Self::new(ErrorCode::StoreUnavailable, "the store cannot take this now; try again")
                    .retry_after(STORE_RETRY_AFTER)
            },
            StoreError::Exists(_) => Self::new(ErrorCode::BadRequest, error.to_string()),
            StoreError::Missing(_) => Self::new(ErrorCode::NotFound, error.to_string()),
            StoreError::Failed(_) => Self::internal(error),
        }
    }
}

impl From<Failure> for ApiError {
    fn from(failure: Failure) -> Self {
        Self::new(failure.code(), failure.to_string())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.log();
        let status = StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(ErrorBody::new(self.code, self.message))).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(Refused(self.code));
        response
    }
}

/// An error and its sources, in one line.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}
