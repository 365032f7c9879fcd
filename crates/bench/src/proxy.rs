//! The proxy under load: its own program with its defaults, a Linear source,
//! and one worker that wants everything but is paused, so that every event
//! makes a delivery that nobody sends.

use crate::load::{SECRET, connect};
use crate::process::Process;
use crate::{Result, beside};
use axum::Json;
use axum::routing::post;
use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::{BodyExt, Full};
use postern_protocol::Secret;
use postern_protocol::api::{Challenge, ChallengeAnswer};
use postern_protocol::signature::standard;
use postern_protocol::time::UnixMillis;
use serde_json::{Value, json};
use std::path::Path;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::watch;

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

/// Starts it on free ports with its store in `home`; the URL of its source.
///
/// # Errors
/// When it does not start, or does not do as it is told.
pub(crate) async fn start(home: &Path) -> Result<(Process, Uri)> {
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
    paused_worker(&url.parse()?, text(&token, "token")?).await?;
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

fn text<'v>(value: &'v Value, key: &str) -> Result<&'v str> {
    Ok(value[key].as_str().ok_or_else(|| format!("the proxy's answer has no {key}"))?)
}

/// Registers a worker at `proxy`, proves it, and pauses it.
async fn paused_worker(proxy: &Uri, token: &str) -> Result<()> {
    let (secret, known) = watch::channel(None::<Secret>);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let url = format!("http://{}/", listener.local_addr()?);
    let answer = async move |Json(asked): Json<Challenge>| {
        let mut known = known.clone();
        let secret = known.wait_for(Option::is_some).await.ok().and_then(|secret| secret.clone());
        let secrets = secret.as_slice();
        Json(ChallengeAnswer {
            answer: standard::sign(secrets, "challenge", UnixMillis(0), asked.challenge.as_bytes()),
        })
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
