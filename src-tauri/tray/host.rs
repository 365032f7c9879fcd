//! Whether anybody shows our tray icon. Closing the window hides it only
//! then: a hidden window without an icon would be lost.

/// On Linux a StatusNotifier host (a panel) must be registered on the session
/// bus.
#[cfg(target_os = "linux")]
pub(crate) async fn hosted() -> bool {
    watcher_has_host().await.unwrap_or_else(|problem| {
        tracing::debug!(%problem, "no tray host");
        false
    })
}

#[cfg(target_os = "linux")]
async fn watcher_has_host() -> zbus::Result<bool> {
    let bus = zbus::Connection::session().await?;
    let watcher = zbus::Proxy::new(
        &bus,
        "org.kde.StatusNotifierWatcher",
        "/StatusNotifierWatcher",
        "org.kde.StatusNotifierWatcher",
    )
    .await?;
    watcher.get_property("IsStatusNotifierHostRegistered").await
}

/// macOS and Windows always have their menu bar and notification area.
#[cfg(not(target_os = "linux"))]
pub(crate) async fn hosted() -> bool {
    true
}
