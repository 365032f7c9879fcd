//! The canaries on their way: when each was claimed, sent and answered. A
//! canary is a delivery like any other; somebody waits for it, that is all.

use postern_protocol::api::AttemptRecord;
use postern_protocol::id::EventId;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Who waits for which.
#[derive(Debug, Default)]
pub(crate) struct Canaries {
    /// How many there are: deliveries look here first, and most find none.
    count: AtomicUsize,
    watched: Mutex<HashMap<EventId, Watched>>,
}

/// When the first attempt of a canary reached which step.
#[derive(Clone, Debug, Default)]
pub(crate) struct Steps {
    /// It was claimed.
    pub(crate) claimed: Option<Instant>,
    /// The signed request was posted.
    pub(crate) sent: Option<Instant>,
    /// The answer was there, or the failure.
    pub(crate) answered: Option<(Instant, AttemptRecord)>,
}

#[derive(Debug)]
struct Watched {
    steps: Steps,
    done: Option<oneshot::Sender<()>>,
}

/// A canary that is waited for, until dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    canaries: Arc<Canaries>,
    event: EventId,
    done: oneshot::Receiver<()>,
}

impl Canaries {
    /// Watches the event's first attempt. To be called before it can be claimed.
    pub(crate) fn watch(self: &Arc<Self>, event: EventId) -> Watch {
        let (tell, done) = oneshot::channel();
        let watched = Watched { steps: Steps::default(), done: Some(tell) };
        self.lock().insert(event, watched);
        self.count.fetch_add(1, Ordering::Release);
        Watch { canaries: Arc::clone(self), event, done }
    }

    /// An attempt of the event begins.
    pub(crate) fn claimed(&self, event: EventId) {
        self.step(event, |watched| watched.steps.claimed = Some(Instant::now()));
    }

    /// The event is about to be posted.
    pub(crate) fn sent(&self, event: EventId) {
        self.step(event, |watched| watched.steps.sent = Some(Instant::now()));
    }

    /// The attempt is over.
    pub(crate) fn answered(&self, event: EventId, record: &AttemptRecord) {
        self.step(event, |watched| {
            watched.steps.answered = Some((Instant::now(), record.clone()));
            if let Some(done) = watched.done.take() {
                let _ = done.send(());
            }
        });
    }

    /// Only the first attempt counts.
    fn step(&self, event: EventId, note: impl FnOnce(&mut Watched)) {
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        if let Some(watched) = self.lock().get_mut(&event).filter(|watched| watched.done.is_some()) {
            note(watched);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<EventId, Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    /// Waits until the first attempt is over.
    pub(crate) async fn done(&mut self) {
        let _ = (&mut self.done).await;
    }

    /// How far it has come.
    pub(crate) fn steps(&self) -> Steps {
        self.canaries.lock().get(&self.event).map(|watched| watched.steps.clone()).unwrap_or_default()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.canaries.lock().remove(&self.event);
        self.canaries.count.fetch_sub(1, Ordering::Release);
    }
}
