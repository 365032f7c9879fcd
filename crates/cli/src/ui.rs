//! The web UI, embedded, as files over HTTP. Every path that is no file is
//! the application's own (`/events/evt_…`) and gets `index.html`.

use axum::Router;
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

/// What `npm run build` made. Debug builds read it from the disk as it is now.
#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/../../ui/dist"]
struct Dist;

const INDEX: &str = "index.html";

/// Nothing from elsewhere, no inline script. Attributes may carry styles: the
/// list positions its rows by them.
const POLICY: &str = "default-src 'self'; connect-src 'self'; img-src 'self' data:; style-src 'self'; \
    style-src-attr 'unsafe-inline'; object-src 'none'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// The UI's files, to be served beside the local API.
pub(crate) fn router() -> Router {
    Router::new().fallback(file)
}

async fn file(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let mut response = if method == Method::GET || method == Method::HEAD {
        answer(uri.path().trim_start_matches('/'), headers.get(IF_NONE_MATCH))
    } else {
        (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET, HEAD")]).into_response()
    };
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn answer(path: &str, known: Option<&HeaderValue>) -> Response {
    let found = if path.is_empty() { None } else { Dist::get(path).map(|file| (path, file)) };
    let (path, file) = match found {
        Some(found) => found,
        // A missing asset is missing: HTML in its place would only confuse.
        None if is_asset(path) => return StatusCode::NOT_FOUND.into_response(),
        None => match Dist::get(INDEX) {
            Some(file) => (INDEX, file),
            None => return StatusCode::NOT_FOUND.into_response(),
        },
    };
    let tag = tag(&file);
    let cache = if is_asset(path) { "public, max-age=31536000, immutable" } else { "no-cache" };
    let about = [(CACHE_CONTROL, HeaderValue::from_static(cache)), (ETAG, tag.clone())];
    if known == Some(&tag) {
        return (StatusCode::NOT_MODIFIED, about).into_response();
    }
    (about, [(CONTENT_TYPE, content_type(path))], file.data).into_response()
}

/// Vite puts what it names by its content's hash into `assets/`.
fn is_asset(path: &str) -> bool {
    path.starts_with("assets/")
}

fn tag(file: &EmbeddedFile) -> HeaderValue {
    let digits: String = file.metadata.sha256_hash()[..12].iter().map(|byte| format!("{byte:02x}")).collect();
    HeaderValue::from_str(&format!("\"{digits}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

/// What a Vite build holds; anything else is only to be downloaded.
fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        "wasm" => "application/wasm",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests;
