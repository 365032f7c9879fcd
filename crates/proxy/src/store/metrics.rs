//! What a store's writes are measured by.

use metrics::{Histogram, Unit, describe_histogram, histogram};
use std::time::Duration;

/// How many writes there were in one commit: a count, not a time.
pub const BATCH_SIZE: &str = "postern_store_batch_size";

/// A store's metrics. Made where a recorder is set.
#[derive(Clone)]
pub struct WriteMetrics {
    commit: Histogram,
    batch: Histogram,
}

impl WriteMetrics {
    /// Registers them with the recorder that is set.
    #[must_use]
    pub fn new() -> Self {
        let commit = "postern_store_commit_seconds";
        describe_histogram!(
            commit,
            Unit::Seconds,
            "How long transactions took, their writing to disk included"
        );
        describe_histogram!(BATCH_SIZE, "Writes that shared one transaction");
        Self { commit: histogram!(commit), batch: histogram!(BATCH_SIZE) }
    }

    /// A transaction of so many writes was committed.
    pub(super) fn committed(&self, writes: usize, took: Duration) {
        self.commit.record(took.as_secs_f64());
        self.batch.record(f64::from(u32::try_from(writes).unwrap_or(u32::MAX)));
    }
}

impl Default for WriteMetrics {
    fn default() -> Self {
        Self::new()
    }
}
