//! The heads: what the worker sees of a request, and the visitor of an answer.

use super::page::Failure;
use super::{Visit, visitor};
use http::header::{CONTENT_TYPE, COOKIE, FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue, VIA};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Uri, Version};
use postern_protocol::ErrorCode;
use postern_protocol::api::tunnels::{
    HEADER_ERROR, HEADER_NAME, HEADER_PREFIX, HEADER_REQUEST, HeaderRules, PATH_PREFIX,
};
use postern_tunnel::strip_hop_by_hop;

/// What deliveries carry, and nobody else may.
const DELIVERIES: &str = "postern-";
/// What reverse proxies say of visitors.
const FORWARDING: &str = "x-forwarded-";

const NAME: HeaderName = HeaderName::from_static(HEADER_NAME);
const REQUEST: HeaderName = HeaderName::from_static(HEADER_REQUEST);
const ERROR: HeaderName = HeaderName::from_static(HEADER_ERROR);
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Stands in where a request names no host.
const NOWHERE: Authority = Authority::from_static("tunnel.invalid");

/// How large a head is, in bytes, about.
pub(super) fn size(head: &Parts) -> usize {
    let target = head.uri.path_and_query().map_or(0, |target| target.as_str().len());
    let headers = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    target + headers.sum::<usize>()
}

/// The request as it goes down the connection.
pub(super) fn down(visit: Visit) -> Result<Parts, Failure> {
    let Visit { id, head, tunnel, by_path, host, visitor, .. } = visit;
    let Parts { method, uri, version, mut headers, .. } = head;
    let options = &tunnel.options;
    // First of all: whatever `Connection` names goes, and is not to be ours.
    strip_hop_by_hop(&mut headers);
    strip(&mut headers, |name| name.starts_with(HEADER_PREFIX) || name.starts_with(DELIVERIES));
    if !visitor.trusted {
        strip(&mut headers, |name| name.starts_with(FORWARDING));
        headers.remove(FORWARDED);
        headers.remove(REAL_IP);
    }
    headers.remove(HOST);
    if version == Version::HTTP_2 {
        join_cookies(&mut headers);
    }
    apply(&mut headers, &options.request_headers);
    let mut set = |name: HeaderName, value: &str| {
        // Made of addresses, numbers, names and a host that was read as one.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(visitor::FOR, &visitor.by);
    set(visitor::PROTO, if visitor.https { "https" } else { "http" });
    set(visitor::HOST, &visitor.host);
    set(visitor::PORT, &visitor.port.to_string());
    set(NAME, tunnel.name.as_str());
    let prefix = by_path.then(|| format!("{PATH_PREFIX}{}", tunnel.name));
    if let Some(prefix) = &prefix {
        set(visitor::PREFIX, prefix);
    }
    if let Ok(mut id) = HeaderValue::try_from(id.to_string()) {
        // Never the same twice: HPACK is not to remember it in place of others.
        id.set_sensitive(true);
        headers.insert(REQUEST, id);
    }
    headers.append(VIA, HeaderValue::from_static("1.1 postern"));

    let target = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let target = prefix.and_then(|prefix| target.strip_prefix(&prefix)).unwrap_or(target);
    let scheme = if visitor.https { Scheme::HTTPS } else { Scheme::HTTP };
    let uri = PathAndQuery::try_from(target).map_err(http::Error::from).and_then(|target| {
        let authority = host.unwrap_or(NOWHERE);
        Uri::builder().scheme(scheme).authority(authority).path_and_query(target).build()
    });
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() =
        uri.map_err(|_| Failure::new(ErrorCode::BadRequest, "its target cannot be sent on"))?;
    *request.headers_mut() = headers;
    Ok(request.into_parts().0)
}

/// The answer's headers as the visitor gets them. Why Postern answered in the
/// local server's place stays.
pub(super) fn up(headers: &mut HeaderMap, rules: &HeaderRules) {
    strip_hop_by_hop(headers);
    strip(headers, |name| name.starts_with(HEADER_PREFIX) && name != HEADER_ERROR);
    apply(headers, rules);
}

/// Why Postern answered in the local server's place, if it did.
pub(super) fn reason(headers: &HeaderMap) -> Option<ErrorCode> {
    let code = headers.get(ERROR)?.to_str().ok()?;
    ErrorCode::ALL.iter().copied().find(|known| known.as_str() == code)
}

/// Whether the body is JSON.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"))
}

/// HTTP/2 splits them, HTTP/1.1 has one (RFC 9113, section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let cookies: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if cookies.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&cookies.join(&b"; "[..]))
    {
        headers.insert(COOKIE, joined);
    }
}

fn apply(headers: &mut HeaderMap, rules: &HeaderRules) {
    for name in &rules.remove {
        headers.remove(name.as_str());
    }
    for (name, value) in &rules.set {
        // Checked when the options were set.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    }
}

fn strip(headers: &mut HeaderMap, goes: impl Fn(&str) -> bool) {
    let gone: Vec<HeaderName> = headers.keys().filter(|name| goes(name.as_str())).cloned().collect();
    for name in gone {
        headers.remove(name);
    }
}
