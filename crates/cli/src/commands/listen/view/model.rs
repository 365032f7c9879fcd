//! What the view shows.

use crate::view::{List, Row};
use postern_edge::api::{EventSummary, Status};

pub(super) struct Model {
    pub(super) status: Status,
    pub(super) forward_to: Option<String>,
    pub(super) list: List<EventSummary>,
}

impl Model {
    pub(super) fn new(status: Status, forward_to: Option<String>) -> Self {
        Self { status, forward_to, list: List::default() }
    }

    /// A second has passed.
    pub(super) fn second(&mut self) {
        self.status.now = self.status.now.plus(1_000);
    }
}

impl Row for EventSummary {
    type Id = String;

    fn id(&self) -> String {
        self.id.clone()
    }

    fn words(&self) -> String {
        format!(
            "{} {} {} {} {} {}",
            self.name, self.provider, self.source, self.subject, self.detail, self.outcome.label
        )
    }
}
