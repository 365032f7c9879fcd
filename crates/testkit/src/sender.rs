//! A provider as the proxy sees one: signs its bodies, posts them, tries
//! again until it is answered 2xx, and remembers what was.

use crate::{SystemClock, client, within};
use bytes::Bytes;
use http::StatusCode;
use postern_protocol::dedupe::{GITHUB_DELIVERY, LINEAR_DELIVERY};
use postern_protocol::signature::{github, linear};
use postern_protocol::{Clock, Provider, Secret};
use serde_json::json;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Between two tries. A provider waits minutes; a test has none.
const RETRY: Duration = Duration::from_millis(20);

/// Posts one provider's events to one source.
#[derive(Clone, Debug)]
pub struct Sender {
    provider: Provider,
    url: String,
    secret: Secret,
    client: reqwest::Client,
}

impl Sender {
    /// Linear, posting to `url` (a source's) with the webhook's secret.
    #[must_use]
    pub fn linear(url: impl Into<String>, secret: Secret) -> Self {
        Self { provider: Provider::Linear, url: url.into(), secret, client: client() }
    }

    /// GitHub, likewise.
    #[must_use]
    pub fn github(url: impl Into<String>, secret: Secret) -> Self {
        Self { provider: Provider::Github, url: url.into(), secret, client: client() }
    }

    /// The same with another secret.
    #[must_use]
    pub fn signing_with(self, secret: Secret) -> Self {
        Self { secret, ..self }
    }

    /// A delivery id that no other event has.
    #[must_use]
    pub fn new_delivery() -> String {
        let n: u128 = rand::random();
        let hex = format!("{n:032x}");
        format!("{}-{}-4{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
    }

    /// One try with a body of the sender's own making.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn post(&self, delivery: &str) -> reqwest::Result<StatusCode> {
        Ok(self.ask(delivery).await?.0)
    }

    /// The same, with the answer's body.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn ask(&self, delivery: &str) -> reqwest::Result<(StatusCode, Bytes)> {
        self.ask_body(delivery, self.body(delivery)).await
    }

    /// One try that is answered 200: the answer's `x-request-id`.
    ///
    /// # Panics
    /// When the answer is another one, or has no id.
    pub async fn request_id(&self, delivery: &str) -> String {
        let answer = self.send(delivery, self.body(delivery)).await.expect("an answer comes");
        assert_eq!(answer.status(), StatusCode::OK);
        let id = answer.headers().get("x-request-id").and_then(|id| id.to_str().ok());
        id.expect("every answer has its request's id").to_owned()
    }

    fn body(&self, delivery: &str) -> Bytes {
        let at = SystemClock.now().0;
        let body = match self.provider {
            Provider::Github => json!({
                "action": "opened",
                "number": 12,
                "pull_request": { "number": 12, "title": format!("Event {delivery}"), "html_url": "https://github.com/acme/web/pull/12" },
                "repository": { "full_name": "acme/web" },
                "sender": { "login": "ada" },
            }),
            _ => json!({
                "action": "create",
                "type": "Issue",
                "createdAt": "2026-11-22T10:00:00.000Z",
                "data": { "id": delivery, "identifier": "ENG-42", "title": format!("Event {delivery}"), "team": { "key": "ENG" } },
                "organizationId": "8a2c1d5e-3f74-4b7a-9c61-0d2e4f6a8b13",
                "webhookTimestamp": at,
                "webhookId": "000042e3-d123-4980-b49f-8e140eef9329",
            }),
        };
        body.to_string().into()
    }

    /// One try with this body, signed.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn post_body(&self, delivery: &str, body: &[u8]) -> reqwest::Result<StatusCode> {
        Ok(self.ask_body(delivery, Bytes::copy_from_slice(body)).await?.0)
    }

    /// The same, with the answer's body.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn ask_body(&self, delivery: &str, body: Bytes) -> reqwest::Result<(StatusCode, Bytes)> {
        let answer = self.send(delivery, body).await?;
        let status = answer.status();
        // Read to the end, so that the connection serves the next.
        Ok((status, answer.bytes().await?))
    }

    async fn send(&self, delivery: &str, body: Bytes) -> reqwest::Result<reqwest::Response> {
        let request = self.client.post(&self.url).header("content-type", "application/json; charset=utf-8");
        let request = match self.provider {
            Provider::Github => request
                .header("x-github-event", "pull_request")
                .header(GITHUB_DELIVERY, delivery)
                .header(github::SIGNATURE, github::sign(&self.secret, &body)),
            _ => request
                .header("linear-event", "Issue")
                .header(LINEAR_DELIVERY, delivery)
                .header(linear::SIGNATURE, linear::sign(&self.secret, &body)),
        };
        request.body(body).send().await
    }

    /// Tries until one try is answered 200, each with a fresh timestamp, as a
    /// provider's retry is.
    pub async fn deliver(&self, delivery: &str) {
        while self.post(delivery).await.ok() != Some(StatusCode::OK) {
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Sends over so many connections at once, without pause, until stopped.
    #[must_use]
    pub fn load(&self, connections: usize) -> Load {
        let accepted = Arc::new(Accepted { ids: Mutex::new(Vec::new()), count: watch::Sender::new(0) });
        let stop = CancellationToken::new();
        let mut connected = JoinSet::new();
        for _ in 0..connections {
            // A client of its own: a connection of its own.
            let sender = Self { client: client(), ..self.clone() };
            let (accepted, stop) = (Arc::clone(&accepted), stop.clone());
            connected.spawn(async move {
                while !stop.is_cancelled() {
                    let delivery = Self::new_delivery();
                    sender.deliver(&delivery).await;
                    accepted.ids.lock().unwrap_or_else(PoisonError::into_inner).push(delivery);
                    accepted.count.send_modify(|count| *count += 1);
                }
            });
        }
        Load { accepted, stop, connected }
    }
}

/// Senders at work; stopped when dropped.
#[derive(Debug)]
pub struct Load {
    accepted: Arc<Accepted>,
    stop: CancellationToken,
    connected: JoinSet<()>,
}

#[derive(Debug)]
struct Accepted {
    ids: Mutex<Vec<String>>,
    count: watch::Sender<usize>,
}

impl Load {
    /// How many events were answered 200 so far.
    #[must_use]
    pub fn count(&self) -> usize {
        *self.accepted.count.borrow()
    }

    /// Waits until so many events in all were answered 200.
    ///
    /// # Panics
    /// When they are not before the deadline.
    pub async fn reaches(&self, count: usize) {
        let mut now = self.accepted.count.subscribe();
        let reached = within(&format!("{count} accepted events"), now.wait_for(|now| *now >= count)).await;
        drop(reached.expect("the load outlives its own wait"));
    }

    /// Stops, each sender after its present event was answered 200; returns
    /// the delivery ids of all that were.
    ///
    /// # Panics
    /// When the last answers do not come before the deadline.
    pub async fn stop(mut self) -> Vec<String> {
        self.stop.cancel();
        within("the senders' last answers", async {
            while let Some(ended) = self.connected.join_next().await {
                ended.expect("a sender does not panic");
            }
        })
        .await;
        self.accepted.ids.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
