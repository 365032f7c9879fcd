//! The tray icon: how things stand, the latest events, the tunnels, open, pause,
//! quit.
//!
//! A desktop without a tray is no failure: where the library behind it is
//! missing the icon is not built; where nothing hosts it, it is not seen.

#[cfg(target_os = "linux")]
mod appindicator;
mod host;
mod latest;
mod tunnels;
mod words;

pub(crate) use host::hosted;

use crate::{edge, quit, window};
use latest::Latest;
use postern_edge::api::Status;
use std::sync::{Mutex, PoisonError};
use tauri::menu::{Menu, MenuItem, PredefinedMenuItem};
use tauri::tray::{TrayIcon, TrayIconBuilder};
use tauri::{AppHandle, Manager, Runtime};
use tunnels::Tunnels;
use words::Words;

const OPEN: &str = "open";
const PAUSE: &str = "pause";
const QUIT: &str = "quit";

/// Where in the menu the latest events begin.
const EVENTS: usize = 2;

/// The icon and those of its menu items that change.
struct Tray<R: Runtime> {
    icon: TrayIcon<R>,
    state: MenuItem<R>,
    pause: MenuItem<R>,
    shown: Mutex<Option<Words>>,
}

/// Builds the tray icon, where this machine can have one. On the main thread.
///
/// # Errors
/// When the icon or its menu cannot be made.
pub(crate) fn build<R: Runtime>(app: &AppHandle<R>) -> tauri::Result<()> {
    #[cfg(target_os = "linux")]
    if !appindicator::loadable() {
        tracing::info!("no tray icon: libayatana-appindicator3 is not installed");
        return Ok(());
    }
    let state = MenuItem::new(app, words::STARTING, false, None::<&str>)?;
    let pause = MenuItem::with_id(app, PAUSE, words::PAUSE, false, None::<&str>)?;
    let tunnels = Tunnels::new(app)?;
    let menu = Menu::with_items(
        app,
        &[
            &state,
            &PredefinedMenuItem::separator(app)?,
            // The latest events come here: `EVENTS`.
            &PredefinedMenuItem::separator(app)?,
            tunnels.menu(),
            &MenuItem::with_id(app, OPEN, "Open Postern", true, None::<&str>)?,
            &pause,
            &PredefinedMenuItem::separator(app)?,
            &MenuItem::with_id(app, QUIT, "Quit", true, None::<&str>)?,
        ],
    )?;
    #[cfg(target_os = "macos")]
    let image = tauri::include_image!("icons/tray-template.png");
    #[cfg(not(target_os = "macos"))]
    let image = tauri::include_image!("icons/tray.png");
    let mut builder = TrayIconBuilder::with_id("postern")
        .icon(image)
        .icon_as_template(cfg!(target_os = "macos"))
        .tooltip("Postern")
        .menu(&menu)
        .on_menu_event(|app, event| chosen(app, event.id().as_ref()));
    // The icon goes to the session's own folder, where no other user can put
    // a file in its place.
    if let Ok(runtime) = app.path().runtime_dir() {
        builder = builder.temp_dir_path(runtime.join("postern"));
    }
    let icon = builder.build(app)?;
    app.manage(Latest::new(app, menu, EVENTS)?);
    app.manage(tunnels);
    app.manage(latest::Look::default());
    latest::follow(app);
    app.manage(Tray { icon, state, pause, shown: Mutex::new(None) });
    Ok(())
}

/// Whether there is an icon. Whether anybody sees it is [`hosted`].
pub(crate) fn is_built<R: Runtime>(app: &AppHandle<R>) -> bool {
    app.try_state::<Tray<R>>().is_some()
}

/// Brings the tray up to date with the edge. Each change crosses to the main
/// thread, so only what differs does.
pub(crate) fn show_status<R: Runtime>(app: &AppHandle<R>, status: &Status) {
    let Some(tray) = app.try_state::<Tray<R>>() else { return };
    tunnels::show(app, &status.tunnels);
    let words = Words::of(status);
    let mut shown = tray.shown.lock().unwrap_or_else(PoisonError::into_inner);
    if shown.as_ref() == Some(&words) {
        return;
    }
    match tray.show(&words) {
        Ok(()) => *shown = Some(words),
        Err(problem) => tracing::warn!(%problem, "the tray's menu is behind"),
    }
}

impl<R: Runtime> Tray<R> {
    fn show(&self, words: &Words) -> tauri::Result<()> {
        self.state.set_text(&words.state)?;
        self.icon.set_tooltip(Some(format!("Postern · {}", words.state)))?;
        self.pause.set_text(words.pause)?;
        self.pause.set_enabled(words.can_pause)
    }
}

/// Has the tunnels' items show what is, where an item that was pressed shows what
/// was to be.
pub(crate) fn show_tunnels_again<R: Runtime>(app: &AppHandle<R>) {
    if is_built(app) {
        tunnels::show_again(app);
    }
}

/// Has the menu show events that are new to it.
pub(crate) fn show_events<R: Runtime>(app: &AppHandle<R>) {
    latest::look(app);
}

fn chosen<R: Runtime>(app: &AppHandle<R>, item: &str) {
    if let Some(event) = latest::event_of(item) {
        return window::show_event(app, Some(event.to_owned()));
    }
    if let Some(name) = tunnels::tunnel_of(item) {
        return tunnels::toggle(app, name);
    }
    match item {
        OPEN => window::show(app),
        PAUSE => edge::toggle_pause(app),
        QUIT => quit::quit(app),
        other => tracing::warn!(item = other, "a menu item nobody knows"),
    }
}
