//! Why an event is believed, in words.

use crate::api::{Check, EventSummary, Verification};
use postern_protocol::signature::standard::TOLERANCE_MS;
use postern_protocol::{Provider, UnixMillis};

/// What was checked before the event was stored; all of it held, or it would
/// not be here.
pub(super) fn verification(event: &EventSummary, signed_at: UnixMillis, secret: i64) -> Verification {
    let age = event.stored_at.since(signed_at) as f64 / 1000.0;
    let signed = if age < 0.0 {
        format!("signed {:.1} s ahead of this machine's clock, {} s allowed", -age, TOLERANCE_MS / 1000)
    } else {
        format!("signed {age:.1} s before it arrived, {} s allowed", TOLERANCE_MS / 1000)
    };
    let key = if secret == 0 { "the current secret" } else { "the previous secret, in its grace period" };
    let check = |name: &str, passed, reason: String| Check { name: name.into(), passed, reason };
    Verification {
        checks: vec![
            check(
                "The proxy's signature",
                Some(true),
                format!("HMAC-SHA256 over {} bytes by {key}", event.size),
            ),
            check("Timestamp", Some(true), signed),
            check("First arrival", Some(true), "this id was not seen here before".into()),
            match event.provider {
                Provider::None => check(
                    "The provider's signature",
                    None,
                    format!("the source {} signs nothing", event.source),
                ),
                Provider::Postern => {
                    check("The provider's signature", None, "the proxy made this event itself".into())
                }
                _ if event.synthetic => check(
                    "The provider's signature",
                    Some(true),
                    "made by trigger and signed by the proxy as the provider would".into(),
                ),
                provider => check(
                    "The provider's signature",
                    Some(true),
                    format!("the proxy verified it by the scheme of {provider} before it stored the event"),
                ),
            },
        ],
    }
}
