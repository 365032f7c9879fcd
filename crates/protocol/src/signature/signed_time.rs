//! The time that a provider signed, read without a secret: what an app that
//! verifies the event will judge its age by. It proves nothing.

use super::{linear, slack, standard, stripe, timestamped};
use crate::header::WEBHOOK_TIMESTAMP;
use crate::time::UnixMillis;
use crate::{HeaderList, Provider};

/// A signed time, and how far from it receivers accept the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedTime {
    /// When the provider says it signed.
    pub at: UnixMillis,
    /// What the provider's own libraries allow, in milliseconds.
    pub tolerance: i64,
}

/// When `provider` signed an event with these headers, its own, and this body.
/// `None` where its scheme signs no time, or none can be read.
#[must_use]
pub fn signed_time(provider: Provider, headers: &HeaderList, body: &[u8]) -> Option<SignedTime> {
    let seconds = |text: &str| text.parse::<i64>().ok()?.checked_mul(1000).map(UnixMillis);
    let (at, tolerance) = match provider {
        Provider::Linear => (linear::signed_at(body).ok()?, linear::TOLERANCE_MS),
        Provider::Stripe => {
            (seconds(timestamped::time(headers.get(stripe::SIGNATURE)?)?)?, stripe::TOLERANCE_MS)
        }
        Provider::Slack => (seconds(headers.get(slack::TIMESTAMP)?)?, slack::TOLERANCE_MS),
        Provider::StandardWebhooks => (seconds(headers.get(WEBHOOK_TIMESTAMP)?)?, standard::TOLERANCE_MS),
        // The header's prefix is the source's own, known to the proxy alone.
        Provider::Timestamped => {
            let named = headers.iter().filter(|(name, _)| name.ends_with("-signature"));
            let mut times =
                named.filter_map(|(_, value)| timestamped::time(std::str::from_utf8(value).ok()?));
            (seconds(times.next()?)?, timestamped::TOLERANCE_MS)
        }
        Provider::Github | Provider::Hmac | Provider::None | Provider::Postern => return None,
    };
    Some(SignedTime { at, tolerance })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(provider: Provider, header: (&str, &str), body: &str) -> Option<(i64, i64)> {
        let headers = [header].into_iter().collect();
        signed_time(provider, &headers, body.as_bytes()).map(|time| (time.at.0, time.tolerance))
    }

    #[test]
    fn each_scheme_has_its_place_for_the_time() {
        let body = r#"{"webhookTimestamp":1700000000123}"#;
        assert_eq!(
            time(Provider::Linear, ("linear-timestamp", "5"), body),
            Some((1_700_000_000_123, 60_000))
        );
        let header = ("stripe-signature", "v1=aa, t=1700000000,v0=b");
        assert_eq!(time(Provider::Stripe, header, ""), Some((1_700_000_000_000, 300_000)));
        let header = ("x-acme-signature", "t=1700000000,v1=aa");
        assert_eq!(time(Provider::Timestamped, header, ""), Some((1_700_000_000_000, 300_000)));
        let header = ("x-slack-request-timestamp", "1700000000");
        assert_eq!(time(Provider::Slack, header, ""), Some((1_700_000_000_000, 300_000)));
        let header = ("webhook-timestamp", "1700000000");
        assert_eq!(time(Provider::StandardWebhooks, header, ""), Some((1_700_000_000_000, 300_000)));
    }

    #[test]
    fn what_has_no_time_that_can_be_read_has_none() {
        assert_eq!(time(Provider::Github, ("webhook-timestamp", "1700000000"), "{}"), None);
        assert_eq!(time(Provider::Linear, ("webhook-timestamp", "1700000000"), "{}"), None);
        assert_eq!(time(Provider::Linear, ("x", ""), r#"{"webhookTimestamp":"soon"}"#), None);
        for value in ["", "v1=aa", "t=", "t=soon", "t=99999999999999999"] {
            assert_eq!(time(Provider::Stripe, ("stripe-signature", value), ""), None, "{value}");
        }
    }
}
