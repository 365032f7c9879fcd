//! How often each worker has answered anything, in this process. An attempt
//! that got no answer looks whether others did meanwhile: then it is not the
//! worker that is out of reach.

use postern_protocol::id::WorkerId;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Counts answers.
#[derive(Debug, Default)]
pub(crate) struct Heard(Mutex<HashMap<WorkerId, u64>>);

impl Heard {
    /// The worker's answers so far.
    pub(crate) fn so_far(&self, worker: WorkerId) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&worker).copied().unwrap_or(0)
    }

    /// It has answered.
    pub(crate) fn answer(&self, worker: WorkerId) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(worker).or_default() += 1;
    }
}
