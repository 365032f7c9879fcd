//! What a visitor gets where there is no answer to pass on: a page for people,
//! JSON for programs, and in both cases why.

use crate::http::error::ApiError;
use crate::store::RequestId;
use axum::body::Body;
use http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
};
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use postern_protocol::api::tunnels::{HEADER_ERROR, HEADER_REQUEST, TunnelName};
use postern_protocol::{ErrorBody, ErrorCode};
use postern_tunnel::TunnelBody;

/// The largest of an edge's own answers that is read, in bytes.
const LARGEST_REASON: usize = 16 << 10;

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{margin:0;min-height:100vh;display:grid;place-items:center;\
font:16px/1.5 system-ui,sans-serif;background:#fafaf9;color:#1c1917}\
main{max-width:34rem;padding:2rem}\
h1{font-size:1.375rem;line-height:1.3;margin:0 0 .75rem}\
p{margin:0 0 .75rem}\
code,small{font:.8125rem/1.5 ui-monospace,monospace}\
small{color:#57534e}\
@media(prefers-color-scheme:dark){body{background:#1c1917;color:#f5f5f4}small{color:#a8a29e}}";

/// What a visitor understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// A browser, for somebody who looks at it.
    Html,
    /// Anything else.
    Json,
}

impl Wanted {
    /// As `Accept` says: browsers name HTML when they load a page.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let named = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let html = named.flat_map(|value| value.split(',')).any(|kind| {
            kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/html"))
        });
        if html { Self::Html } else { Self::Json }
    }
}

/// Why a visitor's request was not passed on, or not answered.
#[derive(Debug)]
pub(super) struct Failure {
    code: ErrorCode,
    status: StatusCode,
    message: String,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Failure {
    pub(super) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { code, status, message: message.into(), header: None }
    }

    pub(super) fn unknown() -> Self {
        Self::new(ErrorCode::TunnelUnknown, "there is no tunnel at this address")
    }

    pub(super) fn offline(name: &TunnelName) -> Self {
        Self::new(ErrorCode::TunnelOffline, format!("the machine that serves `{name}` is not connected"))
    }

    pub(super) fn broken() -> Self {
        let message = "the connection to the machine that serves this broke before it answered";
        Self::new(ErrorCode::TunnelBroken, message)
    }

    pub(super) fn late() -> Self {
        Self::new(ErrorCode::TunnelBroken, "nothing came from the machine that serves this for too long")
    }

    pub(super) fn no_websocket() -> Self {
        Self::new(ErrorCode::TunnelBroken, "the local server answered, and not with a WebSocket")
    }

    pub(super) fn denied(message: &str) -> Self {
        Self::new(ErrorCode::TunnelDenied, message)
    }

    pub(super) fn unauthorized(message: &str) -> Self {
        Self { status: StatusCode::UNAUTHORIZED, ..Self::denied(message) }
    }

    pub(super) fn too_many(message: &str) -> Self {
        Self { status: StatusCode::TOO_MANY_REQUESTS, ..Self::denied(message) }
    }

    pub(super) fn too_large_a_head() -> Self {
        let message = "the headers of the request are larger than a tunnel takes";
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        Self { status, ..Self::new(ErrorCode::BadRequest, message) }
    }

    /// With a header.
    pub(super) fn with(self, name: HeaderName, value: HeaderValue) -> Self {
        Self { header: Some((name, value)), ..self }
    }

    pub(super) fn code(&self) -> ErrorCode {
        self.code
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// The answer to the visitor.
    pub(super) fn page(self, wanted: Wanted, id: RequestId) -> Response<Body> {
        let mut response = render(wanted, self.status, self.code, &self.message, id);
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        error.log();
        Self::new(error.code(), error.message())
    }
}

/// What an edge said to a program, for a browser.
pub(super) async fn of_edge(
    status: StatusCode,
    code: ErrorCode,
    body: TunnelBody,
    id: RequestId,
) -> Response<Body> {
    let read = Limited::new(body, LARGEST_REASON).collect().await;
    let said = read.ok().and_then(|body| serde_json::from_slice::<ErrorBody>(&body.to_bytes()).ok());
    let message = said.map(|said| said.error.message).unwrap_or_default();
    render(Wanted::Html, status, code, &message, id)
}

fn render(
    wanted: Wanted,
    status: StatusCode,
    code: ErrorCode,
    message: &str,
    id: RequestId,
) -> Response<Body> {
    let (title, advice) = words(code, status);
    let message = if message.is_empty() { title } else { message };
    let (kind, text) = match wanted {
        Wanted::Html => ("text/html; charset=utf-8", html(title, message, advice, code, id)),
        Wanted::Json => {
            ("application/json", serde_json::to_string(&ErrorBody::new(code, message)).unwrap_or_default())
        }
    };
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(HEADER_ERROR, HeaderValue::from_static(code.as_str()));
    if let Ok(id) = HeaderValue::from_str(&id.to_string()) {
        headers.insert(HEADER_REQUEST, id);
    }
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
}

/// What happened, and what to do.
fn words(code: ErrorCode, status: StatusCode) -> (&'static str, &'static str) {
    match code {
        ErrorCode::TunnelUnknown => (
            "There is no tunnel here",
            "Check the address for a slip of the pen, or ask whoever gave it to you for the present one.",
        ),
        ErrorCode::TunnelOffline => (
            "This tunnel is not online",
            "Is it yours? Start it with `postern tunnel`, or switch it on in the Postern app. It is here \
             again as soon as the machine is connected.",
        ),
        ErrorCode::TunnelBroken => (
            "The tunnel broke",
            "It may have been a moment without network. If you sent something, check whether it arrived \
             before you send it again.",
        ),
        ErrorCode::TunnelDenied if status == StatusCode::UNAUTHORIZED => (
            "This tunnel is protected",
            "Ask whoever gave you the address for the password, and load the page again.",
        ),
        ErrorCode::TunnelDenied if status == StatusCode::TOO_MANY_REQUESTS => {
            ("Too much at once", "Wait a moment, then load the page again.")
        }
        ErrorCode::TunnelDenied => {
            ("You are not let in", "Whoever serves this tunnel decides who may use it: ask them.")
        }
        ErrorCode::TargetRefused => (
            "Nothing answers behind this tunnel",
            "The tunnel is up, the program behind it is not. Is it yours? Start it, and load the page again.",
        ),
        ErrorCode::TargetTimeout => (
            "The program behind this tunnel takes too long",
            "It took the request and gave no answer. Is it yours? Its own log may say why.",
        ),
        ErrorCode::BadRequest | ErrorCode::MethodNotAllowed => {
            ("This request cannot be passed on", "Your program or browser sent what no tunnel carries.")
        }
        _ => ("This did not work", "Try again in a moment; the operator finds the request in the log."),
    }
}

fn html(title: &str, message: &str, advice: &str, code: ErrorCode, id: RequestId) -> String {
    let (title, message, advice) = (escape(title), escape(message), escape(advice));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta name=\"robots\" content=\"noindex\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n\
         <main>\n<h1>{title}</h1>\n<p>{message}</p>\n<p>{advice}</p>\n\
         <small>{code} · request {id}</small>\n</main>\n</html>\n"
    )
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(accept: &str) -> Wanted {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, accept.parse().unwrap());
        Wanted::of(&headers)
    }

    #[test]
    fn browsers_get_a_page() {
        assert_eq!(wanted("text/html,application/xhtml+xml,*/*;q=0.8"), Wanted::Html);
        assert_eq!(wanted("application/json, Text/HTML;q=0.1"), Wanted::Html);
        for program in ["*/*", "application/json", "text/html5", ""] {
            assert_eq!(wanted(program), Wanted::Json, "{program}");
        }
        assert_eq!(Wanted::of(&HeaderMap::new()), Wanted::Json);
    }

    #[tokio::test]
    async fn nothing_in_a_page_is_markup() {
        let failure = Failure::denied("<script>alert('1')</script> & \"more\"");
        let page = failure.page(Wanted::Html, RequestId([7; 8]));
        assert_eq!(page.status(), 403);
        let text = page.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8(text.to_vec()).unwrap();
        assert!(text.contains("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &amp; &quot;more&quot;"));
        assert!(!text.contains("<script"));
    }
}
