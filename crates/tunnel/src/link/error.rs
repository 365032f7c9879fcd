//! Why a request got no answer, and why a link ended.

use crate::control::{ControlError, Goodbye};
use h2::Reason;
use std::sync::Arc;

/// Why a request through the tunnel has no answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The link had ended, or was closing, before anything was sent.
    #[error("the agent's connection is closed")]
    NotSent(#[source] Closed),
    /// The agent refused the request without looking at it.
    #[error("the agent refused the request unread")]
    Refused,
    /// The agent gave the request up: its handler failed, or was dropped.
    #[error("the agent gave the request up ({0})")]
    Reset(Reason),
    /// The link ended while the answer was awaited: the agent may have acted.
    #[error("the agent's connection ended before the answer")]
    Lost(#[source] Closed),
    /// The request cannot be sent over HTTP/2; nothing was.
    #[error("the request cannot travel over HTTP/2")]
    Invalid(#[source] h2::Error),
    /// It has no path, or an authority that is none; nothing was sent.
    #[error("the request's target cannot be sent")]
    InvalidTarget(#[source] http::Error),
}

impl SendError {
    /// Whether the agent certainly did not act on the request, so that it may
    /// go elsewhere, or again. (Its body may have been read in part.)
    #[must_use]
    pub fn is_safe_to_retry(&self) -> bool {
        matches!(self, Self::NotSent(_) | Self::Refused)
    }
}

/// Why a link ended, or is about to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// This end closed it.
    #[error("this end closed the link: {0}")]
    Here(Goodbye),
    /// The other end took its leave.
    #[error("the other end closed the link: {0}")]
    There(Goodbye),
    /// The other end answered no heartbeat.
    #[error("the other end no longer answers")]
    Silent,
    /// The connection broke, or ended without a goodbye.
    #[error("the connection broke: {0}")]
    Lost(Arc<str>),
    /// The other end said what makes no sense.
    #[error("the other end broke the protocol: {0}")]
    Protocol(Arc<str>),
}

impl Closed {
    pub(crate) fn lost(error: &impl std::fmt::Display) -> Self {
        Self::Lost(error.to_string().into())
    }

    pub(crate) fn of(error: &ControlError) -> Self {
        match error {
            ControlError::Broken(_) => Self::lost(error),
            ControlError::TooLong | ControlError::Malformed(_) | ControlError::NoHello => {
                Self::Protocol(error.to_string().into())
            }
        }
    }
}
