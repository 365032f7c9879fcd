//! What goes out for an event: the one place where the bytes and the headers
//! that a target is sent are decided.
//!
//! They are the provider's, exactly. Where the time that the provider signed
//! has grown too old for a receiver that checks it (the event was held, or is
//! replayed), that is said with the run.

use super::headers;
use crate::history::StoredPayload;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use postern_protocol::UnixMillis;
use postern_protocol::signature::signed_time;

/// An event as it is sent.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    pub(super) headers: HeaderMap,
    /// The host that the provider posted to, where the proxy has said it.
    pub(super) host: Option<HeaderValue>,
    pub(super) body: Bytes,
    /// What may keep the target from taking it.
    pub(super) warning: Option<String>,
}

/// What goes out for `event` at `now`.
pub(super) fn outgoing(event: StoredPayload, now: UnixMillis) -> Outgoing {
    let headers = headers::restored(&event.headers, &event.webhook_id);
    let warning = stale(&event, &headers, now);
    Outgoing { host: headers::original_host(&event.headers), headers, body: event.body, warning }
}

fn stale(event: &StoredPayload, headers: &HeaderMap, now: UnixMillis) -> Option<String> {
    let signed = signed_time(event.provider, &headers::recorded(headers), &event.body)?;
    let age = now.since(signed.at);
    (age > signed.tolerance).then(|| {
        format!("the signature's time is {} old; the app's own verification may refuse it", span(age))
    })
}

/// `90 s`, `12 min`, `3 h`, `4 d`: whole units, rounded down.
fn span(millis: i64) -> String {
    match millis / 1000 {
        s @ ..120 => format!("{s} s"),
        s @ 120..7_200 => format!("{} min", s / 60),
        s @ 7_200..172_800 => format!("{} h", s / 3_600),
        s => format!("{} d", s / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postern_protocol::{Described, Provider};
    use std::sync::Arc;

    fn event(provider: Provider, headers: &[(&str, &str)], body: &'static str) -> StoredPayload {
        let described = Described {
            event_type: "Issue".into(),
            action: None,
            entity: None,
            subject: String::new(),
            detail: String::new(),
        };
        StoredPayload {
            id: 1,
            webhook_id: "evt_1".into(),
            provider,
            described: Arc::new(described),
            headers: headers.iter().copied().collect(),
            body: Bytes::from_static(body.as_bytes()),
        }
    }

    fn warning(event: StoredPayload, now: i64) -> Option<String> {
        outgoing(event, UnixMillis(now)).warning
    }

    #[test]
    fn an_event_too_old_for_its_receivers_is_warned_of() {
        let linear = || event(Provider::Linear, &[], r#"{"webhookTimestamp":1000000}"#);
        assert_eq!(warning(linear(), 1_060_000), None);
        let old = warning(linear(), 1_000_000 + 3 * 3_600_000 + 5).unwrap();
        assert_eq!(old, "the signature's time is 3 h old; the app's own verification may refuse it");
        assert!(warning(linear(), 1_061_000).unwrap().contains("61 s"));
        // The proxy's own signature is fresh, and not what the app verifies.
        let headers = [("webhook-timestamp", "1000"), ("postern-original-webhook-timestamp", "1000")];
        let standard = event(Provider::StandardWebhooks, &headers, "{}");
        assert!(warning(standard, 2_000_000).unwrap().contains("16 min"));
        let ours = event(Provider::StandardWebhooks, &headers[..1], "{}");
        assert_eq!(warning(ours, 2_000_000), None);
        assert_eq!(warning(event(Provider::Github, &[], "{}"), i64::MAX / 2), None);
    }

    #[test]
    fn the_providers_host_is_known_where_the_proxy_says_it() {
        let told =
            event(Provider::Github, &[("host", "127.0.0.1"), ("postern-original-host", "in.example")], "");
        assert_eq!(outgoing(told, UnixMillis(0)).host.unwrap(), "in.example");
        assert_eq!(outgoing(event(Provider::Github, &[("host", "127.0.0.1")], ""), UnixMillis(0)).host, None);
    }
}
