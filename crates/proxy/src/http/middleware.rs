//! Around every request: an id and a log line, panics answered with 500, and
//! the answers for routes and methods that are not there.

use super::error::{ApiError, Refused};
use crate::store::RequestId;
use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use postern_protocol::ErrorCode;
use std::panic::AssertUnwindSafe;
use std::time::Duration;
use tokio::time::Instant;
use tracing::Instrument;

/// The answer's header that carries the request's id in the log.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What axum says is shorter, in bytes.
const LONGEST_REASON: usize = 1000;

/// Gives the request an id, which its handler finds in the extensions and an
/// event keeps on its way, logs it and its outcome, and catches panics.
///
/// The log has the route's pattern, not the path: the paths of webhooks are
/// all that protects a source that signs nothing.
pub(crate) async fn around(mut request: Request, next: Next) -> Response {
    let id = RequestId(crate::entropy::bytes());
    request.extensions_mut().insert(id);
    let route = request.extensions().get::<MatchedPath>().map_or("-", MatchedPath::as_str).to_owned();
    let span = tracing::info_span!("request", %id, method = %request.method(), route);
    async move {
        let began = Instant::now();
        let mut response = match AssertUnwindSafe(next.run(request)).catch_unwind().await {
            Ok(response) => response,
            Err(_) => ApiError::internal("a handler panicked").into_response(),
        };
        if is_axums_own(&response) {
            response = worded(response).await.into_response();
        }
        log(&response, began.elapsed());
        if let Ok(id) = HeaderValue::from_str(&id.to_string()) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
    .instrument(span)
    .await
}

/// Whether this is axum's plain text about a path or a query it cannot read.
fn is_axums_own(response: &Response) -> bool {
    response.status().is_client_error()
        && response.extensions().get::<Refused>().is_none()
        && response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"))
}

/// The same as all other errors are.
async fn worded(response: Response) -> ApiError {
    let text = axum::body::to_bytes(response.into_body(), LONGEST_REASON).await.unwrap_or_default();
    ApiError::new(ErrorCode::BadRequest, String::from_utf8_lossy(&text).into_owned())
}

fn log(response: &Response, took: Duration) {
    let status = response.status().as_u16();
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    match response.extensions().get::<Refused>() {
        Some(Refused(code)) => tracing::info!(status, micros, %code, "refused"),
        None => tracing::debug!(status, micros, "answered"),
    }
}

/// No such route.
pub(crate) async fn not_found() -> ApiError {
    ApiError::new(ErrorCode::NotFound, "there is no such route")
}

/// The route is there, the method is not: `Allow` says which are.
pub(crate) async fn method_not_allowed() -> ApiError {
    ApiError::new(ErrorCode::MethodNotAllowed, "this route does not take this method; see the header Allow")
}
