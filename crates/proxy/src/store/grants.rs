//! What a member of a claim group holds.
//!
//! A group's delivery is *granted* to one member at a time, by a number that
//! grows each time and a lease. What the member reports counts only while the
//! grant of that number stands: whoever lost it cannot finish it.

use postern_protocol::UnixMillis;
use postern_protocol::api::{GroupName, RetryPolicy, WorkReport};
use postern_protocol::id::{DeliveryId, EventId, WorkerId, WorkspaceId};
use std::sync::Arc;
use std::time::Duration;

use super::{Next, RequestId};

/// That a claimed delivery is granted to a member of a claim group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// The group.
    pub group: GroupName,
    /// Which time it is granted, from 1.
    pub number: u32,
    /// For how long from the member's answer on.
    pub lease: Duration,
}

/// A delivery that a member holds, as of one moment. While its number stands,
/// so does the rest.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The delivery.
    pub delivery: DeliveryId,
    /// Its event.
    pub event: EventId,
    /// Which replay of it, from 1; 0: none.
    pub replay: u32,
    /// Whose event it is.
    pub workspace: WorkspaceId,
    /// Who holds it.
    pub worker: WorkerId,
    /// Which time it is granted.
    pub number: u32,
    /// How many attempts were made.
    pub attempts: u32,
    /// How many failures the schedule has counted so far.
    pub failures: u32,
    /// From when on its age counts.
    pub counts_from: Option<UnixMillis>,
    /// The member's own retry policy.
    pub retry: Option<Arc<RetryPolicy>>,
    /// Whether the next of its entity waits for it.
    pub ordered: bool,
    /// When the event was accepted.
    pub received_at: UnixMillis,
    /// The request it came in by.
    pub request: Option<RequestId>,
}

/// What a report of a worker's is about.
#[derive(Clone, Debug)]
pub enum GrantSought {
    /// No delivery of the worker's claim group.
    None,
    /// One that it does not hold any more, or not by this number.
    Lost,
    /// One that it has completed by this number.
    Completed,
    /// One that it holds.
    Held(Box<Grant>),
}

/// What a report makes of a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GrantStep {
    /// The member goes on with it.
    Renew,
    /// It is done. The member keeps the entity until the lease is over.
    Complete,
    /// It came to nothing: the entity is free, and this follows. Only
    /// [`Next::RetryAt`] and [`Next::Dead`].
    Fail(Next),
}

/// A report on a grant.
#[derive(Clone, Debug)]
pub struct GrantReport {
    /// Whose.
    pub worker: WorkerId,
    /// On which event.
    pub event: EventId,
    /// On which replay of it; 0: on none.
    pub replay: u32,
    /// By which number.
    pub number: u32,
    /// What it makes of it.
    pub step: GrantStep,
    /// Until when the member holds it after [`GrantStep::Renew`], and the entity
    /// after [`GrantStep::Complete`].
    pub until: UnixMillis,
    /// What is kept for those who look.
    pub report: WorkReport,
}
