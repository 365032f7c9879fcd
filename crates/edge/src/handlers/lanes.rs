//! One forward of an entity at a time: the next begins where the one before
//! has ended.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A profile and an entity.
pub(super) type Lane = (i64, String);

/// The entities being forwarded, each with what waits behind.
#[derive(Default)]
pub(super) struct Lanes(Mutex<HashMap<Lane, Line>>);

struct Line {
    /// The newest event that is in it, or was.
    newest: i64,
    waiting: VecDeque<i64>,
}

impl Lanes {
    /// Puts an event in line, if one of its entity is being forwarded.
    pub(super) fn queue(&self, lane: &Lane, event: i64) -> bool {
        let mut lanes = self.lock();
        let Some(line) = lanes.get_mut(lane) else { return false };
        // After a change of profiles and back, what waits is read again.
        if event > line.newest {
            line.newest = event;
            line.waiting.push_back(event);
        }
        true
    }

    /// The first of its entity is about to be forwarded.
    pub(super) fn begin(&self, lane: Lane, event: i64) {
        self.lock().insert(lane, Line { newest: event, waiting: VecDeque::new() });
    }

    /// One has ended: the next in line, if there is one.
    pub(super) fn next(&self, lane: &Lane) -> Option<i64> {
        let mut lanes = self.lock();
        let next = lanes.get_mut(lane)?.waiting.pop_front();
        if next.is_none() {
            lanes.remove(lane);
        }
        next
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Lane, Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
