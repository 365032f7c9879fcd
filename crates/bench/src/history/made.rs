//! The history itself: made by a worker that takes signed deliveries, some of
//! which it forwards, and found again by the next run.

use super::made_up::{self, MadeUp};
use crate::load::{WORKER_SECRET, connect, now};
use crate::options::Options;
use crate::process::Process;
use crate::{Result, beside, worker};
use axum::routing::post;
use bytes::Bytes;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use postern_edge::Running;
use postern_edge::attach::Client;
use postern_protocol::Secret;
use postern_protocol::header::{
    POSTERN_PROVIDER, POSTERN_SOURCE, WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP,
};
use postern_protocol::signature::standard;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// How often it is looked whether the worker is done with what came.
const LOOK: Duration = Duration::from_millis(500);
/// Looks without any progress before it is given up.
const PATIENCE: usize = 240;

/// A worker with a history of so many events, which is made where it is not
/// there yet.
///
/// # Errors
/// When it cannot be made, or the worker does not start.
pub(super) async fn worker(events: usize, options: &Options) -> Result<(Process, Client)> {
    let home = folder(events)?;
    let port =
        std::fs::read_to_string(home.join("made")).ok().and_then(|port| port.trim().parse::<u16>().ok());
    let Some(port) = port else {
        if home.exists() {
            std::fs::remove_dir_all(&home)?;
        }
        std::fs::create_dir_all(&home)?;
        return make(&home, events, options).await;
    };
    // It knows its workspace by the proxy's address.
    let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(|e| {
        format!(
            "port {port}, by which {} knows its proxy: {e}; remove the folder to make it anew",
            home.display()
        )
    })?;
    let (process, _) = worker::start_on(&home, listener).await?;
    let client = attach(&home).await?;
    Ok((process, client))
}

/// Beside the tables.
fn folder(events: usize) -> Result<PathBuf> {
    let programs = beside("postern")?;
    let target = programs.parent().and_then(Path::parent).ok_or("the programs lie in no build folder")?;
    Ok(target.join("bench").join(format!("history-{events}")))
}

async fn attach(home: &Path) -> Result<Client> {
    let data = home.join("data");
    let running = Running::find(&data)?.ok_or("the worker has ended")?;
    Ok(Client::attach(&data, running).await?.ok_or("the worker has ended")?)
}

async fn make(home: &Path, events: usize, options: &Options) -> Result<(Process, Client)> {
    println!("bench: making a history of {events} events in {} (once)", home.display());
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let port = listener.local_addr()?.port();
    let (process, uri) = worker::start_on(home, listener).await?;
    let client = attach(home).await?;
    // What comes from GitHub is forwarded; one in ten is refused.
    let target = target().await?;
    let rule = json!({ "name": "app", "enabled": true, "filter": ["github:*"], "action": { "type": "forward", "url": target } });
    let version = client.call("rules", json!({})).await?["version"].clone();
    client.call("set_rules", json!({ "version": version, "rules": [rule] })).await?;
    post_all(&uri.await?, events, options.connections.into()).await?;
    wait(&client, events).await?;
    std::fs::write(home.join("made"), port.to_string())?;
    Ok((process, client))
}

/// A server that refuses one in ten.
async fn target() -> Result<String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let url = format!("http://{}/", listener.local_addr()?);
    let number = Arc::new(AtomicUsize::new(0));
    let answer = async move || match number.fetch_add(1, Ordering::Relaxed) % 10 {
        0 => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::OK,
    };
    tokio::spawn(axum::serve(listener, axum::Router::new().route("/", post(answer))).into_future());
    Ok(url)
}

async fn post_all(uri: &Uri, events: usize, connections: usize) -> Result<()> {
    let mut lanes = JoinSet::new();
    let done = Arc::new(AtomicUsize::new(0));
    for lane in 0..connections {
        let (uri, done) = (uri.clone(), Arc::clone(&done));
        lanes.spawn(async move {
            let secret = [Secret::new(WORKER_SECRET)];
            let mut connection = connect(&uri).await?;
            for n in (lane..events).step_by(connections) {
                let at = now();
                let MadeUp { provider, header, body } = made_up::event(n, at.0);
                let id = format!("evt_{n:026}");
                let request = Request::post(uri.path())
                    .header("host", uri.authority().map_or("", |authority| authority.as_str()))
                    .header("content-type", "application/json")
                    .header(header.0, header.1)
                    .header(WEBHOOK_ID, &id)
                    .header(WEBHOOK_TIMESTAMP, at.seconds())
                    .header(WEBHOOK_SIGNATURE, standard::sign(&secret, &id, at, body.as_bytes()))
                    .header(POSTERN_PROVIDER, provider.as_str())
                    .header(POSTERN_SOURCE, provider.as_str())
                    .body(Full::new(Bytes::from(body)))?;
                connection.ready().await?;
                let answer = connection.send_request(request).await?;
                let status = answer.status();
                answer.into_body().collect().await?;
                if status != 200 {
                    return Err(format!("the worker answered {status}").into());
                }
                let made = done.fetch_add(1, Ordering::Relaxed) + 1;
                if made.is_multiple_of(50_000) {
                    println!("bench: {made} of {events}");
                }
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
        });
    }
    while let Some(lane) = lanes.join_next().await {
        lane??;
    }
    Ok(())
}

/// Waits until all is handled and found by a search.
async fn wait(client: &Client, events: usize) -> Result<()> {
    let mut last = (u64::MAX, 0);
    let mut patience = PATIENCE;
    let rarest = (0..events).step_by(made_up::RARE).map(made_up::rare_word).collect::<Vec<_>>();
    let mut indexed = 0;
    while patience > 0 {
        let running =
            client.call("events", json!({ "outcome": "running", "limit": 1 })).await?["total"].as_u64();
        while let Some(word) = rarest.get(indexed) {
            let found = client.call("events", json!({ "search": word, "limit": 1 })).await?;
            if found["rows"].as_array().is_none_or(Vec::is_empty) {
                break;
            }
            indexed += 1;
        }
        if running == Some(0) && indexed == rarest.len() {
            return Ok(());
        }
        let now = (running.unwrap_or_default(), indexed);
        patience = if now == last { patience - 1 } else { PATIENCE };
        last = now;
        println!("bench: {} wait to be forwarded, {} of {} words are found", now.0, indexed, rarest.len());
        tokio::time::sleep(LOOK).await;
    }
    Err("the worker does not get on with what came".into())
}
