//! The test of the whole path, at a person's word.

use super::hops::{Answered, Handled, Seen, hops};
use super::quiet;
use crate::api::{ApiError, OutcomeKind, PathTest};
use crate::proxy_client::ProxyError;
use crate::state::{Session, Shared};
use postern_protocol::ErrorCode;
use postern_protocol::api::CanaryRequest;
use std::time::Duration;
use tokio::time::Instant;

/// How long the handler may take on top of the time it has to answer: its
/// event waits for others.
const QUEUE: Duration = Duration::from_secs(5);

/// Sends a canary through everything, and says what came of it.
///
/// # Errors
/// `unavailable` before the registration is through; `request.unsupported`
/// where the proxy is too old or holds this worker's events; its other
/// refusals. That the proxy cannot be reached is no error: the test says so.
pub(crate) async fn test(shared: &Shared, session: &Session) -> Result<PathTest, ApiError> {
    let worker = session.worker.borrow().clone().ok_or_else(|| {
        ApiError::new(ErrorCode::Unavailable, "this machine is not registered with the proxy yet")
    })?;
    let mut canary = session.expected.one();
    let request = CanaryRequest { nonce: canary.nonce.clone(), quiet: false };
    let (at, asked) = (shared.now(), Instant::now());
    let answer = session.proxy.canary(&worker.worker_id, &worker.credential, &request).await;
    let answered = Instant::now();
    let arrived = canary.arrived();
    let report = match answer {
        Ok(report) => report,
        Err(ProxyError::Refused { status: 404 | 405, .. }) => {
            let message = "this proxy is too old to test the path: `postern trigger` sends a test event";
            return Err(ApiError::new(ErrorCode::Unsupported, message));
        }
        Err(error @ ProxyError::Refused { .. }) => return Err(error.into()),
        Err(error) => return Ok(PathTest::unreached(at, error.to_string())),
    };
    let missing = arrived.is_none().then(|| quiet::why(&report));
    match &missing {
        None => session.proof.made(shared.now()),
        Some(problem) => {
            session.proof.missed(at, problem.clone());
        }
    }
    shared.touch();
    let handled = match (&report.event_id, arrived) {
        (Some(event), Some(_)) => handled(shared, session, &event.to_string()).await?,
        _ => None,
    };
    let target = session.rules.borrow().targets().next().map(|(_, to)| to.target.url().to_owned());
    let seen = Seen { at, asked, answered, arrived, missing, handled, target };
    Ok(hops(&report, &seen))
}

/// What the handler made of it, once it has; `None`: nothing in time.
async fn handled(shared: &Shared, session: &Session, event: &str) -> Result<Option<Handled>, ApiError> {
    let mut committed = shared.history.committed();
    let deadline = Instant::now() + shared.config.timing.forward_timeout + QUEUE;
    loop {
        // Marked as seen before the look, so that no change is missed.
        committed.borrow_and_update();
        let detail = shared.history.detail(session.profile.id, event.to_owned()).await?;
        let Some(detail) = detail else { return Ok(None) };
        let answered = match detail.summary.outcome.kind {
            OutcomeKind::None => return Ok(Some(Handled::Nobody)),
            OutcomeKind::Running => Answered::NotYet,
            OutcomeKind::Succeeded | OutcomeKind::Failed => Answered::Done,
        };
        if let (Answered::Done, Some(run)) = (answered, detail.runs.into_iter().next_back()) {
            return Ok(Some(Handled::Run { run: Box::new(run), at: Instant::now() }));
        }
        match tokio::time::timeout_at(deadline, committed.changed()).await {
            Ok(Ok(())) => {}
            _ => return Ok(None),
        }
    }
}
