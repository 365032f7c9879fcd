//! When the path was last proven, and what came of the last canary.

use crate::api::Unproven;
use postern_protocol::UnixMillis;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

/// What a session knows of its path. Deliveries note here, thousands a second.
#[derive(Debug, Default)]
pub(crate) struct Proof {
    /// In Unix milliseconds; 0: never.
    at: AtomicI64,
    /// The last canary that did not arrive, and when it was asked for.
    missed: Mutex<Option<(UnixMillis, String)>>,
}

impl Proof {
    /// Something was received and verified.
    pub(crate) fn made(&self, now: UnixMillis) {
        self.at.fetch_max(now.0, Ordering::Relaxed);
    }

    /// A canary asked for at `asked` did not arrive; says whether that is news.
    pub(super) fn missed(&self, asked: UnixMillis, problem: String) -> bool {
        let mut missed = self.lock();
        let news = missed.as_ref().is_none_or(|(_, known)| *known != problem);
        // Since when nothing arrives counts from the first.
        let since = match &*missed {
            Some((since, _)) if self.at().is_none_or(|at| at < *since) => *since,
            _ => asked,
        };
        *missed = Some((since, problem));
        news
    }

    /// When the path was last proven.
    pub(crate) fn at(&self) -> Option<UnixMillis> {
        Some(UnixMillis(self.at.load(Ordering::Relaxed))).filter(|at| at.0 > 0)
    }

    /// Since when it is not proven any more, when a canary was missed and
    /// nothing has come since.
    pub(crate) fn unproven(&self) -> Option<Unproven> {
        let (asked, problem) = self.lock().clone()?;
        match self.at() {
            Some(at) if at > asked => None,
            at => Some(Unproven { since: at.unwrap_or(asked), problem }),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(UnixMillis, String)>> {
        self.missed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_arrives_after_a_missed_canary_proves_the_path_again() {
        let proof = Proof::default();
        assert_eq!((proof.at(), proof.unproven()), (None, None));
        assert!(proof.missed(UnixMillis(50), "refused".into()));
        assert_eq!(proof.unproven(), Some(Unproven { since: UnixMillis(50), problem: "refused".into() }));
        assert!(!proof.missed(UnixMillis(80), "refused".into()), "no news");
        assert_eq!(proof.unproven().unwrap().since, UnixMillis(50));
        proof.made(UnixMillis(100));
        proof.made(UnixMillis(90));
        assert_eq!((proof.at(), proof.unproven()), (Some(UnixMillis(100)), None));
        assert!(proof.missed(UnixMillis(200), "no answer".into()));
        assert_eq!(proof.unproven(), Some(Unproven { since: UnixMillis(100), problem: "no answer".into() }));
    }
}
