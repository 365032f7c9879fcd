//! The worker under load: `postern serve`, registered at a proxy that does
//! nothing but say yes, so that the load can sign as that proxy.

use crate::load::WORKER_SECRET;
use crate::process::Process;
use crate::{Result, beside, proxy::text};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::Uri;
use postern_protocol::id::{WorkerId, WorkspaceId};
use serde_json::{Value, json};
use std::path::Path;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::mpsc::{self, UnboundedReceiver};

const LEASE_SECONDS: u32 = 86_400;

/// Starts it with its history in `home`; the URL of its receiver.
///
/// # Errors
/// When it does not start, or does not register.
pub(crate) async fn start(home: &Path) -> Result<(Process, Uri)> {
    let (process, url) = start_on(home, TcpListener::bind(("127.0.0.1", 0)).await?).await?;
    Ok((process, url.await?))
}

/// The same, with the proxy on this listener; the receiver's URL when the worker
/// registers.
///
/// # Errors
/// When it does not start.
pub(crate) async fn start_on(
    home: &Path,
    listener: TcpListener,
) -> Result<(Process, impl Future<Output = Result<Uri>>)> {
    let proxy = format!("http://{}", listener.local_addr()?);
    let mut registrations = say_yes(listener, Router::new());

    let mut command = Command::new(beside("postern")?);
    command.args(["--json", "serve", "--ui-port", "0"]).stderr(std::process::Stdio::null());
    command.env("HOME", home).env("POSTERN_DATA_DIR", home.join("data"));
    command.env("POSTERN_PROXY", proxy).env("POSTERN_TOKEN", "pst_measured");
    command.env_remove("DBUS_SESSION_BUS_ADDRESS");
    let mut process = Process::start(command)?;
    loop {
        let line: Value = serde_json::from_str(&process.line().await?)?;
        if line["connection"]["state"] == "live" {
            break;
        }
    }
    Ok((process, async move { receiver(&mut registrations).await }))
}

/// The address at which the next worker that registers wants its deliveries.
///
/// # Errors
/// When it names none.
pub(crate) async fn receiver(registrations: &mut UnboundedReceiver<Value>) -> Result<Uri> {
    let registration = registrations.recv().await.ok_or("the worker did not register")?;
    Ok(text(&registration, "webhookUrl")?.parse()?)
}

/// A proxy on this listener that does nothing but say yes, beside other
/// routes; what workers register with.
pub(crate) fn say_yes(listener: TcpListener, others: Router) -> UnboundedReceiver<Value> {
    let (worker, workspace_id) = (WorkerId::from_bytes([1; 16]), WorkspaceId::from_bytes([1; 16]));
    let (registered, registrations) = mpsc::unbounded_channel();
    let register = async move |Json(request): Json<Value>| {
        let _ = registered.send(request);
        Json(json!({
            "workerId": worker, "credential": "psw_measured", "secret": WORKER_SECRET,
            "leaseSeconds": LEASE_SECONDS, "workspace": { "id": workspace_id, "name": "Bench" },
            "waiting": { "count": 0, "oldest": null }, "state": "active",
        }))
    };
    let lease = async || {
        Json(json!({
            "leaseSeconds": LEASE_SECONDS, "state": "active", "waiting": { "count": 0, "oldest": null },
            "now": 0, "challengeError": null, "lastTransportError": null,
        }))
    };
    let workspace = async move || Json(json!({ "id": workspace_id, "name": "Bench" }));
    let app = others
        .route("/v1/workspace", get(workspace))
        .route("/edge/register", post(register))
        .route("/edge/workers/{id}/lease", post(lease));
    tokio::spawn(axum::serve(listener, app).into_future());
    registrations
}
