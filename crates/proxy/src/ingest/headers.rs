//! Which of a webhook's headers are kept: all, in order, repeated and raw, but
//! those that speak of one connection (RFC 9110, section 7.6.1) and those that
//! carry credentials for us.

use http::{HeaderMap, header};
use postern_protocol::HeaderList;

const DROPPED: [&str; 12] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "authorization",
    "cookie",
    "expect",
];

/// The headers that are kept.
pub(crate) fn kept(headers: &HeaderMap) -> HeaderList {
    let named: Vec<String> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .filter(|(name, _)| !DROPPED.contains(name) && !named.iter().any(|n| n == name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn keeps_all_but_what_ends_here() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x-a", b"1".as_slice()),
            ("authorization", b"Bearer secret"),
            ("x-a", b"2"),
            ("cookie", b"c=1"),
            ("connection", b"keep-alive, X-Hop"),
            ("x-hop", b"gone"),
            ("transfer-encoding", b"chunked"),
            ("x-raw", b"\x80\xff"),
            ("proxy-authorization", b"secret"),
            ("host", b"proxy.example"),
        ] {
            headers.append(name, HeaderValue::from_bytes(value).unwrap());
        }
        let list = kept(&headers);
        let found: Vec<_> = list.iter().collect();
        let expected: [(&str, &[u8]); 4] =
            [("x-a", b"1"), ("x-a", b"2"), ("x-raw", b"\x80\xff"), ("host", b"proxy.example")];
        assert_eq!(found, expected);
    }
}
