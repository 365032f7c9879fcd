//! The proxy under load: its own program with its defaults, Linear sources, and
//! workers, in this process, that want everything. For a paused one every event
//! makes a delivery that nobody sends; another tells when each arrived.

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
use std::path::{Path, PathBuf};
use std::time::Instant;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

/// The defaults, but for the limit on a source's rate, which is what is
/// measured, on registrations, and the lease, which nobody renews.
const CONFIG: &str = "\
[limits]
source_rate = 0
[registration]
allow_loopback = true
lease_seconds = 86400
rate_per_minute = 100000
[log]
level = \"error\"
";

/// Deliveries are sent while they are committed.
pub(crate) const EARLY: &str = "\
[delivery]
early_dispatch = true
";

/// How long a lease renewal waits for the challenge between looks.
const LOOK: std::time::Duration = std::time::Duration::from_millis(20);

/// What arrived, by its delivery id, and when.
pub(crate) type Arrivals = mpsc::UnboundedReceiver<(String, Instant)>;

/// A worker in this process.
#[derive(Clone)]
pub(crate) struct Worker {
    arrived: Option<mpsc::UnboundedSender<(String, Instant)>>,
}

impl Worker {
    /// One that is registered and gets nothing.
    pub(crate) fn paused() -> Self {
        Self { arrived: None }
    }

    /// One that answers 200 and tells what arrived; its copies tell the same.
    pub(crate) fn active() -> (Self, Arrivals) {
        let (arrived, arrivals) = mpsc::unbounded_channel();
        (Self { arrived: Some(arrived) }, arrivals)
    }
}

/// A running proxy.
pub(crate) struct Proxy {
    home: PathBuf,
    pub(crate) process: Process,
    /// Where it listens.
    pub(crate) url: Uri,
}

/// A workspace with a Linear source, and a token for its workers.
pub(crate) struct Workspace {
    pub(crate) token: String,
    source: String,
}

/// A worker that a proxy knows.
pub(crate) struct Registered {
    lease: String,
    credential: String,
    serving: AbortHandle,
}

/// Starts one on free ports with its store in `home` and these settings, and one
/// worker; the URL of its source.
///
/// # Errors
/// When it does not start, or does not do as it is told.
pub(crate) async fn start(home: &Path, settings: &str, worker: Worker) -> Result<(Process, Uri)> {
    let (proxy, workspaces) = Proxy::start(home, settings, 1).await?;
    let paused = worker.arrived.is_none();
    let registered = proxy.register(&workspaces[0], worker).await?;
    if paused {
        proxy.pause(&registered, true).await?;
    }
    let hook = proxy.hook(&workspaces[0])?;
    Ok((proxy.process, hook))
}

impl Proxy {
    /// Starts one on free ports with its store in `home` and these settings, and
    /// makes so many workspaces.
    ///
    /// # Errors
    /// When it does not start, or does not do as it is told.
    pub(crate) async fn start(
        home: &Path,
        settings: &str,
        workspaces: usize,
    ) -> Result<(Self, Vec<Workspace>)> {
        std::fs::write(home.join("proxy.toml"), [CONFIG, settings].concat())?;
        let mut made = Vec::new();
        for number in 0..workspaces {
            let name = format!("bench-{number}");
            ask(command(home, &["workspace", "create", &name])?).await?;
            let token = ask(command(home, &["token", "create", "bench", "--workspace", &name])?).await?;
            let source = ["source", "create", "linear", "--provider", "linear", "--workspace", &name];
            let source =
                ask(command(home, &[&source[..], &["--secret-env", "BENCH_SECRET"]].concat())?).await?;
            made.push(Workspace {
                token: text(&token, "token")?.to_owned(),
                source: text(&source, "id")?.to_owned(),
            });
        }
        let (process, url) = serve(home).await?;
        Ok((Self { home: home.to_owned(), process, url }, made))
    }

    /// Kills it and starts it again; when that was. Returns once it listens.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) async fn restart(&mut self) -> Result<Instant> {
        self.process.kill().await?;
        let began = Instant::now();
        (self.process, self.url) = serve(&self.home).await?;
        Ok(began)
    }

    /// Where a workspace's source takes webhooks.
    ///
    /// # Errors
    /// None with the ids that a proxy gives.
    pub(crate) fn hook(&self, workspace: &Workspace) -> Result<Uri> {
        Ok(format!("{}hooks/{}", self.url, workspace.source).parse()?)
    }

    /// Pauses a worker, or lets it go on.
    ///
    /// # Errors
    /// When the proxy does not do so.
    pub(crate) async fn pause(&self, worker: &Registered, paused: bool) -> Result<()> {
        let wanted = if paused { "paused" } else { "active" };
        let said = json!({ "paused": paused });
        let answer = call(&self.url, &worker.lease, Some(&worker.credential), &said).await?;
        if answer["state"] == wanted { Ok(()) } else { Err(format!("not {wanted}: {answer}").into()) }
    }
}

impl Registered {
    /// From now on nothing listens at its address.
    pub(crate) fn die(&self) {
        self.serving.abort();
    }
}

async fn serve(home: &Path) -> Result<(Process, Uri)> {
    let listen = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let mut process = Process::start(command(home, &listen)?)?;
    let bound: Value = serde_json::from_str(&process.line().await?)?;
    Ok((process, text(&bound, "proxyUrl")?.parse()?))
}

fn command(home: &Path, args: &[&str]) -> Result<Command> {
    let mut command = Command::new(beside("postern-proxy")?);
    command.arg("--json").arg("--config").arg(home.join("proxy.toml"));
    command.arg("--data-dir").arg(home.join("data")).args(args).env("BENCH_SECRET", SECRET);
    Ok(command)
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

impl Proxy {
    /// Registers a worker and proves it.
    ///
    /// # Errors
    /// When the proxy refuses it.
    pub(crate) async fn register(&self, workspace: &Workspace, worker: Worker) -> Result<Registered> {
        let (secret, known) = watch::channel(None::<Secret>);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}/", listener.local_addr()?);
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
        let app = axum::Router::new().route("/", post(answer));
        let serving = tokio::spawn(axum::serve(listener, app).into_future()).abort_handle();

        let wanted = json!({
            "webhookUrl": url, "token": workspace.token, "name": url,
            "protocolVersion": postern_protocol::PROTOCOL_VERSION,
        });
        let worker = call(&self.url, "/edge/register", None, &wanted).await?;
        secret.send_replace(Some(Secret::new(text(&worker, "secret")?)));
        let lease = format!("/edge/workers/{}/lease", text(&worker, "workerId")?);
        let credential = text(&worker, "credential")?.to_owned();
        while call(&self.url, &lease, Some(&credential), &json!({})).await?["state"] != "active" {
            tokio::time::sleep(LOOK).await;
        }
        Ok(Registered { lease, credential, serving })
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
