//! The work of a claim group's member: what the proxy gave to this machine is
//! reported on, while it is handled and when that has ended.
//!
//! One loop reads the truth from the history, woken by each commit, while there
//! is anything to report on, and by the time of the next report; after a restart
//! it simply goes on. A report that
//! does not reach the proxy is tried again until it does, or until the proxy
//! says that the claim is lost. Where nothing is forwarded nothing is reported
//! from here: whoever does the work says how it stands.

use crate::api::OutcomeKind;
use crate::history::{Claim, HistoryError};
use crate::proxy_client::ProxyError;
use crate::state::{Session, Shared};
use futures_util::StreamExt;
use postern_protocol::api::{ReportWork, WorkStatus};
use postern_protocol::{ErrorCode, UnixMillis};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long to wait after a report that did not reach the proxy.
const AGAIN: Duration = Duration::from_secs(1);
/// Reports under way at once.
const AT_ONCE: usize = 16;
/// Into how many parts a lease is divided: a report after each.
const PARTS: i64 = 3;

/// What is to be said of a claim now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Report(WorkStatus),
    /// Nothing more, ever.
    Over,
    /// Not before then.
    At(UnixMillis),
}

/// Reports until nothing is handled any more, as `handled` says, and what has
/// ended then.
pub(crate) async fn run(shared: Arc<Shared>, handled: CancellationToken) {
    let mut account = shared.account.subscribe();
    let mut committed = shared.history.committed();
    loop {
        let last = handled.is_cancelled();
        // Marked as seen before the look, so that no change is missed.
        let session = account.borrow_and_update().session().cloned();
        committed.borrow_and_update();
        let Looked { any, next } = match &session {
            Some(session) => look(&shared, session).await,
            None => Looked { any: false, next: None },
        };
        if last {
            return;
        }
        let timer = async {
            match next {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = timer => {}
            () = shared.claimed.notified() => {}
            _ = committed.changed(), if any => {}
            _ = account.changed() => {}
            () = handled.cancelled() => {}
        }
    }
}

/// What a look found.
struct Looked {
    /// Whether there are claims.
    any: bool,
    /// When to look again.
    next: Option<Duration>,
}

/// Says what is to be said of each claim.
async fn look(shared: &Shared, session: &Session) -> Looked {
    let claims = match shared.history.claims(session.profile.id).await {
        Ok(claims) => claims,
        Err(error) => {
            tracing::warn!(%error, "claims cannot be read; trying again");
            return Looked { any: true, next: Some(AGAIN) };
        }
    };
    let any = !claims.is_empty();
    // As many as the proxy gives out at once, about.
    let waits = futures_util::stream::iter(claims).map(|claim| attend(shared, session, claim));
    let waits: Vec<_> = waits.buffer_unordered(AT_ONCE).collect().await;
    Looked { any, next: waits.into_iter().flatten().min() }
}

/// Says what is to be said of a claim; when to look again.
async fn attend(shared: &Shared, session: &Session, claim: Claim) -> Option<Duration> {
    let failed = match due(&claim, shared.now()) {
        Due::At(then) => {
            return Some(Duration::from_millis(u64::try_from(then.since(shared.now())).unwrap_or(0)));
        }
        Due::Over => shared.history.claim_over(claim.event, claim.number).await.is_err(),
        Due::Report(status) => say(shared, session, &claim, status).await.is_err(),
    };
    failed.then_some(AGAIN)
}

fn due(claim: &Claim, now: UnixMillis) -> Due {
    match claim.outcome {
        _ if claim.lost && claim.pending => Due::At(now.plus(claim.lease)),
        _ if claim.lost => Due::Over,
        _ if claim.pending => match claim.at.plus(claim.lease / PARTS) {
            then if then <= now => Due::Report(WorkStatus::Processing),
            then => Due::At(then),
        },
        OutcomeKind::Succeeded => Due::Report(WorkStatus::Completed),
        OutcomeKind::Failed => Due::Report(WorkStatus::Failed),
        // Nobody here handles it: whoever does it says so.
        OutcomeKind::None | OutcomeKind::Running => match claim.at.plus(claim.lease) {
            then if then <= now => Due::Over,
            then => Due::At(then),
        },
    }
}

/// Why nothing is known of a claim.
enum Unsaid {
    /// The proxy did not answer as it should.
    Proxy,
    History(HistoryError),
}

impl From<HistoryError> for Unsaid {
    fn from(error: HistoryError) -> Self {
        Self::History(error)
    }
}

/// Reports, and keeps what the proxy says: whether the claim is held.
async fn say(shared: &Shared, session: &Session, claim: &Claim, status: WorkStatus) -> Result<bool, Unsaid> {
    let credential = session.worker.borrow().as_ref().map(|worker| worker.credential.clone());
    let Some(credential) = credential else {
        // Not registered yet.
        return Err(Unsaid::Proxy);
    };
    let reason = (status == WorkStatus::Failed)
        .then(|| claim.words.chars().take(ReportWork::LONGEST_REASON).collect::<String>());
    let report = ReportWork { status, reason, claim: Some(claim.number) };
    let asked = shared.now();
    match session.proxy.report_claim(&claim.webhook_id, &credential, &report).await {
        Ok(renewed) if status == WorkStatus::Processing => {
            let lease = i64::from(renewed.lease_seconds) * 1000;
            shared.history.claim_held(claim.event, claim.number, asked, lease).await?;
            Ok(true)
        }
        Ok(_) => {
            shared.history.claim_over(claim.event, claim.number).await?;
            Ok(true)
        }
        Err(ProxyError::Refused { status: 400 | 403 | 404 | 409, code, message, .. }) => {
            let lost = code == ErrorCode::ClaimLost.as_str();
            tracing::info!(
                event = claim.webhook_id,
                lost,
                message,
                "the event is not this machine's any more"
            );
            shared.history.claim_lost(claim.event, claim.number).await?;
            Ok(false)
        }
        Err(error) => {
            tracing::debug!(event = claim.webhook_id, %error, "a report did not reach the proxy");
            Err(Unsaid::Proxy)
        }
    }
}

/// Whether it is this machine's still, as far as it can know without a word
/// from the proxy.
pub(crate) fn is_held(claim: &Claim, now: UnixMillis) -> bool {
    !claim.lost && now < claim.at.plus(claim.lease / 2)
}

/// Whether an event may be handled now: it is not of a claim group, or this
/// machine holds it. Where the proxy may have given it to another meanwhile it
/// is asked, for as long as it takes.
pub(crate) async fn may_handle(shared: &Shared, session: &Session, event: i64) -> Result<bool, HistoryError> {
    loop {
        let Some(claim) = shared.history.claim(event).await? else { return Ok(true) };
        if claim.lost {
            shared.history.given_up(event).await?;
            return Ok(false);
        }
        if is_held(&claim, shared.now()) {
            return Ok(true);
        }
        match say(shared, session, &claim, WorkStatus::Processing).await {
            Ok(_) => {}
            Err(Unsaid::History(error)) => return Err(error),
            Err(Unsaid::Proxy) => tokio::select! {
                () = tokio::time::sleep(AGAIN) => {}
                // It waits still, and is asked for after the next start.
                () = shared.over.cancelled() => return Ok(false),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: UnixMillis = UnixMillis(1_800_000_000_000);

    fn claim(pending: bool, outcome: OutcomeKind, lost: bool) -> Claim {
        let (webhook_id, words) = ("evt_1".into(), "500 · 3 ms".into());
        Claim { event: 1, webhook_id, number: 2, lease: 60_000, at: AT, lost, pending, outcome, words }
    }

    #[test]
    fn what_is_handled_is_kept_and_what_has_ended_is_said() {
        let said = |pending, outcome, lost, after| due(&claim(pending, outcome, lost), AT.plus(after));
        let (running, done) = (OutcomeKind::Running, OutcomeKind::Succeeded);
        assert_eq!(said(true, running, false, 19_999), Due::At(AT.plus(20_000)));
        assert_eq!(said(true, running, false, 20_000), Due::Report(WorkStatus::Processing));
        assert_eq!(said(false, done, false, 0), Due::Report(WorkStatus::Completed));
        assert_eq!(said(false, OutcomeKind::Failed, false, 0), Due::Report(WorkStatus::Failed));
        // Nothing is said for others.
        assert_eq!(said(false, OutcomeKind::None, false, 1), Due::At(AT.plus(60_000)));
        assert_eq!(said(false, OutcomeKind::None, false, 60_000), Due::Over);
        // What is lost is not reported on, whatever became of it.
        assert_eq!(said(false, done, true, 0), Due::Over);
        assert!(matches!(said(true, running, true, 60_000), Due::At(_)));
    }
}
