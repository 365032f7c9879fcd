//! The workspace API: its description, lists and filters.

use crate::harness::{Proxy, call};
use http::Method;
use serde_json::Value;

/// `GET /v1/workers`, …: what the document describes.
fn operations(document: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            found.push(format!("{} {path}", method.to_uppercase()));
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn it_describes_itself() {
    let proxy = Proxy::start().await;
    let answer = call(proxy.address, Method::GET, "/v1/openapi.json", &[], "").await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/json"));
    let document: Value = answer.json();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["security"], serde_json::json!([{"bearer": []}]));
    let operations = operations(&document);
    for known in ["GET /v1/workers", "GET /v1/events/{event}", "POST /v1/events/trigger"] {
        assert!(operations.contains(&known.to_owned()), "{known} is not among {operations:?}");
    }
    // Each that is described is there, and says what it needs.
    for operation in operations {
        let (method, path) = operation.split_once(' ').unwrap();
        let path = path.replace(['{', '}'], "");
        let answer = call(proxy.address, method.parse().unwrap(), &path, &[], "{}").await;
        assert_eq!(answer.error(), "401 auth.invalid", "{operation}");
    }
}
