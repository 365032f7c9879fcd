use super::{Dist, content_type, router};
use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use tower::ServiceExt;

async fn ask(method: &str, path: &str, known: Option<&str>) -> Response<Body> {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(known) = known {
        request = request.header("if-none-match", known);
    }
    router().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

fn header<'r>(response: &'r Response<Body>, name: &str) -> &'r str {
    response.headers()[name].to_str().unwrap()
}

#[tokio::test]
async fn paths_of_the_application_get_the_index() {
    for path in ["/", "/events/evt_01JD3Q", "/settings?x=1"] {
        let response = ask("GET", path, None).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(header(&response, "content-type"), "text/html; charset=utf-8");
        assert_eq!(header(&response, "cache-control"), "no-cache");
        assert_eq!(header(&response, "x-content-type-options"), "nosniff");
        let policy = header(&response, "content-security-policy");
        assert!(
            policy.starts_with("default-src 'self';") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        assert_eq!(body, Dist::get("index.html").unwrap().data.as_ref());
    }
}

#[tokio::test]
async fn a_known_file_is_not_sent_again() {
    let first = ask("GET", "/", None).await;
    let again = ask("GET", "/", Some(header(&first, "etag"))).await;
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert!(axum::body::to_bytes(again.into_body(), usize::MAX).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_is_not_there_is_not_answered_with_html() {
    assert_eq!(ask("GET", "/assets/index-0000.js", None).await.status(), StatusCode::NOT_FOUND);
    let escaped = ask("GET", "/assets/../../package.json", None).await;
    assert_eq!(escaped.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_files_are_only_read() {
    let response = ask("POST", "/", None).await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(header(&response, "allow"), "GET, HEAD");
}

#[tokio::test]
async fn assets_are_kept_for_good() {
    for path in Dist::iter().filter(|path| path.starts_with("assets/")) {
        let response = ask("GET", &format!("/{path}"), None).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(header(&response, "cache-control"), "public, max-age=31536000, immutable");
        assert_ne!(header(&response, "content-type"), "application/octet-stream", "{path}");
    }
}

#[test]
fn content_types_follow_the_extension() {
    assert_eq!(content_type("assets/a-1.js"), "text/javascript; charset=utf-8");
    assert_eq!(content_type("favicon.svg"), "image/svg+xml");
    assert_eq!(content_type("LICENCE"), "application/octet-stream");
}
