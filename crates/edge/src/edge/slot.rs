//! A profile's slot, made and set to work.

use super::Place;
use crate::EdgeConfig;
use crate::api::http::Access;
use crate::api::{Connection, Settings, Tunnel};
use crate::canary;
use crate::claims;
use crate::handlers::{Forwarder, Forwarding, Listeners};
use crate::history::History;
use crate::inspector::Inspector;
use crate::local_proxy::LocalProxy;
use crate::ports::OwnPorts;
use crate::profiles::Profiles;
use crate::proxy_client::Clients;
use crate::registration::Registration;
use crate::state::{Account, Shared};
use crate::tunnel::{self, WayOut};
use crate::tunnels::Exchanges;
use axum::Router;
use std::sync::Arc;
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What all slots have in common.
pub(super) struct Common {
    pub(super) config: EdgeConfig,
    pub(super) history: History,
    pub(super) inspector: Arc<Inspector>,
    pub(super) proxies: Clients,
    pub(super) forwarder: Arc<Forwarder>,
    pub(super) place: Arc<Place>,
    pub(super) way_out: Arc<WayOut>,
    pub(super) api_url: Option<String>,
    pub(super) own_ports: OwnPorts,
    pub(super) access: Arc<Access>,
    pub(super) settings: Arc<watch::Sender<Settings>>,
    pub(super) changed: Arc<watch::Sender<u64>>,
    pub(super) awake: Arc<watch::Sender<u64>>,
    pub(super) tasks: TaskTracker,
    pub(super) stopping: CancellationToken,
    pub(super) local_proxy: Arc<LocalProxy>,
}

impl Common {
    /// An empty slot.
    pub(super) fn slot(&self, profiles: &Arc<Profiles>) -> Shared {
        Shared {
            config: self.config.clone(),
            local_proxy: Arc::clone(&self.local_proxy),
            profiles: Arc::downgrade(profiles),
            history: self.history.clone(),
            proxies: self.proxies.clone(),
            forwarder: Arc::clone(&self.forwarder),
            place: Arc::clone(&self.place),
            way_out: Arc::clone(&self.way_out),
            api_url: self.api_url.clone(),
            own_ports: self.own_ports.clone(),
            access: Arc::clone(&self.access),
            account: watch::Sender::new(Account::SignedOut),
            label: watch::Sender::new(None),
            connection: watch::Sender::new(Connection::SignedOut),
            tunnel: watch::Sender::new(Tunnel::Idle),
            exchanges: Exchanges::new(Arc::clone(&self.config.clock), Arc::clone(&self.inspector)),
            inspector: Arc::clone(&self.inspector),
            settings: Arc::clone(&self.settings),
            rejected: watch::Sender::new(0),
            listeners: Listeners::new(),
            sends: Semaphore::new(self.config.timing.forward_concurrency.max(1)),
            changed: Arc::clone(&self.changed),
            renew: Notify::new(),
            awake: Arc::clone(&self.awake),
            retarget: Notify::new(),
            claimed: Notify::new(),
            tasks: self.tasks.clone(),
            over: self.stopping.child_token(),
            stopping: self.stopping.clone(),
        }
    }
}

/// Sets slots to work as they are made, until `stop`; each works until it is over.
pub(super) async fn begin(
    parts: TaskTracker,
    mut begun: mpsc::UnboundedReceiver<Arc<Shared>>,
    deliveries: Router,
    stop: CancellationToken,
) {
    loop {
        let slot = tokio::select! {
            slot = begun.recv() => slot,
            () = stop.cancelled() => return,
        };
        let Some(slot) = slot else { return };
        let over = &slot.over;
        parts.spawn(tunnel::run(Arc::clone(&slot), deliveries.clone(), over.clone()));
        parts.spawn(Registration::new(Arc::clone(&slot)).run(over.clone()));
        parts.spawn(canary::run(Arc::clone(&slot), over.clone()));
        let forwarding = Forwarding::new(Arc::clone(&slot)).run(over.clone());
        let handled = CancellationToken::new();
        let ended = handled.clone().drop_guard();
        parts.spawn(async move {
            forwarding.await;
            drop(ended);
        });
        // What is handled to its end is reported on, too.
        parts.spawn(claims::run(slot, handled));
    }
}
