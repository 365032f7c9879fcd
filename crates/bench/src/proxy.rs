//! The proxy under load: its own program with its defaults, a Linear source,
//! and one worker, in this process, that wants everything. Paused, every event
//! makes a delivery that nobody sends; otherwise it tells when each arrived.

use crate::load::{SECRET, connect};
use crate::process::Process;
use crate::{Result, beside};
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, Request, Uri};
use http_body_util::{BodyExt, Full};
use postern_protocol::Secret;
use postern_protocol::api::{Challenge, ChallengeAnswer};
use postern_protocol::dedupe::LINEAR_DELIVERY;
use postern_protocol::header::POSTERN_KIND;
use postern_protocol::signature::standard;
use postern_protocol::time::UnixMillis;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Instant;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::{mpsc, watch};

/// The defaults, but for the limit on a source's rate, which is what is
/// measured, and the lease, which nobody renews.
const CONFIG: &str = "\
[limits]
source_rate = 0
[registration]
allow_loopback = true
lease_seconds = 86400
[log]
level = \"warn\"
";

/// How long a lease renewal waits for the challenge between looks.
const LOOK: std::time::Duration = std::time::Duration::from_millis(20);

/// What arrived, by its delivery id, and when.
pub(crate) type Arrivals = mpsc::UnboundedReceiver<(String, Instant)>;

/// The worker.
pub(crate) struct Worker {
    arrived: Option<mpsc::UnboundedSender<(String, Instant)>>,
}

impl Worker {
    /// One that is registered and gets nothing.
    pub(crate) fn paused() -> Self {
        Self { arrived: None }
    }

    /// One that answers 200 and tells what arrived.
    pub(crate) fn active() -> (Self, Arrivals) {
        let (arrived, arrivals) = mpsc::unbounded_channel();
        (Self { arrived: Some(arrived) }, arrivals)
    }
}

/// Starts it on free ports with its store in `home`; the URL of its source.
///
/// # Errors
/// When it does not start, or does not do as it is told.
pub(crate) async fn start(home: &Path, worker: Worker) -> Result<(Process, Uri)> {
    let binary = beside("postern-proxy")?;
    let config = home.join("proxy.toml");
    std::fs::write(&config, CONFIG)?;
    let command = |args: &[&str]| {
        let mut command = Command::new(&binary);
        command
            .arg("--json")
            .arg("--config")
            .arg(&config)
            .arg("--data-dir")
            .arg(home.join("data"))
            .args(args);
        command.env("BENCH_SECRET", SECRET);
        command
    };
    ask(command(&["workspace", "create", "Bench"])).await?;
    let token = ask(command(&["token", "create", "bench"])).await?;
    let source = ["source", "create", "linear", "--provider", "linear", "--secret-env", "BENCH_SECRET"];
    let source = ask(command(&source)).await?;

    let mut process =
        Process::start(command(&["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]))?;
    let bound: Value = serde_json::from_str(&process.line().await?)?;
    let url = text(&bound, "proxyUrl")?;
    register(&url.parse()?, text(&token, "token")?, worker).await?;
    Ok((process, format!("{url}/hooks/{}", text(&source, "id")?).parse()?))
}

/// Runs a command to its end; its JSON answer.
async fn ask(mut command: Command) -> Result<Value> {
    let output = command.output().await?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

pub(crate) fn text<'v>(value: &'v Value, key: &str) -> Result<&'v str> {
    Ok(value[key].as_str().ok_or_else(|| format!("the proxy's answer has no {key}"))?)
}

/// Registers the worker at `proxy`, proves it, and pauses it if it is to be.
async fn register(proxy: &Uri, token: &str, worker: Worker) -> Result<()> {
    let (secret, known) = watch::channel(None::<Secret>);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let url = format!("http://{}/", listener.local_addr()?);
    let pause = worker.arrived.is_none();
    let answer = async move |headers: HeaderMap, body: Bytes| {
        if headers.get(POSTERN_KIND).is_none() {
            let id = headers.get(LINEAR_DELIVERY).and_then(|id| id.to_str().ok());
            if let (Some(arrived), Some(id)) = (&worker.arrived, id) {
                // Nobody listens any more: the measurement is over.
                let _ = arrived.send((id.to_owned(), Instant::now()));
            }
            return String::new();
        }
        let mut known = known.clone();
        let secret = known.wait_for(Option::is_some).await.ok().and_then(|secret| secret.clone());
        let asked =
            serde_json::from_slice::<Challenge>(&body).map(|asked| asked.challenge).unwrap_or_default();
        let answer = standard::sign(secret.as_slice(), "challenge", UnixMillis(0), asked.as_bytes());
        serde_json::to_string(&ChallengeAnswer { answer }).unwrap_or_default()
    };
    tokio::spawn(axum::serve(listener, axum::Router::new().route("/", post(answer))).into_future());

    let wanted = json!({
        "webhookUrl": url, "token": token, "name": "bench", "protocolVersion": postern_protocol::PROTOCOL_VERSION,
    });
    let worker = call(proxy, "/edge/register", None, &wanted).await?;
    secret.send_replace(Some(Secret::new(text(&worker, "secret")?)));
    let lease = format!("/edge/workers/{}/lease", text(&worker, "workerId")?);
    let credential = text(&worker, "credential")?;
    while call(proxy, &lease, Some(credential), &json!({})).await?["state"] != "active" {
        tokio::time::sleep(LOOK).await;
    }
    if !pause {
        return Ok(());
    }
    let paused = call(proxy, &lease, Some(credential), &json!({ "paused": true })).await?;
    if paused["state"] == "paused" {
        Ok(())
    } else {
        Err(format!("the worker is not paused: {paused}").into())
    }
}

/// One JSON call.
async fn call(base: &Uri, path: &str, credential: Option<&str>, body: &Value) -> Result<Value> {
    let mut request = Request::post(path)
        .header("host", base.authority().map_or("", |a| a.as_str()))
        .header("content-type", "application/json");
    if let Some(credential) = credential {
        request = request.header("authorization", format!("Bearer {credential}"));
    }
    let request = request.body(Full::new(Bytes::from(body.to_string())))?;
    let answer = connect(base).await?.send_request(request).await?;
    let status = answer.status();
    let bytes = answer.into_body().collect().await?.to_bytes();
    if status != 200 {
        return Err(format!("{path} answered {status}: {}", String::from_utf8_lossy(&bytes)).into());
    }
    Ok(serde_json::from_slice(&bytes)?)
}
