//! Temporary forward targets, as `listen` makes them.

use super::Target;
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
    targets: Vec<(u64, Target)>,
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

    pub(crate) fn add(&self, target: Target) -> Listener {
        let mut number = 0;
        self.targets.send_modify(|entries| {
            number = entries.next;
            entries.next += 1;
            entries.targets.push((number, target));
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

    pub(crate) fn targets(&self) -> Vec<Target> {
        self.targets.borrow().targets.iter().map(|(_, target)| target.clone()).collect()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.listeners.targets.send_modify(|entries| entries.targets.retain(|(n, _)| *n != self.number));
    }
}
