//! One try with its record.

use super::Target;
use super::forward::To;
use super::headers::recorded;
use super::outgoing::{Edit, Outgoing, Resign, outgoing, replayed};
use crate::api::{ApiError, HandlerRun, RunRule};
use crate::history::{Began, HistoryError, RunEnd, Settled, StoredPayload};
use crate::state::{Session, Shared};
use futures_util::FutureExt;
use postern_protocol::ErrorCode;
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

/// Sends an event as a rule does, and records how that went.
pub(super) async fn forward(
    shared: &Shared,
    session: &Session,
    payload: StoredPayload,
    handler: &Handler,
    number: u32,
    settle: impl FnOnce(&RunEnd) -> Option<Settled>,
) -> Result<HandlerRun, HistoryError> {
    let event = payload.id;
    let secret = session.local_secret(payload.provider, &payload.source);
    let outgoing = outgoing(payload, secret, shared.now()).await;
    run(shared, session, event, outgoing, handler, Try { number, replay: false }, settle).await
}

/// Sends what is to go out and records how that went; `settle` says what the
/// event shows then.
async fn run(
    shared: &Shared,
    session: &Session,
    event: i64,
    outgoing: Outgoing,
    handler: &Handler,
    which: Try,
    settle: impl FnOnce(&RunEnd) -> Option<Settled>,
) -> Result<HandlerRun, HistoryError> {
    let outgoing = handler.to.addressed(outgoing);
    let began = Began {
        event,
        target: handler.to.target.url().to_owned(),
        rule: handler.rule.clone(),
        replay: which.replay,
        attempt: which.number,
        at: shared.now(),
        headers: recorded(&outgoing.headers),
        altered: outgoing.altered.map(|altered| (altered, outgoing.body.clone())),
    };
    let id = shared.history.begin_run(began).await?;
    let end = if handler.to.target.is_own(&shared.own_ports.now()) {
        RunEnd::failed(0, "Postern itself", "the target is Postern itself: events would go in circles")
    } else {
        let sending = shared.forwarder.send(outgoing, &handler.to);
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

/// Sends an event once more, signed anew as `resign` says, and waits for the
/// outcome, which the event shows then. Ends even when the caller goes.
///
/// # Errors
/// `request.unsupported` when it cannot be signed anew as was asked.
pub(crate) async fn replay(
    shared: &Arc<Shared>,
    session: &Arc<Session>,
    payload: StoredPayload,
    handler: Handler,
    resign: Resign,
    edit: Option<Edit>,
) -> Result<HandlerRun, ApiError> {
    let event = payload.id;
    let secret = session.local_secret(payload.provider, &payload.source);
    let outgoing = replayed(payload, edit, resign, secret, shared.now()).await.map_err(|why| {
        ApiError::new(ErrorCode::Unsupported, format!("the event cannot be signed anew: {why}"))
    })?;
    let (work, session) = (Arc::clone(shared), Arc::clone(session));
    let task = shared.tasks.spawn(async move {
        let shown =
            |end: &RunEnd| Some(Settled { outcome: end.outcome.clone(), status: end.status, done: false });
        run(&work, &session, event, outgoing, &handler, Try { number: 1, replay: true }, shown).await
    });
    Ok(task.await.unwrap_or(Err(HistoryError::Closed))?)
}
