//! The load: signed bodies of 2 KiB over kept-alive connections, each
//! connection sending the next when the last is answered.

use crate::Result;
use crate::words::Dice;
use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use postern_protocol::dedupe::LINEAR_DELIVERY;
use postern_protocol::header::{
    POSTERN_PROVIDER, POSTERN_SOURCE, WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP,
};
use postern_protocol::signature::{linear, standard};
use postern_protocol::{Secret, UnixMillis};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// The secret that both ends know.
pub(crate) const SECRET: &str = "lin_whs_measured";

/// What a proxy and its worker know.
pub(crate) const WORKER_SECRET: &str = "whsec_bWVhc3VyZWQgbWVhc3VyZWQgbWVhc3VyZWQgbWVhc3U=";

/// The size of each body, in bytes.
pub(crate) const BODY: usize = 2048;

/// How many bodies there are; a load sends them in turn.
const BODIES: usize = 1024;

/// Linear's webhooks, made and signed before anything is measured.
static WEBHOOKS: LazyLock<Vec<Webhook>> = LazyLock::new(|| (0..BODIES).map(Webhook::new).collect());

/// Deliveries so far: every request has an id of its own, or it would be a
/// duplicate.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// As whom the load posts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sender {
    /// Linear, to a source.
    Linear,
    /// A proxy, to a worker: signed by Standard Webhooks, each with an id and
    /// so with a signature of its own.
    Proxy,
}

/// What a run of the load saw.
pub(crate) struct Seen {
    /// Requests answered 200.
    pub(crate) accepted: usize,
    /// How long it really took.
    pub(crate) elapsed: Duration,
    /// Each request's time to its answer, sorted, in microseconds.
    pub(crate) micros: Vec<u32>,
}

impl Seen {
    /// Accepted per second.
    pub(crate) fn rate(&self) -> f64 {
        self.accepted as f64 / self.elapsed.as_secs_f64()
    }

    /// The latency below which `share` (0–1) of the answers lay, in
    /// milliseconds.
    pub(crate) fn percentile(&self, share: f64) -> f64 {
        let index = (self.micros.len() as f64 * share) as usize;
        self.micros
            .get(index.min(self.micros.len().saturating_sub(1)))
            .map_or(f64::NAN, |&micros| f64::from(micros) / 1e3)
    }
}

/// Posts to `uri` for `length` over `connections` connections.
///
/// # Errors
/// When any request is not answered 200: a rate of refusals measures nothing.
pub(crate) async fn run(sender: Sender, uri: &Uri, connections: usize, length: Duration) -> Result<Seen> {
    let post = Arc::new(Post::new(sender, uri.clone()));
    let began = Instant::now();
    let end = began + length;
    let mut lanes = JoinSet::new();
    for _ in 0..connections {
        lanes.spawn(lane(Arc::clone(&post), end));
    }
    let mut micros = Vec::new();
    while let Some(lane) = lanes.join_next().await {
        micros.append(&mut lane??);
    }
    let elapsed = began.elapsed();
    micros.sort_unstable();
    Ok(Seen { accepted: micros.len(), elapsed, micros })
}

/// Posts `count` events to `uri`, as fast as they are accepted.
///
/// # Errors
/// When any is not answered 200.
pub(crate) async fn fill(uri: &Uri, connections: usize, count: usize) -> Result<()> {
    let post = Arc::new(Post::new(Sender::Linear, uri.clone()));
    let mut lanes = JoinSet::new();
    for lane in 0..connections {
        let post = Arc::clone(&post);
        lanes.spawn(async move {
            let mut connection = connect(&post.uri).await?;
            for _ in (lane..count).step_by(connections) {
                post.send(&mut connection).await?;
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
        });
    }
    while let Some(lane) = lanes.join_next().await {
        lane??;
    }
    Ok(())
}

async fn lane(post: Arc<Post>, end: Instant) -> Result<Vec<u32>> {
    let mut connection = connect(&post.uri).await?;
    let mut micros = Vec::new();
    loop {
        let sent = Instant::now();
        if sent >= end {
            return Ok(micros);
        }
        post.send(&mut connection).await?;
        micros.push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX));
    }
}

/// What Linear posts, but for the delivery's id.
struct Webhook {
    body: Bytes,
    signature: String,
}

impl Webhook {
    fn new(n: usize) -> Self {
        let body = body(n);
        let signature = linear::sign(&Secret::new(SECRET), &body);
        Self { body, signature }
    }
}

/// As whom, and where.
pub(crate) struct Post {
    sender: Sender,
    pub(crate) uri: Uri,
    webhooks: &'static [Webhook],
    secret: [Secret; 1],
}

impl Post {
    pub(crate) fn new(sender: Sender, uri: Uri) -> Self {
        Self { sender, uri, webhooks: &WEBHOOKS, secret: [Secret::new(WORKER_SECRET)] }
    }

    /// Posts the next one; the delivery's id.
    ///
    /// # Errors
    /// When it is not answered 200: a rate of refusals measures nothing.
    pub(crate) async fn send(&self, connection: &mut SendRequest<Full<Bytes>>) -> Result<String> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let id = format!("{:08x}-0000-4000-8000-{number:012x}", std::process::id());
        let Webhook { body, signature } = &self.webhooks[number as usize % BODIES];
        let mut request = Request::post(self.uri.path())
            .header("host", self.uri.authority().map_or("", |a| a.as_str()))
            .header("content-type", "application/json; charset=utf-8")
            .header("user-agent", "Linear-Webhook")
            .header("linear-event", "Issue")
            .header(LINEAR_DELIVERY, &id)
            .header(linear::SIGNATURE, signature);
        if let Sender::Proxy = self.sender {
            let at = now();
            request = request
                .header(WEBHOOK_ID, &id)
                .header(WEBHOOK_TIMESTAMP, at.seconds())
                .header(WEBHOOK_SIGNATURE, standard::sign(&self.secret, &id, at, body))
                .header(POSTERN_PROVIDER, "linear")
                .header(POSTERN_SOURCE, "linear");
        }
        connection.ready().await?;
        let answer = connection.send_request(request.body(Full::new(body.clone()))?).await?;
        let status = answer.status();
        let text = answer.into_body().collect().await?.to_bytes();
        if status == 200 {
            Ok(id)
        } else {
            Err(format!("answered {status}: {}", String::from_utf8_lossy(&text)).into())
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "signatures are of the time at which they are made")]
pub(crate) fn now() -> UnixMillis {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A connection to `uri`'s host, driven in the background.
///
/// # Errors
/// When there is none to be had.
pub(crate) async fn connect(uri: &Uri) -> Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(uri.authority().ok_or("the URL has no host")?.as_str()).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// The `n`th issue's update, of [`BODY`] bytes: what there is to say of it is as
/// long as it takes.
fn body(n: usize) -> Bytes {
    let mut dice = Dice::new(n);
    let number = 1 + dice.below(9_000);
    let team = ["ENG", "OPS", "WEB", "DATA"][dice.low(4)];
    let who = dice.below(6);
    let person = ["Ada", "Grace", "Edsger", "Barbara", "Ken", "Radia"][who];
    let state = [("Todo", "unstarted"), ("In Progress", "started"), ("Done", "completed")][dice.below(3)];
    let (title, priority) = (dice.words(5), dice.below(5));
    let make = |description: &str| {
        serde_json::json!({
            "action": "update", "type": "Issue", "createdAt": "2026-11-22T09:30:00.000Z",
            "organizationId": "9e3d8c1a-6f0b-4a57-8d0e-0a3f6e1c2b4d",
            "webhookId": "0f5d0c5b-5a35-4e0c-9d0b-0f9a3d8f1c77", "webhookTimestamp": 1_795_340_000_000_u64,
            "actor": { "id": format!("5c7a1b62-64cf-4c0e-a6a7-{who:012x}"), "name": person, "type": "user" },
            "url": format!("https://linear.app/acme/issue/{team}-{number}"),
            "data": {
                "id": format!("2174add1-f7c8-44e3-bbf3-{number:012x}"), "identifier": format!("{team}-{number}"),
                "number": number, "title": title, "description": description, "priority": priority,
                "state": { "name": state.0, "type": state.1 }, "team": { "key": team, "name": team },
            },
            "updatedFrom": { "updatedAt": "2026-11-22T09:29:00.000Z" },
        })
        .to_string()
    };
    // A word has two letters at least.
    let mut description = dice.words(BODY / 3);
    description.truncate(BODY.saturating_sub(make("").len()));
    Bytes::from(make(&description))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn bodies_are_as_long_as_is_said_each_its_own_and_the_same_each_time() {
        let bodies: HashSet<Bytes> = (0..BODIES).map(body).collect();
        assert_eq!(bodies.len(), BODIES);
        assert!(bodies.iter().all(|body| body.len() == BODY));
        assert_eq!(body(7), body(7));
    }
}
