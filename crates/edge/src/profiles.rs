//! The profiles this machine works for: all at once. A profile is a workspace at
//! a proxy; each has a slot, a [`Shared`] of its own with its account,
//! registration, tunnel and forwarding. What belongs to the machine, the slots
//! have in common: the history, the receiver, the local API, the settings.
//!
//! One slot is shown: the local API is about it, unless a caller names another.
//! To show another stops nothing, so that nobody misses the events of one
//! profile while looking at the other.
//!
//! There is always at least one slot; without a sign-in it is empty.

use crate::state::{Account, Shared};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use tokio::sync::{mpsc, watch};

/// Makes an empty slot that knows these profiles.
type Make = Box<dyn Fn(&Arc<Profiles>) -> Arc<Shared> + Send + Sync>;

/// All slots, in the order in which they were made.
pub(crate) struct Profiles {
    slots: RwLock<Vec<Arc<Shared>>>,
    /// Absent only while the first slot is made.
    shown: watch::Sender<Option<Arc<Shared>>>,
    make: Make,
    /// To whoever sets slots to work.
    begin: mpsc::UnboundedSender<Arc<Shared>>,
    at_work: AtomicBool,
}

impl Profiles {
    /// With one empty slot, shown. Slots to be set to work come out of the
    /// receiver.
    pub(crate) fn new(make: Make) -> (Arc<Self>, mpsc::UnboundedReceiver<Arc<Shared>>) {
        let (begin, begun) = mpsc::unbounded_channel();
        let profiles = Arc::new(Self {
            slots: RwLock::default(),
            shown: watch::Sender::new(None),
            make,
            begin,
            at_work: AtomicBool::new(false),
        });
        let first = profiles.add();
        profiles.shown.send_replace(Some(first));
        (profiles, begun)
    }

    /// The edge runs: what was begun is at work from now on.
    pub(crate) fn set_at_work(&self) {
        self.at_work.store(true, Ordering::Relaxed);
    }

    /// Whether the edge runs, rather than only looks something up.
    pub(crate) fn at_work(&self) -> bool {
        self.at_work.load(Ordering::Relaxed)
    }

    /// All slots.
    pub(crate) fn all(&self) -> Vec<Arc<Shared>> {
        self.read().clone()
    }

    /// The one that is shown.
    pub(crate) fn shown(&self) -> Arc<Shared> {
        if let Some(shown) = &*self.shown.borrow() {
            return Arc::clone(shown);
        }
        // There is one from the start: nobody asks before.
        Arc::clone(&self.read()[0])
    }

    /// The slot that `wanted` chooses.
    pub(crate) fn find(&self, wanted: impl Fn(&Account) -> bool) -> Option<Arc<Shared>> {
        self.read().iter().find(|slot| wanted(&slot.account.borrow())).cloned()
    }

    /// The slot of the profile with this id.
    pub(crate) fn of(&self, id: i64) -> Option<Arc<Shared>> {
        self.find(|account| account.profile().is_some_and(|profile| profile.id == id))
    }

    /// The slot of the profile with this name; letters' case does not count
    /// where that leaves one.
    pub(crate) fn named(&self, name: &str) -> Option<Arc<Shared>> {
        let slots = self.read();
        let exact = slots.iter().find(|slot| slot.profile_name().as_deref() == Some(name));
        let alike = || {
            let mut alike = slots.iter().filter(|slot| {
                slot.profile_name().is_some_and(|own| own.to_lowercase() == name.to_lowercase())
            });
            alike.next().filter(|_| alike.next().is_none())
        };
        exact.or_else(alike).cloned()
    }

    /// A further slot, empty and at work.
    pub(crate) fn add(self: &Arc<Self>) -> Arc<Shared> {
        let slot = (self.make)(self);
        self.slots.write().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&slot));
        // Nobody listens any more when the edge ends.
        let _ = self.begin.send(Arc::clone(&slot));
        slot
    }

    /// Shows a slot.
    pub(crate) fn show(&self, slot: &Arc<Shared>) {
        self.shown.send_replace(Some(Arc::clone(slot)));
        slot.touch();
    }

    /// A slot has become empty: it goes, unless it is the last. Says which is
    /// shown then.
    pub(crate) fn vacate(&self, slot: &Arc<Shared>) -> Arc<Shared> {
        let next = {
            let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
            if slots.len() > 1 {
                slots.retain(|other| !Arc::ptr_eq(other, slot));
                slot.over.cancel();
            }
            Arc::clone(&slots[0])
        };
        if Arc::ptr_eq(&self.shown(), slot) {
            self.show(&next);
        }
        slot.touch();
        self.shown()
    }

    fn read(&self) -> RwLockReadGuard<'_, Vec<Arc<Shared>>> {
        self.slots.read().unwrap_or_else(PoisonError::into_inner)
    }
}
