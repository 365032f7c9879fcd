//! Forwarding what waits in the history.
//!
//! The loop reads the truth from the history, woken by each commit and by
//! each change of rules; the path after a restart is the same. An event
//! waits until its runs have ended and been noted, so it is forwarded at least
//! once: a crash in between forwards it again, to those that have not taken it.
//! Where the proxy delivers in the order of entities, forwards keep it too: one
//! of an entity at a time.

use super::event::Work;
use super::lanes::Lanes;
use crate::history::HistoryError;
use crate::state::{Session, Shared};
use postern_protocol::api::Ordering;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// So many waiting events are read at a time.
const BATCH: usize = 64;
/// So many events at most are in hand, those that wait for a repetition among
/// them. Only those being sent are in memory.
const IN_HAND: usize = 1024;
/// How long to wait when the history takes no writes (disk full).
const PAUSE: Duration = Duration::from_secs(1);

/// The forwarding of one edge.
pub(crate) struct Forwarding {
    shared: Arc<Shared>,
    in_hand: Arc<Semaphore>,
    lanes: Arc<Lanes>,
    runs: TaskTracker,
}

impl Forwarding {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let in_hand = Arc::new(Semaphore::new(IN_HAND));
        Self { shared, in_hand, lanes: Arc::default(), runs: TaskTracker::new() }
    }

    /// Works until `stop`; then waits for the runs under way.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut account = self.shared.account.subscribe();
        let mut committed = self.shared.history.committed();
        let mut listeners = self.shared.listeners.subscribe();
        let mut profile = None;
        // The newest event taken up; those before it are done or under way.
        let mut after = 0;
        let mut look = true;
        while !stop.is_cancelled() {
            // Marked as seen before the look, so that no change is missed.
            let session = account.borrow_and_update().session().cloned();
            committed.borrow_and_update();
            listeners.mark_unchanged();
            let id = session.as_ref().map(|session| session.profile.id);
            if profile != id {
                profile = id;
                after = 0;
            }
            if let Some(session) = &session
                && (look || self.shared.forwards(session))
            {
                let failed = tokio::select! {
                    looked = self.take_up(session, &mut after, &stop) => looked.is_err(),
                    () = stop.cancelled() => break,
                };
                if failed {
                    tokio::select! {
                        () = tokio::time::sleep(PAUSE) => continue,
                        () = stop.cancelled() => break,
                    }
                }
            }
            look = tokio::select! {
                _ = committed.changed() => false,
                () = self.shared.retarget.notified() => true,
                _ = listeners.changed() => true,
                _ = account.changed() => true,
                () = stop.cancelled() => break,
            };
        }
        self.runs.close();
        self.runs.wait().await;
    }

    /// Begins a run for all that waits, as permits come free.
    async fn take_up(
        &self,
        session: &Arc<Session>,
        after: &mut i64,
        stop: &CancellationToken,
    ) -> Result<(), HistoryError> {
        loop {
            let waiting = self.shared.history.pending(session.profile.id, *after, BATCH).await?;
            let more = waiting.len() == BATCH;
            for event in waiting {
                let ordered = self.shared.ordering() == Ordering::Entity;
                let lane = event.entity.filter(|_| ordered).map(|entity| (session.profile.id, entity));
                if lane.as_ref().is_some_and(|lane| self.lanes.queue(lane, event.id)) {
                    *after = event.id;
                    continue;
                }
                let Ok(permit) = Arc::clone(&self.in_hand).acquire_owned().await else { return Ok(()) };
                *after = event.id;
                if let Some(lane) = &lane {
                    self.lanes.begin(lane.clone(), event.id);
                }
                let work = Work {
                    shared: Arc::clone(&self.shared),
                    session: Arc::clone(session),
                    stop: stop.clone(),
                };
                let lanes = Arc::clone(&self.lanes);
                self.runs.spawn(async move {
                    let _permit = permit;
                    let mut next = Some(event.id);
                    while let Some(event) = next {
                        to_its_end(&work, event).await;
                        // What still waits then is forwarded after the next start.
                        next = lane
                            .as_ref()
                            .and_then(|lane| lanes.next(lane))
                            .filter(|_| !work.stop.is_cancelled());
                    }
                });
            }
            if !more {
                return Ok(());
            }
        }
    }
}

/// Handles an event that a claim group gave to this machine once more.
pub(crate) fn handle_again(shared: &Arc<Shared>, session: &Arc<Session>, event: i64) {
    let (stop, session) = (shared.over.clone(), Arc::clone(session));
    let work = Work { shared: Arc::clone(shared), session, stop };
    shared.tasks.spawn(async move { to_its_end(&work, event).await });
}

async fn to_its_end(work: &Work, event: i64) {
    while let Err(e) = work.handle(event).await {
        tracing::warn!(error = %e, "an event's run could not be noted; it is tried again");
        tokio::time::sleep(PAUSE).await;
    }
}
