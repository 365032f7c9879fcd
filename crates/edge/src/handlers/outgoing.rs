//! What goes out for an event: the one place where the bytes and the headers
//! that a target is sent are decided.
//!
//! They are the provider's, exactly, but for two cases, which the copy is
//! marked with (`postern-altered`, and on the run's record). A person has
//! edited it. Or it is signed anew by the local secret for its source: because
//! a person asked for it, or because otherwise the target's own verification
//! would refuse it, the event being older than it allows or edited. Where that
//! is so and there is no local secret, the run says it.

use super::headers;
use crate::api::Altered;
use crate::history::StoredPayload;
use crate::local;
use crate::secrets::LocalSecret;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use postern_protocol::signature::{CannotResign, signed_time};
use postern_protocol::{HeaderList, Provider, UnixMillis};

/// The header by which an altered copy is known: `edited`, `resigned`, or
/// `edited, resigned`.
const ALTERED: &str = "postern-altered";

/// What a person has put in the place of the event's own.
#[derive(Clone, Debug)]
pub(crate) struct Edit {
    /// The provider's headers; absent: as they came.
    pub(crate) headers: Option<HeaderList>,
    /// Absent: as it came.
    pub(crate) body: Option<Bytes>,
}

/// Whether an event is signed anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Resign {
    /// Where the target would refuse it otherwise, and there is a local secret.
    #[default]
    Needed,
    /// Without fail.
    Always,
    /// Never: it goes out as it came.
    Never,
}

/// An event as it is sent.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    pub(super) headers: HeaderMap,
    /// The host that the provider posted to, where the proxy has said it.
    pub(super) host: Option<HeaderValue>,
    pub(super) body: Bytes,
    /// What may keep the target from taking it.
    pub(super) warning: Option<String>,
    /// How it differs from what came.
    pub(super) altered: Option<Altered>,
}

/// What goes out for `event` at `now` when a rule forwards it. `secret` is the
/// local one for its source.
pub(super) async fn outgoing(event: StoredPayload, secret: Option<LocalSecret>, now: UnixMillis) -> Outgoing {
    let (outgoing, unsigned) = make(event, None, Resign::Needed, secret, now).await;
    outgoing.unsigned(unsigned)
}

/// What goes out for `event` at `now` when a person replays it.
///
/// # Errors
/// When it is to be signed anew without fail and cannot be.
pub(super) async fn replayed(
    event: StoredPayload,
    edit: Option<Edit>,
    resign: Resign,
    secret: Option<LocalSecret>,
    now: UnixMillis,
) -> Result<Outgoing, CannotResign> {
    match make(event, edit, resign, secret, now).await {
        (_, Some(why)) if resign == Resign::Always => Err(why),
        (outgoing, unsigned) => Ok(outgoing.unsigned(unsigned)),
    }
}

/// What goes out, and why it is not signed anew although it was to be.
async fn make(
    event: StoredPayload,
    edit: Option<Edit>,
    resign: Resign,
    secret: Option<LocalSecret>,
    now: UnixMillis,
) -> (Outgoing, Option<CannotResign>) {
    let edited = edit.is_some();
    let (given, body) = edit.map_or((None, None), |edit| (edit.headers, edit.body));
    let host = headers::original_host(&event.headers);
    let mut headers = match given {
        Some(given) => headers::sendable(given.iter(), &event.webhook_id),
        None => headers::restored(&event.headers, &event.webhook_id),
    };
    let mut body = body.unwrap_or(event.body);
    let mut warning = doubt(event.provider, &headers, &body, edited, now);
    let wanted = match resign {
        Resign::Always => true,
        Resign::Needed => warning.is_some(),
        Resign::Never => false,
    };
    let (mut resigned, mut unsigned) = (false, None);
    if wanted && let Some(secret) = secret {
        match local::signed_anew(headers::recorded(&headers), body.clone(), secret, now).await {
            Ok(anew) => {
                (headers, body) = (headers::map(&anew.headers), anew.body.into());
                (warning, resigned) = (None, true);
            }
            Err(why) => unsigned = Some(why),
        }
    }
    let altered = (edited || resigned).then_some(Altered { edited, resigned });
    if let Some(word) = altered.map(mark) {
        headers.insert(ALTERED, HeaderValue::from_static(word));
    }
    (Outgoing { headers, host, body, warning, altered }, unsigned)
}

/// Why the app's own verification may refuse it.
fn doubt(
    provider: Provider,
    headers: &HeaderMap,
    body: &[u8],
    edited: bool,
    now: UnixMillis,
) -> Option<String> {
    let signed = signed_time(provider, &headers::recorded(headers), body);
    match signed.map(|signed| (now.since(signed.at), signed.tolerance)) {
        Some((age, tolerance)) if age > tolerance => Some(format!(
            "the signature's time is {} old; the app's own verification may refuse it",
            span(age)
        )),
        _ => edited.then(|| "it was edited; the app's own verification may refuse it".to_owned()),
    }
}

impl Outgoing {
    fn unsigned(mut self, why: Option<CannotResign>) -> Self {
        if let (Some(warning), Some(why)) = (&mut self.warning, why) {
            warning.push_str(&format!("; it cannot be signed anew: {why}"));
        }
        self
    }
}

fn mark(altered: Altered) -> &'static str {
    match altered {
        Altered { edited: true, resigned: true } => "edited, resigned",
        Altered { edited: true, .. } => "edited",
        Altered { .. } => "resigned",
    }
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
    use postern_protocol::signature::Scheme;
    use postern_protocol::{Described, Secret};
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
            source: "main".into(),
            described: Arc::new(described),
            headers: headers.iter().copied().collect(),
            body: Bytes::from_static(body.as_bytes()),
        }
    }

    /// As rules send it.
    async fn sent(event: StoredPayload, secret: Option<&LocalSecret>, now: i64) -> Outgoing {
        outgoing(event, secret.cloned(), UnixMillis(now)).await
    }

    async fn warning(event: StoredPayload, now: i64) -> Option<String> {
        sent(event, None, now).await.warning
    }

    fn secret(scheme: Scheme) -> LocalSecret {
        LocalSecret { source: None, scheme, secret: Secret::new("local"), set_at: UnixMillis(0) }
    }

    fn linear() -> StoredPayload {
        event(Provider::Linear, &[("linear-signature", "theirs")], r#"{"webhookTimestamp":1000000}"#)
    }

    #[tokio::test]
    async fn a_stale_event_is_signed_anew_where_there_is_a_secret() {
        let secret = secret(Scheme::Linear);
        let fresh = sent(linear(), Some(&secret), 1_060_000).await;
        assert_eq!((fresh.altered, fresh.body), (None, linear().body), "one in time goes out as it came");
        assert_eq!(fresh.headers["linear-signature"], "theirs");

        let stale = sent(linear(), Some(&secret), 9_000_000).await;
        assert_eq!((stale.altered, stale.warning), (Some(Altered { edited: false, resigned: true }), None));
        assert_eq!(stale.body, r#"{"webhookTimestamp":9000000}"#);
        assert_eq!(stale.headers["postern-altered"], "resigned");
        assert_eq!(stale.headers["postern-event-id"], "evt_1");
        let signature = postern_protocol::signature::linear::sign(&secret.secret, &stale.body);
        assert_eq!(stale.headers["linear-signature"], signature);
    }

    #[tokio::test]
    async fn a_person_decides_otherwise() {
        let secret = secret(Scheme::Linear);
        let now = UnixMillis(9_000_000);
        let send = |edit, resign, secret| replayed(linear(), edit, resign, secret, now);
        let as_it_came = send(None, Resign::Never, Some(secret.clone())).await.unwrap();
        assert_eq!((as_it_came.altered, as_it_came.body), (None, linear().body));
        assert!(as_it_came.warning.is_some());

        let edit = Edit { headers: None, body: Some(Bytes::from_static(b"{}")) };
        let edited = send(Some(edit.clone()), Resign::Needed, None).await.unwrap();
        assert_eq!(edited.altered, Some(Altered { edited: true, resigned: false }));
        assert_eq!(edited.headers["postern-altered"], "edited");
        assert!(edited.warning.unwrap().starts_with("it was edited"));
        // The edited body has no time any more, which Linear signs.
        let why = send(Some(edit.clone()), Resign::Always, Some(secret.clone())).await.unwrap_err();
        assert_eq!(why, CannotResign::NoTimestamp);
        let told = send(Some(edit), Resign::Needed, Some(secret.clone())).await.unwrap().warning.unwrap();
        assert!(told.contains("cannot be signed anew"), "{told}");

        let given = [("X-New", "1"), ("connection", "x-hop"), ("x-hop", "1"), ("content-length", "9")];
        let edit = Edit { headers: Some(given.into_iter().collect()), body: None };
        let edited = send(Some(edit), Resign::Always, Some(secret)).await.unwrap();
        let mut names: Vec<_> = edited.headers.keys().map(|name| name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["linear-signature", "postern-altered", "postern-event-id", "x-new"]);
        assert_eq!(edited.headers["postern-altered"], "edited, resigned");
    }

    #[tokio::test]
    async fn an_event_too_old_for_its_receivers_is_warned_of() {
        assert_eq!(warning(linear(), 1_060_000).await, None);
        let old = warning(linear(), 1_000_000 + 3 * 3_600_000 + 5).await.unwrap();
        assert_eq!(old, "the signature's time is 3 h old; the app's own verification may refuse it");
        assert!(warning(linear(), 1_061_000).await.unwrap().contains("61 s"));
        // The proxy's own signature is fresh, and not what the app verifies.
        let headers = [("webhook-timestamp", "1000"), ("postern-original-webhook-timestamp", "1000")];
        let standard = event(Provider::StandardWebhooks, &headers, "{}");
        assert!(warning(standard, 2_000_000).await.unwrap().contains("16 min"));
        let ours = event(Provider::StandardWebhooks, &headers[..1], "{}");
        assert_eq!(warning(ours, 2_000_000).await, None);
        assert_eq!(warning(event(Provider::Github, &[], "{}"), i64::MAX / 2).await, None);
    }

    #[tokio::test]
    async fn the_providers_host_is_known_where_the_proxy_says_it() {
        let told =
            event(Provider::Github, &[("host", "127.0.0.1"), ("postern-original-host", "in.example")], "");
        assert_eq!(sent(told, None, 0).await.host.unwrap(), "in.example");
        assert_eq!(sent(event(Provider::Github, &[("host", "127.0.0.1")], ""), None, 0).await.host, None);
    }
}
