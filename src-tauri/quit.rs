//! How the app ends: always by draining its edge first. Another program's,
//! which it is attached to, goes on.

use crate::edge::CurrentEdge;
use crate::{failure, tray, window};
use std::sync::atomic::{AtomicBool, Ordering};
use tauri::{AppHandle, Manager, Runtime};

/// Set once quitting has begun.
static QUITTING: AtomicBool = AtomicBool::new(false);

/// Stops the edge, waits for it, and ends the app. Once is enough. The window
/// goes at once, and whoever starts the app again gets a new one.
pub(crate) fn quit<R: Runtime>(app: &AppHandle<R>) {
    if QUITTING.swap(true, Ordering::AcqRel) {
        return;
    }
    tauri_plugin_single_instance::destroy(app);
    if let Err(problem) = window::hide(app) {
        tracing::debug!(%problem, "the window stays until the end");
    }
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        if let Some(edge) = app.try_state::<CurrentEdge>() {
            edge.stop().await;
        }
        app.exit(if failure::is_shown(&app) { failure::EXIT_CODE } else { 0 });
    });
}

/// The window's close button: with a tray icon that somebody shows, the
/// window goes and the work goes on; without one, closing is quitting.
pub(crate) fn on_close<R: Runtime>(app: &AppHandle<R>) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let in_tray = tray::is_built(&app) && tray::hosted().await;
        if !in_tray || window::hide(&app).is_err() {
            quit(&app);
        }
    });
}

/// Ending the session, Ctrl-C and `kill` quit like the menu does.
pub(crate) fn on_signals<R: Runtime>(app: &AppHandle<R>) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        match asked_to_end().await {
            Ok(()) => quit(&app),
            Err(problem) => tracing::warn!(%problem, "signals end the app without draining"),
        }
    });
}

#[cfg(unix)]
async fn asked_to_end() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = terminate.recv() => (),
        _ = interrupt.recv() => (),
        _ = hang_up.recv() => (),
    }
    Ok(())
}

#[cfg(not(unix))]
async fn asked_to_end() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
