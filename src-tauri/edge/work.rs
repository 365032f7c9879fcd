//! What the tray and the notifications have done, without a page that could
//! say what came of it.

use super::CurrentEdge;
use crate::live::Latest;
use crate::notifications::{Note, Screen};
use crate::tray;
use postern_edge::api::{Connection, Replay, SetPaused, SetTunnelOn};
use postern_protocol::api::tunnels::TunnelName;
use serde::Serialize;
use serde_json::Value;
use tauri::{AppHandle, Manager, Runtime};

/// Pauses, or ends the pause: what the tray's item says.
pub(crate) fn toggle_pause<R: Runtime>(app: &AppHandle<R>) {
    let Some(status) = app.state::<Latest>().status() else { return };
    let paused = !matches!(status.connection, Connection::Paused { .. });
    run(app, if paused { "Not paused" } else { "Not resumed" }, "set_paused", SetPaused { paused });
}

/// Sends an event to the forward target once more.
pub(crate) fn replay<R: Runtime>(app: &AppHandle<R>, id: String) {
    run(app, "Not replayed", "replay", Replay { id, ..Replay::default() });
}

/// Switches a public tunnel on or off.
pub(crate) fn set_tunnel_on<R: Runtime>(app: &AppHandle<R>, name: TunnelName, on: bool) {
    let failed = if on { "Tunnel not switched on" } else { "Tunnel not switched off" };
    run(app, failed, "set_tunnel_on", SetTunnelOn { name, on, take_over: None });
}

/// Runs an operation and tells when it fails.
fn run<R: Runtime>(app: &AppHandle<R>, failed: &'static str, op: &'static str, args: impl Serialize) {
    let args = serde_json::to_value(args).unwrap_or(Value::Null);
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let edge = app.state::<CurrentEdge>().inner().clone();
        if let Err(problem) = edge.call(op, args).await {
            tell(&app, failed, problem.message);
            tray::show_tunnels_again(&app);
        }
    });
}

/// Says what went wrong where there may be no window to say it in.
fn tell<R: Runtime>(app: &AppHandle<R>, summary: &str, body: String) {
    tracing::warn!(summary, %body);
    if let Some(screen) = app.try_state::<Screen>() {
        screen.show(Note { summary: summary.to_owned(), body, event: None });
    }
}
