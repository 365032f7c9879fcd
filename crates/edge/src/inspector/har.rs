//! Kept requests as an HTTP archive (HAR 1.2).

use crate::api::{Body, TunnelRequestDetail};
use postern_protocol::{HeaderList, UnixMillis};
use serde_json::{Value, json};

/// The archive.
pub(crate) fn har(details: &[TunnelRequestDetail], url: impl Fn(&TunnelRequestDetail) -> String) -> Value {
    let entries: Vec<_> = details.iter().map(|detail| entry(detail, &url(detail))).collect();
    json!({ "log": {
        "version": "1.2",
        "creator": { "name": "Postern", "version": env!("CARGO_PKG_VERSION") },
        "entries": entries,
    } })
}

fn entry(detail: &TunnelRequestDetail, url: &str) -> Value {
    let request = &detail.request;
    let millis = |micros: u64| micros as f64 / 1_000.0;
    let first = request.first_byte_micros.unwrap_or(request.micros);
    let connect = request.connect_micros.unwrap_or(0);
    let query = request.path.split_once('?').map_or("", |(_, query)| query);
    let query: Vec<_> = url::form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .collect();
    let mut sent = json!({
        "method": request.method,
        "url": url,
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": headers(&detail.request_headers),
        "queryString": query,
        "headersSize": -1,
        "bodySize": request.request_bytes,
    });
    if request.request_bytes > 0 {
        let mut post = content(&detail.request_body, &detail.request_headers, request.request_bytes);
        if let Some(post) = post.as_object_mut() {
            post.remove("size");
        }
        sent["postData"] = post;
    }
    json!({
        "startedDateTime": date(request.at),
        "time": millis(request.micros),
        "request": sent,
        "response": {
            "status": request.status.unwrap_or(0),
            "statusText": "",
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": headers(&detail.response_headers),
            "content": content(&detail.response_body, &detail.response_headers, request.response_bytes),
            "redirectURL": detail.response_headers.get("location").unwrap_or_default(),
            "headersSize": -1,
            "bodySize": request.response_bytes,
        },
        "cache": {},
        "timings": {
            "connect": request.connect_micros.map_or(-1.0, millis),
            "send": 0,
            "wait": millis(first.saturating_sub(connect)),
            "receive": millis(request.micros.saturating_sub(first)),
        },
        "comment": request.error.clone().unwrap_or_default(),
    })
}

fn headers(list: &HeaderList) -> Vec<Value> {
    let pair =
        |(name, value): (&str, &[u8])| json!({ "name": name, "value": String::from_utf8_lossy(value) });
    list.iter().map(pair).collect()
}

fn content(body: &Body, headers: &HeaderList, size: u64) -> Value {
    let kind = headers.get("content-type").unwrap_or_default();
    match body {
        Body::Utf8 { text } => json!({ "size": size, "mimeType": kind, "text": text }),
        Body::Base64 { base64 } => {
            json!({ "size": size, "mimeType": kind, "text": base64, "encoding": "base64" })
        }
    }
}

fn date(at: UnixMillis) -> String {
    jiff::Timestamp::from_millisecond(at.0).map(|time| time.to_string()).unwrap_or_default()
}
