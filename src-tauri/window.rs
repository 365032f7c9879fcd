//! The window.

use crate::download;
use crate::link::{Next, Place};
use tauri::plugin::TauriPlugin;
use tauri::webview::{NewWindowResponse, WebviewWindowBuilder};
use tauri::{AppHandle, Emitter, Manager, Runtime, Url, WebviewWindow, Wry};
use tauri_plugin_window_state::StateFlags;

/// The one window's label; the capability file names it too.
pub(crate) const LABEL: &str = "main";

/// The event that tells the page that there is a place to go to ([`Next`]).
pub(crate) const NAVIGATE: &str = "postern://navigate";

/// Whether there is a display to open a window on.
///
/// # Errors
/// With what is missing, and what to do.
pub(crate) fn system_present() -> Result<(), String> {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if cfg!(target_os = "linux") && !set("DISPLAY") && !set("WAYLAND_DISPLAY") {
        return Err("there is no display (neither DISPLAY nor WAYLAND_DISPLAY is set); \
            `postern serve` runs without one and serves the same interface to a browser"
            .to_owned());
    }
    Ok(())
}

/// Remembers where the window was and how large; not that it was hidden.
pub(crate) fn remember_state() -> TauriPlugin<Wry> {
    tauri_plugin_window_state::Builder::default()
        .with_state_flags(StateFlags::all() - StateFlags::VISIBLE)
        .build()
}

/// Opens the window as `tauri.conf.json` describes it, or makes it and keeps
/// it out of sight. It shows the app's own page and no other.
///
/// # Errors
/// When the system's web view does not start.
pub(crate) fn open<R: Runtime>(app: &AppHandle<R>, visible: bool) -> tauri::Result<()> {
    let Some(config) = app.config().app.windows.iter().find(|window| window.label == LABEL) else {
        return Err(tauri::Error::WindowNotFound);
    };
    let own = app.config().build.dev_url.clone();
    let window = WebviewWindowBuilder::from_config(app, config)?
        .visible(visible)
        .on_navigation(move |url| is_own(url, own.as_ref()))
        .on_new_window(|_, _| NewWindowResponse::Deny)
        .on_download(download::handle)
        .build()?;
    light_painting(&window)
}

/// Whether a page is the app's: its own scheme or, while developing, the
/// development server.
fn is_own(url: &Url, dev: Option<&Url>) -> bool {
    match url.scheme() {
        "tauri" => true,
        // What the page has made and saves as a file.
        "blob" => Url::parse(url.path()).is_ok_and(|of| of.scheme() != "blob" && is_own(&of, dev)),
        "http" | "https" if url.host_str() == Some("tauri.localhost") => true,
        _ => tauri::is_dev() && dev.is_some_and(|dev| dev.origin() == url.origin()),
    }
}

/// WebKitGTK paints each step of a smooth scroll anew; a dense list lags. And
/// without a graphics card it puts its layers together by programs for one,
/// which takes longer than to paint: an event is seen three times as late.
fn light_painting<R: Runtime>(window: &WebviewWindow<R>) -> tauri::Result<()> {
    #[cfg(target_os = "linux")]
    window.with_webview(|view| {
        use webkit2gtk::{HardwareAccelerationPolicy, SettingsExt, WebViewExt};
        if let Some(settings) = view.inner().settings() {
            settings.set_enable_smooth_scrolling(false);
            if !has_graphics_card() {
                settings.set_hardware_acceleration_policy(HardwareAccelerationPolicy::Never);
            }
        }
    })?;
    let _ = window;
    Ok(())
}

/// Whether the system offers one that renders.
#[cfg(target_os = "linux")]
fn has_graphics_card() -> bool {
    let Ok(devices) = std::fs::read_dir("/dev/dri") else { return false };
    devices.flatten().any(|device| device.file_name().to_string_lossy().starts_with("renderD"))
}

/// Brings the window to the front, from wherever it was.
pub(crate) fn show<R: Runtime>(app: &AppHandle<R>) {
    let Some(window) = app.webview_windows().into_values().next() else { return };
    let shown = window.show().and_then(|()| window.unminimize()).and_then(|()| window.set_focus());
    if let Err(problem) = shown {
        tracing::warn!(%problem, "the window could not be shown");
    }
}

/// Brings the window to the front, with this event in it if there is one.
pub(crate) fn show_event<R: Runtime>(app: &AppHandle<R>, event: Option<String>) {
    match event {
        Some(id) => go(app, Place::Event(id)),
        None => show(app),
    }
}

/// Brings the window to the front and has its page go to a place.
pub(crate) fn go<R: Runtime>(app: &AppHandle<R>, place: Place) {
    app.state::<Next>().set(place);
    show(app);
    if let Err(problem) = app.emit_to(LABEL, NAVIGATE, ()) {
        tracing::warn!(%problem, "the page was not told where to go");
    }
}

/// Whether the user is looking at the window.
pub(crate) fn in_front<R: Runtime>(app: &AppHandle<R>) -> bool {
    app.get_webview_window(LABEL).is_some_and(|window| window.is_focused().unwrap_or(false))
}

/// Takes the window away; the tray brings it back.
pub(crate) fn hide<R: Runtime>(app: &AppHandle<R>) -> tauri::Result<()> {
    app.get_webview_window(LABEL).map_or(Ok(()), |window| window.hide())
}

/// Ends the window, for good.
pub(crate) fn take_away<R: Runtime>(app: &AppHandle<R>) -> tauri::Result<()> {
    app.get_webview_window(LABEL).map_or(Ok(()), |window| window.destroy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_stays_on_the_apps_own_page() {
        let own = |url: &str| is_own(&url.parse().unwrap(), None);
        assert!(own("tauri://localhost/index.html"));
        assert!(own("http://tauri.localhost/"));
        assert!(own("blob:tauri://localhost/0d8f1c1e-5a7b-4c55-9d3a-6f1f4d0f8a11"));
        assert!(!own("blob:https://linear.app/0d8f1c1e-5a7b-4c55-9d3a-6f1f4d0f8a11"));
        assert!(!own("blob:blob:tauri://localhost/x"));
        assert!(!own("blob:null/x"));
        assert!(!own("https://linear.app/acme/issue/ENG-42"));
        assert!(!own("http://localhost:3000/"));
        assert!(!own("file:///etc/passwd"));
        assert!(!own("data:text/html,hello"));
    }
}
