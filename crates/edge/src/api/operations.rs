//! The operations.

use super::types::*;
use crate::EdgeHandle;
use postern_protocol::ErrorCode;
use postern_protocol::api::EventRecord;

fn unfinished() -> ApiError {
    ApiError::new(ErrorCode::Internal, "not built yet")
}

/// See the table in [`crate::api`].
///
/// # Errors
/// To be said.
pub async fn status(edge: &EdgeHandle) -> Result<Status, ApiError> {
    let _ = (edge);
    Err(unfinished())
}

/// See the table in [`crate::api`].
///
/// # Errors
/// To be said.
pub async fn sign_in(edge: &EdgeHandle, args: SignIn) -> Result<Status, ApiError> {
    let _ = (edge, args);
    Err(unfinished())
}

/// See the table in [`crate::api`].
///
/// # Errors
/// To be said.
pub async fn sign_out(edge: &EdgeHandle) -> Result<Status, ApiError> {
    let _ = (edge);
    Err(unfinished())
}

/// See the table in [`crate::api`].
///
/// # Errors
/// To be said.
pub async fn set_paused(edge: &EdgeHandle, args: SetPaused) -> Result<Status, ApiError> {
    let _ = (edge, args);
    Err(unfinished())
}

/// See the table in [`crate::api`].
///
/// # Errors
/// To be said.
pub async fn set_forward(edge: &EdgeHandle, args: SetForward) -> Result<Status, ApiError> {
    let _ = (edge, args);
    Err(unfinished())
}

/// See the table in [`crate::api`].
///
/// # Errors
/// To be said.
pub async fn set_settings(edge: &EdgeHandle, args: Settings) -> Result<Status, ApiError> {
    let _ = (edge, args);
    Err(unfinished())
}

/// See the table in [`crate::api`].
///
/// # Errors
/// To be said.
pub async fn events(edge: &EdgeHandle, args: EventQuery) -> Result<EventPage, ApiError> {
    let _ = (edge, args);
    Err(unfinished())
}

/// See the table in [`crate::api`].
///
/// # Errors
/// To be said.
pub async fn events_since(edge: &EdgeHandle, args: Since) -> Result<Changes, ApiError> {
    let _ = (edge, args);
    Err(unfinished())
}

/// See the table in [`crate::api`].
///
/// # Errors
/// To be said.
pub async fn event(edge: &EdgeHandle, args: EventKey) -> Result<EventDetail, ApiError> {
    let _ = (edge, args);
    Err(unfinished())
}

/// See the table in [`crate::api`].
///
/// # Errors
/// To be said.
pub async fn event_record(edge: &EdgeHandle, args: EventKey) -> Result<EventRecord, ApiError> {
    let _ = (edge, args);
    Err(unfinished())
}

/// See the table in [`crate::api`].
///
/// # Errors
/// To be said.
pub async fn replay(edge: &EdgeHandle, args: Replay) -> Result<HandlerRun, ApiError> {
    let _ = (edge, args);
    Err(unfinished())
}

/// See the table in [`crate::api`].
///
/// # Errors
/// To be said.
pub async fn trigger(edge: &EdgeHandle, args: Trigger) -> Result<Triggered, ApiError> {
    let _ = (edge, args);
    Err(unfinished())
}

/// See the table in [`crate::api`].
///
/// # Errors
/// To be said.
pub async fn templates(edge: &EdgeHandle) -> Result<Templates, ApiError> {
    let _ = (edge);
    Err(unfinished())
}

/// See the table in [`crate::api`].
///
/// # Errors
/// To be said.
pub async fn sources(edge: &EdgeHandle) -> Result<Sources, ApiError> {
    let _ = (edge);
    Err(unfinished())
}

/// See the table in [`crate::api`].
///
/// # Errors
/// To be said.
pub async fn rejected(edge: &EdgeHandle, args: RejectedQuery) -> Result<RejectedPage, ApiError> {
    let _ = (edge, args);
    Err(unfinished())
}
