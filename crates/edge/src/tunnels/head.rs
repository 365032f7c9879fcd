//! Heads on their way: from HTTP/2 to what a local server expects, and back.

use super::origin::Origin;
use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Request, Uri, Version};
use postern_protocol::api::tunnels::{HEADER_NAME, HEADER_PREFIX, HEADER_REQUEST};

/// The request as the target gets it. `bodiless`: nothing follows.
pub(super) fn request(parts: Parts, origin: &Origin, keep_host: bool, bodiless: bool) -> Request<()> {
    let mut request = Request::new(());
    *request.method_mut() = parts.method;
    let host = host(&parts.uri, &parts.headers, origin, keep_host);
    *request.uri_mut() = path(parts.uri);
    let mut headers = parts.headers;
    headers.insert(HOST, host);
    headers.remove(HEADER_NAME);
    join_cookies(&mut headers);
    let unsized_body = !headers.contains_key(CONTENT_LENGTH);
    if bodiless {
        let has_meaning = [Method::POST, Method::PUT, Method::PATCH].contains(request.method());
        if unsized_body && has_meaning {
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
    } else if unsized_body {
        // Also of a GET, whose body a client would leave out otherwise.
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    *request.headers_mut() = headers;
    request
}

/// Whether it is gRPC, which is HTTP/2 only (gRPC-Web is not).
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    kind.strip_prefix(b"application/grpc")
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// A request made for HTTP/1, as HTTP/2 has it.
pub(super) fn of_http_2<B>(mut request: Request<B>, origin: &Origin) -> Request<B> {
    let host = request.headers_mut().remove(HOST);
    request.headers_mut().remove(TRANSFER_ENCODING);
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(origin.scheme());
    parts.authority = host.and_then(|host| host.as_bytes().try_into().ok());
    parts.path_and_query.get_or_insert(PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
    *request.version_mut() = Version::HTTP_2;
    request
}

/// The same of one that asks for `protocol` instead of an answer (RFC 8441).
pub(super) fn upgrade(parts: Parts, origin: &Origin, keep_host: bool, protocol: &str) -> Request<()> {
    let mut request = request(parts, origin, keep_host, true);
    *request.method_mut() = Method::GET;
    let headers = request.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    if let Ok(protocol) = HeaderValue::from_str(protocol) {
        headers.insert(UPGRADE, protocol);
    }
    headers.entry(SEC_WEBSOCKET_VERSION).or_insert(HeaderValue::from_static("13"));
    headers.entry(SEC_WEBSOCKET_KEY).or_insert_with(|| {
        use base64::Engine;
        let key = base64::engine::general_purpose::STANDARD.encode(rand::random::<[u8; 16]>());
        HeaderValue::try_from(key).unwrap_or(HeaderValue::from_static("AAAAAAAAAAAAAAAAAAAAAA=="))
    });
    request
}

/// An answer's headers as they go back; those of the connection are taken off
/// by the transport.
pub(super) fn answer(headers: &mut HeaderMap) {
    if headers.contains_key(TRANSFER_ENCODING) {
        // It was read by its chunks (RFC 9112, section 6.3).
        headers.remove(CONTENT_LENGTH);
    }
    let ours: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with(HEADER_PREFIX)).cloned().collect();
    ours.iter().for_each(|name| drop(headers.remove(name)));
}

/// The same of one that accepts a WebSocket: what concerned this leg's handshake
/// goes, unless it was the visitor's own.
pub(super) fn accepted(headers: &mut HeaderMap, own_key: bool) {
    answer(headers);
    if own_key {
        headers.remove(SEC_WEBSOCKET_ACCEPT);
    }
}

/// The id of a request at the proxy.
pub(super) fn request_id(headers: &HeaderMap) -> &str {
    headers.get(HEADER_REQUEST).and_then(|id| id.to_str().ok()).unwrap_or_default()
}

fn host(uri: &Uri, headers: &HeaderMap, origin: &Origin, keep: bool) -> HeaderValue {
    let visitors = || {
        let authority = uri.authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
        authority.or_else(|| headers.get(HOST).cloned())
    };
    let kept = keep.then(visitors).flatten();
    kept.or_else(|| HeaderValue::from_str(origin.authority()).ok())
        .unwrap_or(HeaderValue::from_static("localhost"))
}

/// Path and query as they came.
fn path(uri: Uri) -> Uri {
    let mut parts = http::uri::Parts::default();
    parts.path_and_query = uri.into_parts().path_and_query;
    Uri::from_parts(parts).unwrap_or_default()
}

/// HTTP/2 may carry cookies one by one; HTTP/1 has them in one header (RFC 9113,
/// section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let cookies: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if cookies.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&cookies.join(&b"; "[..]))
    {
        headers.insert(COOKIE, joined);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::TunnelSettings;
    use crate::ports::OwnPorts;

    fn origin() -> Origin {
        let settings = TunnelSettings { target: "3000".into(), ..TunnelSettings::default() };
        Origin::parse(&settings, &OwnPorts::default()).unwrap()
    }

    fn parts(method: Method, headers: &[(&'static str, &'static str)]) -> Parts {
        let mut request = Request::builder().method(method).uri("https://app.example.com/a//b%2F?q=1");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_request_names_the_local_server_unless_told_otherwise() {
        let headers = [
            ("cookie", "a=1"),
            ("cookie", "b=2"),
            ("x-postern-tunnel", "app"),
            ("x-twice", "1"),
            ("x-twice", "2"),
        ];
        let sent = request(parts(Method::GET, &headers), &origin(), false, true);
        assert_eq!(sent.uri(), "/a//b%2F?q=1");
        assert_eq!(sent.headers()["host"], "localhost:3000");
        assert_eq!(sent.headers().get_all("cookie").iter().collect::<Vec<_>>(), ["a=1; b=2"]);
        assert_eq!(sent.headers().get_all("x-twice").iter().collect::<Vec<_>>(), ["1", "2"]);
        assert!(!sent.headers().contains_key("x-postern-tunnel"));
        assert!(!sent.headers().contains_key("content-length"));
        let kept = request(parts(Method::GET, &[]), &origin(), true, true);
        assert_eq!(kept.headers()["host"], "app.example.com");
    }

    #[test]
    fn a_body_is_framed_as_it_came() {
        let framing = |method: Method, headers: &[(&'static str, &'static str)], bodiless| {
            let sent = request(parts(method, headers), &origin(), false, bodiless);
            let value =
                |name| sent.headers().get(name).map(|value: &HeaderValue| value.to_str().unwrap().to_owned());
            (value("content-length"), value("transfer-encoding"))
        };
        assert_eq!(framing(Method::POST, &[], true), (Some("0".into()), None));
        assert_eq!(framing(Method::DELETE, &[], true), (None, None));
        assert_eq!(framing(Method::GET, &[], false), (None, Some("chunked".into())));
        assert_eq!(framing(Method::PUT, &[("content-length", "3")], false), (Some("3".into()), None));
    }

    #[test]
    fn grpc_goes_over_http_2_and_nothing_else_does() {
        let of = |kind: &'static str| is_grpc(&parts(Method::POST, &[("content-type", kind)]).headers);
        assert!(of("application/grpc") && of("application/grpc+proto") && of("application/grpc;x=1"));
        assert!(!of("application/grpc-web+proto") && !of("application/json"));
        let request = request(parts(Method::POST, &[("te", "trailers")]), &origin(), false, false);
        let request = of_http_2(request, &origin());
        assert_eq!(request.uri(), "http://localhost:3000/a//b%2F?q=1");
        assert!(
            !request.headers().contains_key("host") && !request.headers().contains_key("transfer-encoding")
        );
        assert_eq!(request.headers()["te"], "trailers");
    }

    #[test]
    fn an_upgrade_is_a_handshake_of_http_1() {
        let sent = upgrade(
            parts(Method::CONNECT, &[("sec-websocket-protocol", "chat")]),
            &origin(),
            false,
            "websocket",
        );
        assert_eq!((sent.method(), sent.headers()["upgrade"].as_bytes()), (&Method::GET, &b"websocket"[..]));
        assert_eq!(sent.headers()["sec-websocket-protocol"], "chat");
        assert_eq!(sent.headers()["sec-websocket-key"].len(), 24);
        let given = upgrade(
            parts(Method::CONNECT, &[("sec-websocket-key", "visitors")]),
            &origin(),
            false,
            "websocket",
        );
        assert_eq!(given.headers()["sec-websocket-key"], "visitors");
    }
}
