//! One try with its record.

use super::Target;
use super::forward::To;
use super::outgoing::outgoing;
use crate::api::{HandlerRun, RunRule};
use crate::history::{Began, HistoryError, RunEnd, Settled, StoredPayload};
use crate::state::{Session, Shared};
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

/// Who sends an event where: a rule, or nobody's rule.
#[derive(Clone, Debug)]
pub(crate) struct Handler {
    pub(crate) rule: Option<RunRule>,
    pub(crate) to: Arc<To>,
}

impl Handler {
    /// To an address without a rule, as the event came.
    pub(crate) fn plain(target: Target) -> Self {
        Self { rule: None, to: Arc::new(To::plain(target)) }
    }

    /// For the run's record and for messages.
    pub(super) fn name(&self) -> String {
        self.rule.as_ref().map_or_else(|| self.to.target.authority(), |rule| rule.name.clone())
    }
}

/// Which try it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Try {
    /// From 1.
    pub(super) number: u32,
    /// Whether a person asked for it.
    pub(super) replay: bool,
}

/// Sends an event and records how that went; `settle` says what the event
/// shows then.
pub(super) async fn run(
    shared: &Shared,
    session: &Session,
    payload: StoredPayload,
    handler: &Handler,
    which: Try,
    settle: impl FnOnce(&RunEnd) -> Option<Settled>,
) -> Result<HandlerRun, HistoryError> {
    let (event, now) = (payload.id, shared.now());
    let began = Began {
        event,
        target: handler.to.target.url().to_owned(),
        rule: handler.rule.clone(),
        replay: which.replay,
        attempt: which.number,
        at: now,
    };
    let id = shared.history.begin_run(began).await?;
    let end = if handler.to.target.is_own(&shared.own_ports) {
        RunEnd::failed(0, "Postern itself", "the target is Postern itself: events would go in circles")
    } else {
        let sending = shared.forwarder.send(outgoing(payload, now), &handler.to);
        AssertUnwindSafe(sending).catch_unwind().await.unwrap_or_else(|_| {
            tracing::error!(run = id, "forwarding an event panicked");
            RunEnd::failed(0, "internal error", "Postern failed while it forwarded the event")
        })
    };
    let settled = settle(&end);
    let run = shared.history.finish_run(event, id, end, settled).await?;
    if let Some(rule) = &handler.rule {
        session.last_runs.send_modify(|last| {
            last.insert(rule.id, run.clone());
        });
        shared.touch();
    }
    Ok(run)
}

/// Sends an event once more and waits for the outcome, which the event shows
/// then. Ends even when the caller goes.
pub(crate) async fn replay(
    shared: &Arc<Shared>,
    session: &Arc<Session>,
    payload: StoredPayload,
    handler: Handler,
) -> Result<HandlerRun, HistoryError> {
    let (work, session) = (Arc::clone(shared), Arc::clone(session));
    let task = shared.tasks.spawn(async move {
        let shown =
            |end: &RunEnd| Some(Settled { outcome: end.outcome.clone(), status: end.status, done: false });
        run(&work, &session, payload, &handler, Try { number: 1, replay: true }, shown).await
    });
    task.await.unwrap_or(Err(HistoryError::Closed))
}
