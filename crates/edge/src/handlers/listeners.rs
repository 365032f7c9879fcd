//! Temporary forward targets, as `listen` makes them.

use super::Target;
use postern_protocol::filter::{self, Filter};
use postern_protocol::{Described, Provider};
use std::sync::Arc;
use tokio::sync::watch;

/// The temporary targets in force.
#[derive(Clone, Debug)]
pub(crate) struct Listeners {
    targets: Arc<watch::Sender<Entries>>,
}

#[derive(Debug, Default)]
struct Entries {
    next: u64,
    targets: Vec<(u64, Target, Filter)>,
}

/// A temporary forward target: new events go there too, until this is
/// dropped.
#[derive(Debug)]
pub struct Listener {
    number: u64,
    listeners: Listeners,
}

impl Listeners {
    pub(crate) fn new() -> Self {
        Self { targets: Arc::new(watch::Sender::default()) }
    }

    pub(crate) fn add(&self, target: Target, filter: Filter) -> Listener {
        let mut number = 0;
        self.targets.send_modify(|entries| {
            number = entries.next;
            entries.next += 1;
            entries.targets.push((number, target, filter));
        });
        Listener { number, listeners: self.clone() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.targets.borrow().targets.is_empty()
    }

    /// Changes whenever a target comes or goes.
    pub(crate) fn subscribe(&self) -> watch::Receiver<impl Send + Sync + use<>> {
        self.targets.subscribe()
    }

    /// The targets whose filter takes this event.
    pub(crate) fn wanting(&self, provider: Provider, event: &Described, body: &[u8]) -> Vec<Target> {
        let entries = self.targets.borrow();
        let asked = entries.targets.iter().map(|(_, target, filter)| (target, filter));
        filter::takers(provider, event, body, asked).into_iter().cloned().collect()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.listeners.targets.send_modify(|entries| entries.targets.retain(|(n, ..)| *n != self.number));
    }
}
