//! Public tunnels: a name of the workspace, under which everybody reaches a
//! port of this machine.
//!
//! A tunnel that is on is told to the proxy over the profile's one connection
//! ([`served`]); what comes down that connection with the tunnel's name goes to
//! its target and nowhere else ([`answer`]). Bodies stream both ways at their
//! reader's pace; whoever hangs up is heard at the other end; what was cut short
//! never looks complete; and no request that may have been acted on is sent
//! again by itself.

mod answer;
mod body;
mod exchange;
mod head;
mod meter;
mod origin;
mod pool;
mod problem;
mod replay;
mod served;
mod upgrade;

pub(crate) use answer::answer;
pub(crate) use exchange::Exchanges;
pub(crate) use origin::Origin;
pub(crate) use replay::{Edited, replay};
pub(crate) use served::serve_names;

use crate::api::{PublicTunnel, PublicTunnelState, TunnelTraffic};
use crate::history::KeptTunnel;
use crate::ports::OwnPorts;
use meter::Meter;
use pool::Pool;
use postern_protocol::api::tunnels::{NameOutcome, ServedName, ServedNames, TunnelName};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::sync::watch;

/// A profile's tunnels, and what the proxy says of them.
pub(crate) struct Tunnels {
    /// By name.
    list: watch::Sender<Vec<Arc<Tunnel>>>,
    /// What became of the names on the connection that stands; absent: nothing
    /// was said yet.
    outcomes: watch::Sender<Option<BTreeMap<TunnelName, NameOutcome>>>,
    /// Held while the list changes: it is kept first, then used.
    pub(crate) changing: tokio::sync::Mutex<()>,
    own_ports: OwnPorts,
    profile: i64,
}

/// One of them.
pub(crate) struct Tunnel {
    pub(crate) kept: KeptTunnel,
    profile: i64,
    pool: Arc<Pool>,
    life: Arc<Life>,
}

/// What of a tunnel outlives a change of its settings.
#[derive(Default)]
struct Life {
    meter: Meter,
    /// How many programs want it on for as long as they run.
    holds: AtomicUsize,
    /// Whether to take the name from another worker that serves it.
    take_over: AtomicBool,
}

/// Keeps tunnels on until it is dropped.
pub(crate) struct Hold {
    tunnels: Arc<Tunnels>,
    lives: Vec<Arc<Life>>,
}

impl Tunnel {
    /// Whether it is to be served.
    pub(crate) fn is_on(&self) -> bool {
        self.kept.enabled || self.life.holds.load(Ordering::SeqCst) > 0
    }
}

impl Tunnels {
    /// Those of a profile that were kept. Postern's `own_ports` are never led
    /// to.
    pub(crate) fn new(profile: i64, kept: Vec<KeptTunnel>, own_ports: OwnPorts) -> Self {
        let tunnels = Self {
            list: watch::Sender::default(),
            outcomes: watch::Sender::new(None),
            changing: tokio::sync::Mutex::default(),
            own_ports,
            profile,
        };
        kept.into_iter().for_each(|kept| tunnels.set(kept));
        tunnels
    }

    /// Puts a tunnel into the list, in place of the one of its name. Requests
    /// under way go on as they were.
    pub(crate) fn set(&self, kept: KeptTunnel) {
        let profile = self.profile;
        let pool = Arc::new(Pool::new(&kept.settings, &self.own_ports));
        self.list.send_modify(|list| match list.binary_search_by(|t| t.kept.name.cmp(&kept.name)) {
            Ok(at) => {
                let before = &list[at];
                let same = before.kept.settings == kept.settings;
                let pool = if same { Arc::clone(&before.pool) } else { pool };
                list[at] = Arc::new(Tunnel { kept, profile, pool, life: Arc::clone(&before.life) });
            }
            Err(at) => list.insert(at, Arc::new(Tunnel { kept, profile, pool, life: Arc::default() })),
        });
    }

    /// Takes a tunnel out of the list.
    pub(crate) fn remove(&self, name: &TunnelName) {
        self.list.send_modify(|list| list.retain(|tunnel| tunnel.kept.name != *name));
    }

    /// All, by name.
    pub(crate) fn all(&self) -> Vec<Arc<Tunnel>> {
        self.list.borrow().clone()
    }

    /// The one of this name.
    pub(crate) fn named(&self, name: &TunnelName) -> Option<Arc<Tunnel>> {
        self.list.borrow().iter().find(|tunnel| tunnel.kept.name == *name).cloned()
    }

    /// Whether any is to be served.
    pub(crate) fn any_on(&self) -> bool {
        self.list.borrow().iter().any(|tunnel| tunnel.is_on())
    }

    /// Moves with every change of the list.
    pub(crate) fn changes(&self) -> watch::Receiver<Vec<Arc<Tunnel>>> {
        self.list.subscribe()
    }

    /// Has the name taken from whichever other worker serves it, once.
    pub(crate) fn take_over(&self, name: &TunnelName) {
        if let Some(tunnel) = self.named(name) {
            tunnel.life.take_over.store(true, Ordering::SeqCst);
            self.list.send_modify(|_| ());
        }
    }

    /// Serves tunnels for as long as what is returned lives; the first name
    /// that there is not, otherwise.
    pub(crate) fn hold(self: &Arc<Self>, names: &[TunnelName], take_over: bool) -> Result<Hold, TunnelName> {
        let found = names.iter().map(|name| self.named(name).ok_or_else(|| name.clone()));
        let lives: Vec<_> =
            found.map(|tunnel| Ok(Arc::clone(&tunnel?.life))).collect::<Result<_, TunnelName>>()?;
        for life in &lives {
            life.holds.fetch_add(1, Ordering::SeqCst);
            if take_over {
                life.take_over.store(true, Ordering::SeqCst);
            }
        }
        self.list.send_modify(|_| ());
        Ok(Hold { tunnels: Arc::clone(self), lives })
    }

    /// What the proxy is told.
    fn names(&self) -> ServedNames {
        let list = self.list.borrow();
        let served = list.iter().filter(|tunnel| tunnel.is_on()).map(|tunnel| ServedName {
            name: tunnel.kept.name.clone(),
            take_over: tunnel.life.take_over.load(Ordering::SeqCst),
        });
        ServedNames { tunnels: served.collect() }
    }

    /// What the proxy said; absent: the connection ended.
    fn said(&self, outcomes: Option<BTreeMap<TunnelName, NameOutcome>>) -> bool {
        for (name, outcome) in outcomes.iter().flatten() {
            if let (NameOutcome::Online { .. }, Some(tunnel)) = (outcome, self.named(name))
                && tunnel.life.take_over.swap(false, Ordering::SeqCst)
            {
                // It was for this once: another may take it back.
                self.list.send_modify(|_| ());
            }
        }
        self.outcomes.send_if_modified(|now| {
            let changed = *now != outcomes;
            *now = outcomes;
            changed
        })
    }

    /// How all stand, as `line`, the connection, does.
    pub(crate) fn states(&self, line: &crate::api::Tunnel) -> Vec<PublicTunnel> {
        let outcomes = self.outcomes.borrow();
        let list = self.list.borrow();
        let states = list.iter().map(|tunnel| {
            let outcome = outcomes.as_ref().and_then(|outcomes| outcomes.get(&tunnel.kept.name));
            let url = match outcome {
                Some(NameOutcome::Online { url }) => url.clone(),
                _ => tunnel.kept.url.clone(),
            };
            PublicTunnel {
                name: tunnel.kept.name.clone(),
                url,
                settings: tunnel.kept.settings.clone(),
                on: tunnel.is_on(),
                held: tunnel.life.holds.load(Ordering::SeqCst) > 0,
                state: if tunnel.is_on() { state(line, outcome) } else { PublicTunnelState::Off },
            }
        });
        states.collect()
    }

    /// What goes through them.
    pub(crate) fn traffic(&self) -> Vec<TunnelTraffic> {
        self.list.borrow().iter().map(|tunnel| tunnel.life.meter.report(&tunnel.kept.name)).collect()
    }
}

fn state(line: &crate::api::Tunnel, outcome: Option<&NameOutcome>) -> PublicTunnelState {
    use crate::api::Tunnel as Line;
    match (line, outcome) {
        (Line::Down { problem, retry_at, .. }, _) => {
            PublicTunnelState::Offline { problem: problem.clone(), retry_at: retry_at.to_owned() }
        }
        (Line::Idle | Line::Connecting { .. }, _) | (Line::Up { .. }, None) => PublicTunnelState::Connecting,
        (Line::Up { .. }, Some(NameOutcome::Online { .. })) => PublicTunnelState::Online,
        (Line::Up { .. }, Some(NameOutcome::Elsewhere { worker })) => {
            PublicTunnelState::Elsewhere { worker: worker.clone() }
        }
        (Line::Up { .. }, Some(NameOutcome::Refused { code, message })) => {
            PublicTunnelState::Refused { code: code.clone(), message: message.clone() }
        }
        (Line::Up { .. }, Some(NameOutcome::Unknown)) => PublicTunnelState::Refused {
            code: postern_protocol::ErrorCode::ProtocolUnsupported.as_str().into(),
            message: "the proxy says of it what this version does not know: update Postern".into(),
        },
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        for life in &self.lives {
            life.holds.fetch_sub(1, Ordering::SeqCst);
        }
        self.tunnels.list.send_modify(|_| ());
    }
}
