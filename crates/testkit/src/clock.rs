//! A clock that can be set, as people and network time do.

use crate::SystemClock;
use postern_protocol::{Clock, UnixMillis};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// The machine's clock, and how far off it has been set.
#[derive(Debug, Default)]
pub struct JumpClock {
    offset: AtomicI64,
}

impl JumpClock {
    /// Sets it forward.
    pub fn forward(&self, by: Duration) {
        self.offset.fetch_add(millis(by), Ordering::AcqRel);
    }

    /// Sets it back.
    pub fn back(&self, by: Duration) {
        self.offset.fetch_sub(millis(by), Ordering::AcqRel);
    }
}

impl Clock for JumpClock {
    fn now(&self) -> UnixMillis {
        SystemClock.now().plus(self.offset.load(Ordering::Acquire))
    }
}

fn millis(by: Duration) -> i64 {
    i64::try_from(by.as_millis()).unwrap_or(i64::MAX)
}
