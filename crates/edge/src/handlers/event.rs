//! All that is done with one event: a first try of every handler at once, then
//! each one's repetitions, and what it came to.

use super::forward::duration;
use super::repeat;
use super::run::{Handler, forward};
use crate::api::{Outcome, OutcomeKind};
use crate::claims;
use crate::history::{HistoryError, RunEnd, Settled, StoredPayload, Waiting};
use crate::state::{Session, Shared};
use futures_util::future::join_all;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::SemaphorePermit;
use tokio_util::sync::CancellationToken;

/// What every event is handled with.
pub(super) struct Work {
    pub(super) shared: Arc<Shared>,
    pub(super) session: Arc<Session>,
    pub(super) stop: CancellationToken,
}

impl Work {
    /// Handles one event as the rules are now. At the stop it goes on waiting
    /// for the next start, unless it is being sent.
    pub(super) async fn handle(&self, event: i64) -> Result<(), HistoryError> {
        let (tally, failed) = {
            let Some((permit, payload, done)) = self.turn(event).await? else { return Ok(()) };
            let handlers = self.handlers(&payload);
            if handlers.is_empty() {
                return self.shared.history.unwanted(event).await;
            }
            let tally = Tally::new(&handlers, &done);
            let left: Vec<_> = tally.left(&handlers).collect();
            if left.is_empty() {
                return self.shared.history.settle(event, tally.settled()).await;
            }
            let tries = left.into_iter().map(|(n, handler)| self.first(&payload, n, handler, &tally));
            // Each to its end, whatever becomes of the others.
            let failed = join_all(tries).await.into_iter().collect::<Result<Vec<_>, _>>()?;
            drop(permit);
            (tally, failed)
        };
        let repeats = failed.into_iter().flatten().map(|failed| self.repeat(event, failed, &tally));
        join_all(repeats).await.into_iter().collect()
    }

    /// Waits for an event's turn to be sent, which comes only while it is this
    /// machine's. The payload is read then, lest all that wait are in memory.
    async fn turn(&self, event: i64) -> Result<Option<Turn<'_>>, HistoryError> {
        loop {
            let permit = tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ok(None),
                permit = self.shared.sends.acquire() => permit,
            };
            let Ok(permit) = permit else { return Ok(None) };
            let Some(Waiting { payload, done, claim }) = self.shared.history.waiting(event).await? else {
                return Ok(None);
            };
            if claim.is_none_or(|claim| claims::is_held(&claim, self.shared.now())) {
                return Ok(Some((permit, payload, done)));
            }
            // The proxy is asked while others are sent.
            drop(permit);
            if !claims::may_handle(&self.shared, &self.session, event).await? {
                return Ok(None);
            }
        }
    }

    /// Who takes the event: the rules in order, then temporary listeners.
    fn handlers(&self, payload: &StoredPayload) -> Vec<Handler> {
        let rules = Arc::clone(&self.session.rules.borrow());
        let mut handlers: Vec<_> = rules.handlers(payload).collect();
        let listening = self.shared.listeners.wanting(payload.provider, &payload.described, &payload.body);
        for target in listening {
            // Whoever listens where a rule forwards to gets an event once.
            if !handlers.iter().any(|handler| handler.to.target == target) {
                handlers.push(Handler::plain(target));
            }
        }
        handlers
    }

    async fn first(
        &self,
        payload: &StoredPayload,
        n: usize,
        handler: &Handler,
        tally: &Tally,
    ) -> Result<Option<Failed>, HistoryError> {
        let mut again = None;
        let settle = |end: &RunEnd| {
            again = repeat::wait(handler.to.repeat, 1, end);
            settle(tally, n, end, again)
        };
        forward(&self.shared, &self.session, payload.clone(), handler, 1, settle).await?;
        Ok(again.map(|wait| Failed { n, handler: handler.clone(), wait }))
    }

    /// The tries after the first, as the rule then is.
    async fn repeat(&self, event: i64, failed: Failed, tally: &Tally) -> Result<(), HistoryError> {
        let Failed { n, mut handler, mut wait } = failed;
        for number in 2.. {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(wait) => {}
            }
            let to =
                handler.rule.as_ref().and_then(|rule| self.session.rules.borrow().target(rule.id).cloned());
            let Some(to) = to else {
                // The rule is gone: what it last came to stays.
                return match tally.end(n) {
                    Some(settled) => self.shared.history.settle(event, settled).await,
                    None => Ok(()),
                };
            };
            handler.to = to;
            if !claims::may_handle(&self.shared, &self.session, event).await? {
                return Ok(());
            }
            let _permit = tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ok(()),
                permit = self.shared.sends.acquire() => permit,
            };
            let Some(payload) = self.shared.history.payload(event).await? else { return Ok(()) };
            let mut again = None;
            let settle = |end: &RunEnd| {
                again = repeat::wait(handler.to.repeat, number, end);
                settle(tally, n, end, again)
            };
            forward(&self.shared, &self.session, payload, &handler, number, settle).await?;
            match again {
                Some(next) => wait = next,
                None => return Ok(()),
            }
        }
        Ok(())
    }
}

/// An event's turn to be sent: the event, and the rules that have succeeded.
type Turn<'a> = (SemaphorePermit<'a>, StoredPayload, Vec<(u64, Outcome, Option<u16>)>);

/// A handler whose try failed and is made again.
struct Failed {
    n: usize,
    handler: Handler,
    wait: Duration,
}

/// What the event shows after a try.
fn settle(tally: &Tally, n: usize, end: &RunEnd, again: Option<Duration>) -> Option<Settled> {
    tally.came_to(n, end);
    let Some(wait) = again else { return tally.end(n) };
    let micros = u64::try_from(wait.as_micros()).unwrap_or(u64::MAX);
    let label = format!("{} · again in {}", short(&end.outcome.label), duration(micros));
    Some(Settled { outcome: Outcome { kind: OutcomeKind::Running, label }, status: end.status, done: false })
}

/// `500` of `500 · 12 ms`.
fn short(label: &str) -> &str {
    label.split(" · ").next().unwrap_or(label)
}

/// What each handler of one event came to.
struct Tally(Mutex<Vec<Count>>);

struct Count {
    rule: Option<u64>,
    name: String,
    outcome: Option<Outcome>,
    status: Option<u16>,
    micros: u64,
    ended: bool,
}

impl Tally {
    /// Those that have succeeded before count as ended.
    fn new(handlers: &[Handler], done: &[(u64, Outcome, Option<u16>)]) -> Self {
        let counts = handlers.iter().map(|handler| {
            let rule = handler.rule.as_ref().map(|rule| rule.id);
            let done = done.iter().find(|(id, ..)| Some(*id) == rule);
            Count {
                rule,
                name: handler.name(),
                outcome: done.map(|(_, outcome, _)| outcome.clone()),
                status: done.and_then(|(.., status)| *status),
                micros: 0,
                ended: done.is_some(),
            }
        });
        Self(Mutex::new(counts.collect()))
    }

    /// The handlers that have not ended, with their numbers.
    fn left<'h>(&self, handlers: &'h [Handler]) -> impl Iterator<Item = (usize, &'h Handler)> + use<'h> {
        let ended: Vec<_> = self.counts().iter().map(|count| count.ended).collect();
        handlers.iter().enumerate().zip(ended).filter(|(_, ended)| !ended).map(|(handler, _)| handler)
    }

    fn came_to(&self, n: usize, end: &RunEnd) {
        if let Some(count) = self.counts().get_mut(n) {
            count.outcome = Some(end.outcome.clone());
            count.status = end.status;
            count.micros = end.micros;
        }
    }

    /// A handler has ended: what the event came to, when it was the last one.
    fn end(&self, n: usize) -> Option<Settled> {
        let mut counts = self.counts();
        if let Some(count) = counts.get_mut(n) {
            count.ended = true;
        }
        counts.iter().all(|count| count.ended).then(|| sum(&counts))
    }

    fn settled(&self) -> Settled {
        sum(&self.counts())
    }

    fn counts(&self) -> std::sync::MutexGuard<'_, Vec<Count>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One word for all: failed when any has; and the status that goes with it.
fn sum(counts: &[Count]) -> Settled {
    let has_failed =
        |count: &&Count| count.outcome.as_ref().is_some_and(|outcome| outcome.kind == OutcomeKind::Failed);
    let failed: Vec<_> = counts.iter().filter(has_failed).collect();
    let settled = |kind, label, count: Option<&Count>| Settled {
        outcome: Outcome { kind, label },
        status: count.and_then(|count| count.status),
        done: true,
    };
    let label =
        |count: &Count| count.outcome.as_ref().map(|outcome| outcome.label.clone()).unwrap_or_default();
    match (counts, failed.as_slice()) {
        ([only], []) => settled(OutcomeKind::Succeeded, label(only), Some(only)),
        ([only], _) => settled(OutcomeKind::Failed, label(only), Some(only)),
        (all, []) => {
            let longest = all.iter().map(|count| count.micros).max().unwrap_or(0);
            let label = format!("{} targets · {}", all.len(), duration(longest));
            settled(OutcomeKind::Succeeded, label, all.first())
        }
        (_, [one]) => {
            let label = match one.rule {
                Some(_) => format!("{}: {}", one.name, label(one)),
                None => label(one),
            };
            settled(OutcomeKind::Failed, label, Some(one))
        }
        (all, several) => {
            let label = format!("{} of {} failed", several.len(), all.len());
            settled(OutcomeKind::Failed, label, several.first().copied())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(name: &str, kind: OutcomeKind, label: &str, micros: u64) -> Count {
        let outcome = Some(Outcome { kind, label: label.into() });
        let status = label.split(' ').next().and_then(|status| status.parse().ok());
        Count { rule: Some(1), name: name.into(), outcome, status, micros, ended: true }
    }

    fn label(counts: &[Count]) -> (OutcomeKind, String, Option<u16>) {
        let Settled { outcome: Outcome { kind, label }, status, .. } = sum(counts);
        (kind, label, status)
    }

    #[test]
    fn one_word_stands_for_all_handlers() {
        use OutcomeKind::{Failed, Succeeded};
        let app = || count("app", Succeeded, "200 · 12 ms", 12_000);
        let mirror = || count("mirror", Succeeded, "204 · 15 ms", 15_000);
        let dead = || count("old", Failed, "500 · 1.0 ms", 1_000);
        assert_eq!(label(&[app()]), (Succeeded, "200 · 12 ms".into(), Some(200)));
        assert_eq!(label(&[dead()]), (Failed, "500 · 1.0 ms".into(), Some(500)));
        assert_eq!(label(&[app(), mirror()]), (Succeeded, "2 targets · 15 ms".into(), Some(200)));
        assert_eq!(label(&[app(), dead()]), (Failed, "old: 500 · 1.0 ms".into(), Some(500)));
        assert_eq!(label(&[dead(), app(), dead()]), (Failed, "2 of 3 failed".into(), Some(500)));
    }
}
