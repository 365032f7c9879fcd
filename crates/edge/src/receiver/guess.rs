//! What is probably wrong with a request whose signature does not hold, for
//! the person who sees it among the refused ones. Never told to the sender,
//! and never a verdict.

use crate::large::on_body;
use bytes::Bytes;
use postern_protocol::signature::{Failure, Guess, Scheme, guess};
use postern_protocol::{HeaderList, Secret};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The least time between two guesses that look at a body: each is worth
/// milliseconds, and strangers can ask for it.
const APART: Duration = Duration::from_millis(200);

/// Makes guesses, and not too many.
#[derive(Default)]
pub(super) struct Guesses(Mutex<Option<Instant>>);

impl Guesses {
    /// Of a request that no secret signed as it came.
    pub(super) async fn of_body(
        &self,
        failure: &Failure,
        secrets: Vec<Secret>,
        headers: HeaderList,
        body: Bytes,
    ) -> Option<String> {
        if !self.may(Instant::now()) {
            return None;
        }
        let (failure, size) = (failure.clone(), body.len());
        let work = move || guess(&Scheme::StandardWebhooks, &failure, &secrets, &headers, &body);
        on_body(size, work).await.map(|guess| words(&guess))
    }

    fn may(&self, now: Instant) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let may = last.is_none_or(|last| now.duration_since(last) >= APART);
        if may {
            *last = Some(now);
        }
        may
    }
}

/// Of a request that has not the headers of a delivery.
pub(super) fn of_headers(failure: &Failure, headers: &HeaderList) -> Option<String> {
    guess(&Scheme::StandardWebhooks, failure, &[], headers, &[]).map(|guess| words(&guess))
}

fn words(guess: &Guess) -> String {
    match guess {
        Guess::OtherScheme { provider, header } => format!(
            "`{header}` looks like {}: a provider posts to its source's address at the proxy, not to a worker",
            Guess::signature_of(*provider)
        ),
        Guess::Rewritten { .. } => guess.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postern_protocol::UnixMillis;
    use postern_protocol::signature::standard;

    #[test]
    fn a_providers_signature_is_known_by_its_header() {
        let missing = Failure::MissingHeader { header: "webhook-id".into() };
        let of = |name: &str, value: &str| of_headers(&missing, &[(name, value)].into_iter().collect());
        let github = of("x-hub-signature-256", "sha256=00").unwrap();
        assert!(github.starts_with("`x-hub-signature-256` looks like a GitHub signature: "), "{github}");
        assert_eq!(of("content-type", "application/json"), None);
    }

    #[tokio::test]
    async fn a_body_rewritten_on_its_way_is_known() {
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let signature = standard::sign(std::slice::from_ref(&secret), "evt_1", UnixMillis(0), b"{\"a\":1}");
        let headers: HeaderList =
            [("webhook-id", "evt_1"), ("webhook-timestamp", "0"), ("webhook-signature", &*signature)]
                .into_iter()
                .collect();
        let body = Bytes::from_static(b"{ \"a\": 1 }");
        let failure = standard::verify(std::slice::from_ref(&secret), &headers, &body, None).unwrap_err();
        let guess = Guesses::default().of_body(&failure, vec![secret], headers, body).await.unwrap();
        assert!(guess.contains("rewritten on its way"), "{guess}");
    }

    #[test]
    fn bodies_are_looked_at_now_and_then() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        assert!(guesses.may(now));
        assert!(!guesses.may(now + APART / 2));
        assert!(guesses.may(now + APART));
        assert!(!guesses.may(now + APART));
    }
}
