//! The headers a forwarded event carries: the provider's, exactly.
//!
//! The proxy's own (`webhook-*`, `postern-*`) are taken off, and originals
//! that had to travel under another name get theirs back, so that a provider's
//! own verification passes at the target. `postern-event-id` is added, for a
//! target that wants to tell a repetition.

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue};
use postern_protocol::HeaderList;
use postern_protocol::header::{POSTERN_ORIGINAL_PREFIX, WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP};

/// The header we add to every copy.
pub(super) const EVENT_ID: &str = "postern-event-id";

/// Headers of one connection, not of the message (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The provider's own headers, as far as they can be sent once more.
pub(crate) fn original(delivered: &HeaderList) -> HeaderList {
    let mut headers = restored(delivered, "");
    headers.remove(EVENT_ID);
    recorded(&headers)
}

/// What is sent to the target: order and repetitions are kept.
pub(super) fn restored(delivered: &HeaderList, webhook_id: &str) -> HeaderMap {
    let theirs =
        delivered.iter().filter_map(|(name, value)| match name.strip_prefix(POSTERN_ORIGINAL_PREFIX) {
            Some(original) => Some((original, value)),
            None => (!ours(name)).then_some((name, value)),
        });
    sendable(theirs, webhook_id)
}

/// Of a provider's headers those that can be sent, and the event's id.
pub(super) fn sendable<'h>(
    theirs: impl Iterator<Item = (&'h str, &'h [u8])> + Clone,
    webhook_id: &str,
) -> HeaderMap {
    let named: Vec<String> = theirs
        .clone()
        .filter(|(name, _)| *name == CONNECTION.as_str())
        .flat_map(|(_, value)| {
            String::from_utf8_lossy(value)
                .to_ascii_lowercase()
                .split(',')
                .map(|n| n.trim().to_owned())
                .collect::<Vec<_>>()
        })
        .collect();
    let mut headers = HeaderMap::new();
    for (name, value) in theirs {
        let of_the_connection = is_of_the_connection(name) || named.iter().any(|n| n == name);
        // Host is the target's, the length is the body's.
        if of_the_connection || name == HOST.as_str() || name == CONTENT_LENGTH.as_str() {
            continue;
        }
        append(&mut headers, name, value);
    }
    if let Ok(id) = HeaderValue::from_str(webhook_id) {
        headers.insert(EVENT_ID, id);
    }
    headers
}

/// Headers as a request has them.
pub(super) fn map(list: &HeaderList) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(list.len());
    list.iter().for_each(|(name, value)| append(&mut headers, name, value));
    headers
}

fn append(headers: &mut HeaderMap, name: &str, value: &[u8]) {
    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_bytes(value)) {
        headers.append(name, value);
    }
}

/// The host that the provider posted to, as the proxy hands it on.
pub(super) fn original_host(delivered: &HeaderList) -> Option<HeaderValue> {
    let original = |name: &str| name.strip_prefix(POSTERN_ORIGINAL_PREFIX) == Some(HOST.as_str());
    let (_, value) = delivered.iter().find(|(name, _)| original(name))?;
    HeaderValue::from_bytes(value).ok()
}

/// Whether a header speaks of one connection, not of the message.
pub(super) fn is_of_the_connection(name: &str) -> bool {
    HOP_BY_HOP.contains(&name)
}

fn ours(name: &str) -> bool {
    name.starts_with("postern-") || [WEBHOOK_ID, WEBHOOK_TIMESTAMP, WEBHOOK_SIGNATURE].contains(&name)
}

/// An answer's headers, for the record.
pub(super) fn recorded(headers: &HeaderMap) -> HeaderList {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_sees_what_the_provider_sent() {
        let delivered: HeaderList = [
            ("host", "127.0.0.1:9"),
            ("content-length", "2"),
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("linear-event", "Issue"),
            ("x-twice", "a"),
            ("x-twice", "b"),
            ("webhook-id", "evt_1"),
            ("webhook-timestamp", "1"),
            ("webhook-signature", "v1,x"),
            ("postern-event", "Issue.create"),
            ("postern-original-webhook-id", "msg_theirs"),
            ("postern-original-postern-event", "theirs"),
            ("postern-original-transfer-encoding", "chunked"),
        ]
        .into_iter()
        .collect();
        let headers = restored(&delivered, "evt_1");
        let sent: Vec<_> = headers.iter().map(|(n, v)| (n.as_str(), v.to_str().unwrap())).collect();
        assert_eq!(
            sent,
            [
                ("linear-event", "Issue"),
                ("x-twice", "a"),
                ("x-twice", "b"),
                ("webhook-id", "msg_theirs"),
                ("postern-event", "theirs"),
                ("postern-event-id", "evt_1"),
            ]
        );
    }

    #[test]
    fn values_that_are_no_text_pass() {
        let delivered: HeaderList = [("x-bytes", b"\xff\xfe".as_slice())].into_iter().collect();
        assert_eq!(restored(&delivered, "evt_1")["x-bytes"].as_bytes(), b"\xff\xfe");
    }
}
