//! Which worker serves which name. A worker tells over its connection which
//! names it serves; for each it is told what became of that.
//!
//! That a worker has a name is remembered here alone, and ends with its
//! connection. Whether it may have it is asked of the store, again and again:
//! a name that was released, here or by another process, is nobody's soon
//! after. Each connection's part is a loop that does not know why it was woken.

use super::address::Address;
use super::directory::Directory;
use super::lanes::Lane;
use crate::http::error::chain;
use crate::store::{Store, StoreError};
use postern_protocol::api::tunnels::{
    NameOutcome, NameOutcomes, ServedName, ServedNames, TunnelName, TunnelWorker,
};
use postern_protocol::id::{WorkerId, WorkspaceId};
use postern_protocol::{Clock, ErrorCode};
use postern_tunnel::Link;
use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

/// How long what another process changed may go unnoticed.
const EVERY: Duration = Duration::from_secs(2);

/// How long a new connection of a worker has its names without having told
/// which it serves.
const UNTOLD: Duration = Duration::from_secs(10);

/// How many names one worker may serve; what it is told of them fits into one
/// message.
const MOST_SERVED: usize = 200;

/// Which worker serves which name.
pub(crate) struct Names {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    directory: Arc<dyn Directory>,
    address: Arc<Address>,
    held: Mutex<HashMap<TunnelName, Holder>>,
    /// Counts what may concern other workers than the one it came from.
    changes: watch::Sender<u64>,
}

#[derive(Clone, Debug)]
struct Holder {
    worker: TunnelWorker,
    epoch: u64,
    lane: Option<Lane>,
}

/// Who serves names over a connection.
#[derive(Clone, Debug)]
pub(crate) struct Serving {
    pub(crate) worker: TunnelWorker,
    pub(crate) workspace: WorkspaceId,
    /// Whether its token allows it.
    pub(crate) allowed: bool,
    /// The thread of its connection.
    pub(crate) lane: Option<Lane>,
}

impl Names {
    /// Nobody serves any.
    pub(crate) fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        directory: Arc<dyn Directory>,
        address: Arc<Address>,
    ) -> Self {
        Self { store, clock, directory, address, held: Mutex::default(), changes: watch::Sender::new(0) }
    }

    /// Who is connected.
    pub(crate) fn directory(&self) -> &Arc<dyn Directory> {
        &self.directory
    }

    /// The worker that serves a name.
    pub(crate) fn worker(&self, name: &TunnelName) -> Option<TunnelWorker> {
        let worker = self.held().get(name).map(|holder| holder.worker.clone())?;
        self.directory.link(worker.id).map(|_| worker)
    }

    /// Where requests for a name go.
    pub(crate) fn link(&self, name: &TunnelName) -> Option<Link> {
        let worker = self.held().get(name)?.worker.id;
        self.directory.link(worker)
    }

    /// The thread on which requests for a name are at home.
    pub(crate) fn lane(&self, name: &TunnelName) -> Option<Lane> {
        self.held().get(name)?.lane
    }

    /// A name was reserved or released: those who wait for it look again.
    pub(crate) fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Follows what a worker tells over `link`, until dropped.
    pub(crate) async fn follow(&self, who: &Serving, link: &Link) -> Infallible {
        let mut told = link.config();
        let mut changes = self.changes.subscribe();
        let mut ticks = tokio::time::interval_at(Instant::now() + EVERY, EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // What it had before, over an older connection, it has until it tells.
        let _ = tokio::time::timeout(UNTOLD, told.wait_for(Option::is_some)).await;
        let mut answered = NameOutcomes::default();
        let (mut wanted, mut anew) = (ServedNames::default(), true);
        loop {
            if anew {
                wanted = read(told.borrow_and_update().as_ref());
            }
            changes.borrow_and_update();
            match self.decide(who, link, &wanted, anew).await {
                Ok(outcomes) if outcomes != answered => {
                    if let Ok(json) = serde_json::to_value(&outcomes) {
                        link.configure(json);
                    }
                    answered = outcomes;
                }
                Ok(_) => {}
                Err(error) => {
                    let error = chain(&error);
                    tracing::error!(worker = %who.worker.id, %error, "cannot tell whose tunnels' names are; trying again");
                }
            }
            let idle = wanted.tunnels.is_empty();
            anew = tokio::select! {
                // Its sender lives as long as the link.
                _ = told.changed() => true,
                _ = changes.changed(), if !idle => false,
                _ = ticks.tick(), if !idle => false,
            };
        }
    }

    /// A worker's connection has ended. Its names are free, unless a newer one
    /// of it is there.
    pub(crate) fn forget(&self, worker: WorkerId, epoch: u64) {
        if self.directory.link(worker).is_some() {
            return;
        }
        let freed = {
            let mut held = self.held();
            let before = held.len();
            held.retain(|_, holder| holder.worker.id != worker || holder.epoch > epoch);
            held.len() < before
        };
        if freed {
            self.changed();
        }
    }

    /// What becomes of each name. Those it may not have any more, or wants no
    /// more, are free.
    async fn decide(
        &self,
        who: &Serving,
        link: &Link,
        wanted: &ServedNames,
        anew: bool,
    ) -> Result<NameOutcomes, StoreError> {
        let mut outcomes = BTreeMap::new();
        for (number, name) in wanted.tunnels.iter().enumerate() {
            let outcome = match self.refusal(who, &name.name, number).await? {
                Some(refusal) => refusal,
                None => self.take(who, link, name, anew).await?,
            };
            outcomes.insert(name.name.clone(), outcome);
        }
        let granted = |name: &TunnelName| matches!(outcomes.get(name), Some(NameOutcome::Online { .. }));
        let freed = {
            let mut held = self.held();
            let before = held.len();
            held.retain(|name, holder| {
                holder.worker.id != who.worker.id || holder.epoch > link.epoch() || granted(name)
            });
            held.len() < before
        };
        if freed {
            self.changed();
        }
        Ok(NameOutcomes { tunnels: outcomes })
    }

    async fn refusal(
        &self,
        who: &Serving,
        name: &TunnelName,
        number: usize,
    ) -> Result<Option<NameOutcome>, StoreError> {
        let refused = |code: ErrorCode, message: String| {
            Ok(Some(NameOutcome::Refused { code: code.as_str().to_owned(), message }))
        };
        if number >= MOST_SERVED {
            return refused(ErrorCode::BadRequest, format!("a worker serves at most {MOST_SERVED} names"));
        }
        if !who.allowed {
            let message = "the token that this worker registered with lacks the scope tunnels:write";
            return refused(ErrorCode::Forbidden, message.to_owned());
        }
        match self.store.tunnel(name).await? {
            Some(tunnel) if tunnel.workspace == who.workspace => Ok(None),
            Some(_) => refused(ErrorCode::TunnelNameTaken, format!("`{name}` is another workspace's")),
            None => refused(ErrorCode::TunnelNotReserved, format!("`{name}` is not reserved")),
        }
    }

    async fn take(
        &self,
        who: &Serving,
        link: &Link,
        wanted: &ServedName,
        anew: bool,
    ) -> Result<NameOutcome, StoreError> {
        let name = &wanted.name;
        let Some(url) = self.address.of(name) else {
            let message = "this proxy serves no public tunnels".to_owned();
            return Ok(NameOutcome::Refused { code: ErrorCode::Unsupported.as_str().to_owned(), message });
        };
        let epoch = link.epoch();
        let (begins, replaces) = {
            let mut held = self.held();
            match held.get(name) {
                Some(holder) if holder.worker.id == who.worker.id => {
                    let begins = holder.epoch < epoch;
                    if begins {
                        held.insert(name.clone(), Holder::new(who, epoch));
                    }
                    (begins, false)
                }
                // Taken over once: when it was asked for.
                Some(holder)
                    if !(wanted.take_over && anew) && self.directory.link(holder.worker.id).is_some() =>
                {
                    return Ok(NameOutcome::Elsewhere { worker: holder.worker.clone() });
                }
                before => {
                    let replaces = before.is_some();
                    held.insert(name.clone(), Holder::new(who, epoch));
                    (true, replaces)
                }
            }
        };
        if replaces {
            self.changed();
        }
        if begins {
            tracing::info!(tunnel = %name, worker = %who.worker.id, "a tunnel is served");
            self.store.touch_tunnel(name.clone(), self.clock.now()).await?;
        }
        Ok(NameOutcome::Online { url })
    }

    fn held(&self) -> MutexGuard<'_, HashMap<TunnelName, Holder>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Holder {
    fn new(who: &Serving, epoch: u64) -> Self {
        Self { worker: who.worker.clone(), epoch, lane: who.lane }
    }
}

/// What a worker told; what cannot be read is nothing.
fn read(told: Option<&serde_json::Value>) -> ServedNames {
    let names = told.map(|told| serde_json::from_value(told.clone())).transpose();
    names
        .unwrap_or_else(|error| {
            tracing::debug!(%error, "a worker tells which names it serves in a form that cannot be read");
            None
        })
        .unwrap_or_default()
}
