//! A panel that shows tray icons, as far as programs can tell: it owns the
//! name of the watcher and takes whatever icon registers. For the desktop
//! tests; it runs until it is killed.

#![expect(missing_docs, reason = "zbus's macro makes methods that have none")]

use zbus::interface;
use zbus::object_server::SignalEmitter;

/// `org.kde.StatusNotifierWatcher`, with a host that is always there.
struct Watcher {
    items: Vec<String>,
}

#[interface(name = "org.kde.StatusNotifierWatcher")]
impl Watcher {
    async fn register_status_notifier_item(
        &mut self,
        service: &str,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> zbus::fdo::Result<()> {
        self.items.push(service.to_owned());
        Ok(Self::status_notifier_item_registered(&emitter, service).await?)
    }

    fn register_status_notifier_host(&self, _service: &str) {}

    #[zbus(signal)]
    async fn status_notifier_item_registered(emitter: &SignalEmitter<'_>, service: &str) -> zbus::Result<()>;

    #[zbus(property)]
    fn registered_status_notifier_items(&self) -> Vec<String> {
        self.items.clone()
    }

    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        true
    }

    #[zbus(property)]
    fn protocol_version(&self) -> i32 {
        0
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> zbus::Result<()> {
    let _bus = zbus::connection::Builder::session()?
        .serve_at("/StatusNotifierWatcher", Watcher { items: Vec::new() })?
        .name("org.kde.StatusNotifierWatcher")?
        .build()
        .await?;
    std::future::pending().await
}
