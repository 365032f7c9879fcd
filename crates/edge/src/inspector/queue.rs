//! What waits to be written, for a moment: what comes together is written
//! together, and to wait costs those who answer nothing. Whoever asks for
//! something does not wait that long.

use super::Stored;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// So many exchanges wait at most.
pub(super) const MOST: usize = 4_096;
/// How long the first of them waits for others.
const MOMENT: Duration = Duration::from_millis(100);

/// What is to be done, in its order.
pub(super) enum Job {
    Keep(Box<Stored>),
    /// Answers once all before it is written.
    Sync(oneshot::Sender<()>),
    Forget {
        profile: i64,
        tunnel: Option<String>,
        done: oneshot::Sender<()>,
    },
}

/// Between those who answer and the thread that writes.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    news: Condvar,
}

#[derive(Default)]
struct Waiting {
    jobs: Vec<Job>,
    /// Somebody waits for what is to be done.
    urgent: bool,
    /// Nothing comes any more.
    ended: bool,
}

impl Queue {
    /// Has an exchange kept a moment later; `false`: too many wait already.
    pub(super) fn keep(&self, exchange: Stored) -> bool {
        let mut waiting = self.waiting();
        if waiting.jobs.len() >= MOST {
            return false;
        }
        waiting.jobs.push(Job::Keep(Box::new(exchange)));
        // The thread sleeps until the first, and not with each of the others.
        if waiting.jobs.len() == 1 {
            self.news.notify_one();
        }
        true
    }

    /// Has something done that somebody waits for.
    pub(super) fn ask(&self, job: Job) {
        let mut waiting = self.waiting();
        waiting.jobs.push(job);
        waiting.urgent = true;
        self.news.notify_one();
    }

    /// What waits is done at once, and nothing after it.
    pub(super) fn end(&self) {
        self.waiting().ended = true;
        self.news.notify_one();
    }

    /// Waits for something to do; `None`: all is done.
    pub(super) fn take(&self) -> Option<Vec<Job>> {
        let nothing = |waiting: &mut Waiting| waiting.jobs.is_empty() && !waiting.ended;
        let waiting = self.news.wait_while(self.waiting(), nothing);
        let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        let until = Instant::now() + MOMENT;
        while !(waiting.urgent || waiting.ended) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.news.wait_timeout(waiting, left);
            waiting = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        waiting.urgent = false;
        let jobs = std::mem::take(&mut waiting.jobs);
        (!jobs.is_empty()).then_some(jobs)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
