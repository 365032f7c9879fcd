//! Forwarding what waits in the history.
//!
//! The loop reads the truth from the history, woken by each commit and by
//! each change of targets; the path after a restart is the same. An event
//! waits until its run has ended and been noted, so it is forwarded at least
//! once: a crash in between forwards it again. Where the proxy delivers in the
//! order of entities, forwards keep it too: one of an entity at a time.

use super::Target;
use super::lanes::Lanes;
use crate::api::HandlerRun;
use crate::history::{HistoryError, RunEnd, StoredPayload};
use crate::state::{Session, Shared};
use futures_util::FutureExt;
use postern_protocol::api::Ordering;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// So many waiting events are read at a time.
const BATCH: usize = 64;
/// How long to wait when the history takes no writes (disk full).
const PAUSE: Duration = Duration::from_secs(1);

/// The forwarding of one edge.
pub(crate) struct Forwarding {
    shared: Arc<Shared>,
    permits: Arc<Semaphore>,
    lanes: Arc<Lanes>,
    runs: TaskTracker,
}

impl Forwarding {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let permits = Arc::new(Semaphore::new(shared.config.timing.forward_concurrency.max(1)));
        Self { shared, permits, lanes: Arc::default(), runs: TaskTracker::new() }
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
                let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else { return Ok(()) };
                *after = event.id;
                if let Some(lane) = &lane {
                    self.lanes.begin(lane.clone(), event.id);
                }
                let (shared, session) = (Arc::clone(&self.shared), Arc::clone(session));
                let (lanes, stop) = (Arc::clone(&self.lanes), stop.clone());
                self.runs.spawn(async move {
                    let _permit = permit;
                    let mut next = Some(event.id);
                    while let Some(event) = next {
                        while let Err(e) = handle(&shared, &session, event).await {
                            tracing::warn!(error = %e, "an event's run could not be noted; it is tried again");
                            tokio::time::sleep(PAUSE).await;
                        }
                        // What still waits then is forwarded after the next start.
                        next = lane.as_ref().and_then(|lane| lanes.next(lane)).filter(|_| !stop.is_cancelled());
                    }
                });
            }
            if !more {
                return Ok(());
            }
        }
    }
}

/// Forwards one event to all targets that are set now.
async fn handle(shared: &Arc<Shared>, session: &Arc<Session>, event: i64) -> Result<(), HistoryError> {
    let Some(payload) = shared.history.payload(event).await? else { return Ok(()) };
    let mut targets: Vec<Target> = session.forward.borrow().iter().cloned().collect();
    targets.extend(shared.listeners.wanting(&payload));
    targets.dedup();
    let Some((last, others)) = targets.split_last() else { return shared.history.unwanted(event).await };
    for target in others {
        run(shared, session, payload.clone(), target, false, false).await?;
    }
    run(shared, session, payload, last, false, true).await.map(|_| ())
}

/// One run with its record; with `done`, the last for this event.
async fn run(
    shared: &Arc<Shared>,
    session: &Session,
    payload: StoredPayload,
    target: &Target,
    replay: bool,
    done: bool,
) -> Result<HandlerRun, HistoryError> {
    let event = payload.id;
    let id = shared.history.begin_run(event, target.url().to_owned(), replay, shared.now()).await?;
    let sent = AssertUnwindSafe(shared.forwarder.send(payload, target)).catch_unwind().await;
    let end = sent.unwrap_or_else(|_| {
        tracing::error!(run = id, "forwarding an event panicked");
        RunEnd::failed(0, "internal error", "Postern failed while it forwarded the event")
    });
    let run = shared.history.finish_run(event, id, end, done).await?;
    if session.forward.borrow().as_ref() == Some(target) {
        session.last_run.send_replace(Some(run.clone()));
        shared.touch();
    }
    Ok(run)
}

/// Sends an event to `target` once more and waits for the outcome. Ends even
/// when the caller goes.
pub(crate) async fn replay(
    shared: &Arc<Shared>,
    session: &Arc<Session>,
    payload: StoredPayload,
    target: Target,
) -> Result<HandlerRun, HistoryError> {
    let (work, session) = (Arc::clone(shared), Arc::clone(session));
    let task = shared.tasks.spawn(async move { run(&work, &session, payload, &target, true, false).await });
    task.await.unwrap_or(Err(HistoryError::Closed))
}
