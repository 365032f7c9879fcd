//! Two gates before every request: where it comes from, and who sends it.

use crate::EdgeHandle;
use crate::api::ApiError;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};
use postern_protocol::ErrorCode;

/// Refuses what a foreign web page could send: a name that was rebound to
/// this machine, or another origin.
pub(super) async fn origin(State(port): State<u16>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    if !only(headers, header::HOST).is_some_and(|host| is_ours(host, port)) {
        let message = format!("the Host header must be 127.0.0.1:{port}, localhost:{port} or [::1]:{port}");
        return ApiError::new(ErrorCode::Forbidden, message).into_response();
    }
    if headers.contains_key(header::ORIGIN) {
        let same = only(headers, header::ORIGIN)
            .and_then(|origin| origin.strip_prefix("http://"))
            .is_some_and(|origin| is_ours(origin, port) && Some(origin) == only(headers, header::HOST));
        if !same {
            return ApiError::new(ErrorCode::Forbidden, "requests of other origins are refused")
                .into_response();
        }
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Refuses whoever has no bearer.
pub(super) async fn bearer(State(edge): State<EdgeHandle>, request: Request, next: Next) -> Response {
    let given =
        only(request.headers(), header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
    if given.is_some_and(|bearer| edge.shared.access.admits(bearer)) {
        return next.run(request).await;
    }
    let message = "no bearer, or one of an earlier run: exchange a token at /api/session";
    let mut response = ApiError::new(ErrorCode::Unauthorized, message).into_response();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

fn is_ours(authority: &str, port: u16) -> bool {
    let host = authority.strip_suffix(&format!(":{port}")).or((port == 80).then_some(authority));
    host.is_some_and(|host| ["127.0.0.1", "[::1]"].contains(&host) || host.eq_ignore_ascii_case("localhost"))
}

/// The header's one value; repeated, it is none.
fn only(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}
