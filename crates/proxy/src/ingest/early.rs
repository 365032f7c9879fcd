//! Which webhooks may be sent before they are committed. Should the commit
//! fail, the provider is told so, and must send the webhook again by itself:
//! then it is another event, and the worker gets it twice.

use crate::store::NewEvent;
use postern_protocol::Provider;
use std::sync::atomic::{AtomicBool, Ordering};

/// Says so.
pub(super) struct Early {
    wanted: bool,
    /// The last commit succeeded. While they fail, repetitions would be sent
    /// again and again.
    commits: AtomicBool,
}

impl Early {
    pub(super) fn new(wanted: bool) -> Self {
        Self { wanted, commits: AtomicBool::new(true) }
    }

    /// Whether this one may be.
    pub(super) fn allows(&self, event: &NewEvent) -> bool {
        self.wanted
            && matches!(event.provider, Provider::Linear | Provider::Stripe | Provider::Slack)
            && !event.synthetic
            && self.commits.load(Ordering::Relaxed)
    }

    /// Notes whether a commit succeeded.
    pub(super) fn committed(&self, well: bool) {
        self.commits.store(well, Ordering::Relaxed);
    }
}
