//! Answers of Postern's own, where the target gives none: a page for browsers,
//! JSON for programs.

use axum::body::Body;
use axum::response::Response;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use postern_protocol::api::tunnels::HEADER_ERROR;
use postern_protocol::{ErrorBody, ErrorCode};

/// What happened, and what to do about it.
pub(super) struct Problem {
    pub(super) code: ErrorCode,
    pub(super) title: &'static str,
    pub(super) message: String,
    pub(super) cure: &'static str,
}

impl Problem {
    /// The answer, as the request `accepts`.
    pub(super) fn answer(&self, accepts: &HeaderMap) -> Response {
        let (kind, text) = if wants_page(accepts) {
            ("text/html; charset=utf-8", self.page())
        } else {
            let body = ErrorBody::new(self.code, format!("{}. {}", self.message, self.cure));
            ("application/json", serde_json::to_string(&body).unwrap_or_default())
        };
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::BAD_GATEWAY);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(HeaderName::from_static(HEADER_ERROR), HeaderValue::from_static(self.code.as_str()));
        response
    }

    fn page(&self) -> String {
        let Self { code, title, message, cure } = self;
        let message = escaped(message);
        format!(
            "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
             <title>{title}</title><style>:root{{color-scheme:light dark}}body{{font:16px/1.5 system-ui,sans-serif;\
             max-width:36rem;margin:15vh auto;padding:0 1.5rem}}h1{{font-size:1.4rem}}code{{opacity:.7}}</style>\
             <h1>{title}</h1><p>{message}.</p><p>{cure}</p><p><code>{code}</code></p></html>\n"
        )
    }
}

/// Whether a browser asks for something to show.
fn wants_page(headers: &HeaderMap) -> bool {
    headers.get_all(ACCEPT).iter().any(|accept| accept.to_str().is_ok_and(|text| text.contains("text/html")))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
