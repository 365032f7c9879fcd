//! Proof that events would arrive. A lease says that the proxy can be reached
//! from here, not that what it posts comes through; only what was received and
//! verified here proves that: a delivery, or a canary.
//!
//! A quiet canary ([`quiet`]) is asked for when nothing else has proven the
//! path for a while; it stops at the receiver and is kept nowhere. The other
//! ([`path`]) is asked for by a person and takes the whole path, each hop
//! timed ([`hops`]).
//!
//! A canary proves something only when its nonce is one that was asked for and
//! not seen before: one that somebody repeats proves nothing.

mod hops;
mod path;
mod proof;
mod quiet;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use tokio::sync::oneshot;
use tokio::time::Instant;

pub(crate) use path::test;
pub(crate) use proof::Proof;
pub(crate) use quiet::run;

/// When a canary was where on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrived {
    /// Its head was read.
    pub(crate) received: Instant,
    /// Its signature was found good.
    pub(crate) verified: Instant,
    /// It was on the disk; absent for a quiet one.
    pub(crate) stored: Option<Instant>,
}

/// The canaries that were asked for and have not arrived.
#[derive(Debug, Default)]
pub(crate) struct Expected(Mutex<HashMap<String, oneshot::Sender<Arrived>>>);

/// One of them, expected until dropped.
#[derive(Debug)]
struct Awaited<'e> {
    expected: &'e Expected,
    nonce: String,
    arrived: oneshot::Receiver<Arrived>,
}

impl Expected {
    /// Expects a new canary.
    fn one(&self) -> Awaited<'_> {
        let nonce = hex::encode(rand::random::<[u8; 16]>());
        let (tell, arrived) = oneshot::channel();
        self.lock().insert(nonce.clone(), tell);
        Awaited { expected: self, nonce, arrived }
    }

    /// One with this nonce has arrived; says whether it was expected.
    pub(crate) fn arrived(&self, nonce: &str, arrived: Arrived) -> bool {
        self.lock().remove(nonce).is_some_and(|tell| tell.send(arrived).is_ok())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, oneshot::Sender<Arrived>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Awaited<'_> {
    /// When it arrived, if it has: the proxy answers after the receiver did.
    fn arrived(&mut self) -> Option<Arrived> {
        self.arrived.try_recv().ok()
    }
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        self.expected.lock().remove(&self.nonce);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Arrived {
        let at = Instant::now();
        Arrived { received: at, verified: at, stored: None }
    }

    #[test]
    fn only_what_was_asked_for_counts_and_only_once() {
        let expected = Expected::default();
        assert!(!expected.arrived("made-up", now()));
        let mut one = expected.one();
        let nonce = one.nonce.clone();
        assert_eq!(one.arrived(), None);
        assert!(expected.arrived(&nonce, now()));
        assert!(!expected.arrived(&nonce, now()), "somebody repeats it");
        assert!(one.arrived().is_some());
        let nonce = { expected.one().nonce.clone() };
        assert!(!expected.arrived(&nonce, now()), "nobody waits for it any more");
        assert!(expected.lock().is_empty());
    }
}
