//! Starting when the user logs in, where they want that. The app then stays
//! out of sight as long as a tray shows its icon.

use crate::{tray, window};
use std::time::Duration;
use tauri::plugin::TauriPlugin;
use tauri::{AppHandle, Manager, Runtime};
use tauri_plugin_autostart::AutoLaunchManager;

/// Says that it was the login that started the app.
pub(crate) const BACKGROUND: &str = "--background";

/// How long after the login the tray may take to come up.
const TRAY: Duration = Duration::from_secs(10);
/// How often it is asked for.
const ASK_AGAIN: Duration = Duration::from_millis(250);

/// The system's way of starting programs at login: a file in
/// `~/.config/autostart` on Linux, a launch agent on macOS, a value of the
/// registry's `Run` on Windows.
pub(crate) fn plugin<R: Runtime>() -> TauriPlugin<R> {
    tauri_plugin_autostart::Builder::new().app_name("Postern").arg(BACKGROUND).build()
}

/// Whether the app starts at login; unknown where the system does not say.
pub(crate) fn is_on<R: Runtime>(app: &AppHandle<R>) -> Option<bool> {
    let manager = app.try_state::<AutoLaunchManager>()?;
    manager.is_enabled().inspect_err(|problem| tracing::warn!(%problem, "start at login")).ok()
}

/// Starts the app at login from now on, or no longer.
///
/// # Errors
/// In the system's words.
pub(crate) fn set<R: Runtime>(app: &AppHandle<R>, on: bool) -> Result<(), String> {
    let manager = app.try_state::<AutoLaunchManager>().ok_or("this system cannot start it")?;
    let done = if on { manager.enable() } else { manager.disable() };
    done.map_err(|problem| problem.to_string())
}

/// Whether it was the login that started the app.
pub(crate) fn started_it() -> bool {
    std::env::args_os().any(|argument| argument == BACKGROUND)
}

/// Opens the window after all, where no tray comes up to show the icon.
pub(crate) fn show_without_tray<R: Runtime>(app: &AppHandle<R>) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let hosted = async {
            while !tray::hosted().await {
                tokio::time::sleep(ASK_AGAIN).await;
            }
        };
        if !tray::is_built(&app) || tokio::time::timeout(TRAY, hosted).await.is_err() {
            window::show(&app);
        }
    });
}
