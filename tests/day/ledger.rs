//! What the providers were told had arrived: the one book that the proxy has
//! no hand in.

use bytes::Bytes;
use postern_protocol::Provider;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// An event that was answered 200.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Its id, from the answer.
    pub(crate) id: String,
    pub(crate) provider: Provider,
    /// Which issue, or pull request, it is about.
    pub(crate) about: usize,
    /// The provider's own id of it.
    pub(crate) delivery: String,
    /// What was posted.
    pub(crate) body: Bytes,
}

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pages: Mutex<Pages>,
}

#[derive(Debug, Default)]
struct Pages {
    entries: Vec<Entry>,
    /// How often a post was refused, by the error's code.
    refusals: BTreeMap<String, u64>,
    /// How often a post was answered as one that had come before.
    repeated: u64,
    /// Events whose delivery may have been made without being written down,
    /// since the proxy was killed.
    uncertain: BTreeSet<String>,
}

impl Ledger {
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn accepted(&self, entry: Entry, duplicate: bool) {
        let mut pages = self.pages();
        pages.repeated += u64::from(duplicate);
        pages.entries.push(entry);
    }

    pub(crate) fn refused(&self, code: &str) {
        *self.pages().refusals.entry(code.to_owned()).or_default() += 1;
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.pages().entries.clone()
    }

    pub(crate) fn len(&self) -> usize {
        self.pages().entries.len()
    }

    pub(crate) fn refusals(&self) -> BTreeMap<String, u64> {
        self.pages().refusals.clone()
    }

    pub(crate) fn repeated(&self) -> u64 {
        self.pages().repeated
    }

    /// What was accepted from the `from`-th on may reach a worker once more
    /// than the books say.
    pub(crate) fn uncertain_since(&self, from: usize) {
        let mut pages = self.pages();
        let ids: Vec<String> = pages.entries[from..].iter().map(|entry| entry.id.clone()).collect();
        pages.uncertain.extend(ids);
    }

    pub(crate) fn is_uncertain(&self, id: &str) -> bool {
        self.pages().uncertain.contains(id)
    }
}
