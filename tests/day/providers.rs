//! Linear and GitHub as the proxy sees them: they post, repeat the same post
//! until it is answered 200, and enter what was into the ledger.

use crate::ledger::{Entry, Ledger};
use bytes::Bytes;
use http::StatusCode;
use postern_protocol::signature::{github, linear};
use postern_protocol::{Clock, Provider, Secret};
use postern_testkit::{Sender, SystemClock, client, within};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Between two tries. A provider waits minutes; a test has none.
const RETRY: Duration = Duration::from_millis(20);

/// One provider's webhook.
#[derive(Clone)]
pub(crate) struct Poster {
    provider: Provider,
    url: String,
    secret: Secret,
    ledger: Arc<Ledger>,
    client: reqwest::Client,
}

/// What is posted, the same at each try.
pub(crate) struct Webhook {
    delivery: String,
    about: usize,
    body: Bytes,
}

impl Poster {
    pub(crate) fn new(provider: Provider, url: String, secret: &Secret, ledger: &Arc<Ledger>) -> Self {
        Self { provider, url, secret: secret.clone(), ledger: Arc::clone(ledger), client: client() }
    }

    /// The same provider, signing with another secret.
    pub(crate) fn with(&self, secret: &Secret) -> Self {
        Self { secret: secret.clone(), ..self.clone() }
    }

    /// Something happened to this issue, or pull request.
    pub(crate) fn webhook(&self, about: usize) -> Webhook {
        let delivery = Sender::new_delivery();
        let title = format!("Change {delivery}");
        let body = if self.provider == Provider::Github {
            json!({
                "action": "edited", "number": about,
                "pull_request": { "number": about, "title": title, "html_url": "https://github.com/acme/web/pull/1" },
                "repository": { "full_name": "acme/web" }, "sender": { "login": "ada" },
            })
        } else {
            json!({
                "action": "update", "type": "Issue", "organizationId": "o", "webhookTimestamp": SystemClock.now().0,
                "data": { "id": format!("issue-{about}"), "identifier": format!("ENG-{about}"), "title": title },
            })
        };
        // As a person would space it: a parse and a rewrite would change it.
        Webhook { delivery, about, body: serde_json::to_string_pretty(&body).unwrap().into() }
    }

    /// One try; enters what came of it. The id, where it was accepted.
    pub(crate) async fn tries(&self, webhook: &Webhook) -> Result<String, Refusal> {
        let request = self.client.post(&self.url).header("content-type", "application/json");
        let request = if self.provider == Provider::Github {
            request
                .header("x-github-event", "pull_request")
                .header("x-github-delivery", &webhook.delivery)
                .header("x-hub-signature-256", github::sign(&self.secret, &webhook.body))
        } else {
            request
                .header("linear-event", "Issue")
                .header("linear-delivery", &webhook.delivery)
                .header("linear-signature", linear::sign(&self.secret, &webhook.body))
        };
        let answer = request.body(webhook.body.clone()).send().await.map_err(|_| Refusal::silence())?;
        let (status, retry_after) = (answer.status(), answer.headers().contains_key("retry-after"));
        let body = answer.bytes().await.map_err(|_| Refusal::silence())?;
        let said: Value = serde_json::from_slice(&body).unwrap();
        if status == StatusCode::OK {
            let id = said["eventId"].as_str().unwrap().to_owned();
            let (delivery, body) = (webhook.delivery.clone(), webhook.body.clone());
            let entry =
                Entry { id: id.clone(), provider: self.provider, about: webhook.about, delivery, body };
            self.ledger.accepted(entry, said["duplicate"] == true);
            return Ok(id);
        }
        let code = said["error"]["code"].as_str().unwrap().to_owned();
        self.ledger.refused(&code);
        Err(Refusal { status: Some(status), code, retry_after })
    }

    /// Posts until a post is refused with this status; what it was, and why.
    pub(crate) async fn is_refused(&self, status: StatusCode) -> (Webhook, Refusal) {
        within(&format!("a refusal with {status}"), async {
            loop {
                let webhook = self.webhook(1);
                match self.tries(&webhook).await {
                    Err(refusal) if refusal.status == Some(status) => return (webhook, refusal),
                    Ok(_) | Err(_) => {}
                }
            }
        })
        .await
    }

    /// Repeats it until it is accepted.
    pub(crate) async fn insists(&self, webhook: &Webhook) -> String {
        loop {
            match self.tries(webhook).await {
                Ok(id) => return id,
                Err(_) => tokio::time::sleep(RETRY).await,
            }
        }
    }

    /// An event, accepted at whichever try.
    pub(crate) async fn posts(&self, about: usize) -> String {
        within("an event to be accepted", self.insists(&self.webhook(about))).await
    }

    /// Events over so many connections at once, without pause, until stopped.
    pub(crate) fn floods(&self, connections: usize) -> Flood {
        let (count, stop) = (Arc::new(watch::Sender::new(0)), CancellationToken::new());
        let mut connected = JoinSet::new();
        for _ in 0..connections {
            // A client of its own: a connection of its own.
            let poster = Self { client: client(), ..self.clone() };
            let (count, stop) = (Arc::clone(&count), stop.clone());
            connected.spawn(async move {
                let mut about = 0;
                while !stop.is_cancelled() {
                    about = (about + 1) % 5;
                    poster.insists(&poster.webhook(about)).await;
                    count.send_modify(|count| *count += 1);
                }
            });
        }
        Flood { count, stop, connected }
    }
}

/// Why a post was not accepted.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// Absent: no answer came.
    pub(crate) status: Option<StatusCode>,
    pub(crate) code: String,
    /// Whether it said when to come again.
    pub(crate) retry_after: bool,
}

impl Refusal {
    fn silence() -> Self {
        Self { status: None, code: String::new(), retry_after: false }
    }
}

/// A provider that posts and posts.
pub(crate) struct Flood {
    count: Arc<watch::Sender<usize>>,
    stop: CancellationToken,
    connected: JoinSet<()>,
}

impl Flood {
    /// Waits until so many more were accepted.
    pub(crate) async fn brings(&self, more: usize) {
        let mut now = self.count.subscribe();
        let wanted = *now.borrow() + more;
        drop(within(&format!("{more} more events"), now.wait_for(|now| *now >= wanted)).await.unwrap());
    }

    /// Stops, each connection after its present event was accepted.
    pub(crate) async fn ends(mut self) {
        self.stop.cancel();
        within("the last events to be accepted", async {
            while let Some(ended) = self.connected.join_next().await {
                ended.unwrap();
            }
        })
        .await;
    }
}
