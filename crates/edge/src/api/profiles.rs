//! Several proxies and workspaces on one machine.

use super::{ApiError, Connection, Status, status};
use crate::EdgeHandle;
use crate::registration;
use crate::state::Shared;
use postern_protocol::ErrorCode;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use ts_rs::TS;

/// The longest name a profile may have, in characters.
const LONGEST_NAME: usize = 60;

/// A profile in short: a workspace at a proxy that this machine works for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ProfileState {
    /// Unique on this machine.
    #[ts(type = "number")]
    pub id: i64,
    /// What it is called here; the workspace's name unless it was given another.
    pub name: String,
    /// The workspace's name.
    pub workspace: String,
    /// The proxy's base URL.
    pub proxy_url: String,
    /// Whether it is the one that is shown.
    pub shown: bool,
    /// How its registration stands.
    pub connection: Connection,
    /// Events in its history.
    #[ts(type = "number")]
    pub events: u64,
}

/// `switch_profile`, `remove_profile`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct ProfileKey {
    /// [`ProfileState::id`].
    #[ts(type = "number")]
    pub id: i64,
}

/// `rename_profile`.
#[derive(Clone, Debug, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct RenameProfile {
    /// [`ProfileState::id`].
    #[ts(type = "number")]
    pub id: i64,
    /// 1 to 60 characters, and no other profile's; absent or null: the
    /// workspace's name again.
    pub name: Option<String>,
}

/// Shows another profile. The one shown before goes on receiving.
///
/// # Errors
/// `not_found`.
pub async fn switch_profile(edge: &EdgeHandle, args: ProfileKey) -> Result<Status, ApiError> {
    let slot = slot(edge, args.id)?;
    edge.shared.history.show_profile(args.id).await?;
    edge.profiles.show(&slot);
    status(&edge.of(slot)).await
}

/// Gives a profile another name on this machine.
///
/// # Errors
/// `not_found`; `request.malformed` for a name that cannot be one, or is
/// another profile's.
pub async fn rename_profile(edge: &EdgeHandle, args: RenameProfile) -> Result<Status, ApiError> {
    let slot = slot(edge, args.id)?;
    let name = args.name.as_deref().map(checked_name).transpose()?;
    if let Some(name) = &name {
        let taken = edge.profiles.all().into_iter().any(|other| {
            !Arc::ptr_eq(&other, &slot)
                && other.profile_name().is_some_and(|own| own.to_lowercase() == name.to_lowercase())
        });
        if taken {
            return Err(ApiError::new(ErrorCode::BadRequest, "another profile has this name"));
        }
    }
    edge.shared.history.set_label(args.id, name.clone()).await?;
    slot.label.send_replace(name);
    slot.touch();
    status(edge).await
}

/// Signs out of a profile and deletes what this machine has of it: its token
/// and the worker's secrets, its events with everything that was done with
/// them, its refused requests. What the proxy has is not touched.
///
/// # Errors
/// `not_found`; `keychain.*` when the secrets cannot be removed, and
/// `store.unavailable`: then what is not deleted yet is still there.
pub async fn remove_profile(edge: &EdgeHandle, args: ProfileKey) -> Result<Status, ApiError> {
    let slot = slot(edge, args.id)?;
    let shown = registration::sign_out(&edge.profiles, &slot).await?;
    edge.shared.history.remove_profile(args.id).await?;
    status(&edge.of(shown)).await
}

/// A profile's name as it is kept.
pub(super) fn checked_name(name: &str) -> Result<String, ApiError> {
    let name = name.trim();
    if !(1..=LONGEST_NAME).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        let message = format!("the name must be one line of 1 to {LONGEST_NAME} characters");
        return Err(ApiError::new(ErrorCode::BadRequest, message));
    }
    Ok(name.to_owned())
}

fn slot(edge: &EdgeHandle, id: i64) -> Result<Arc<Shared>, ApiError> {
    let unknown = || ApiError::new(ErrorCode::NotFound, "there is no such profile on this machine");
    edge.profiles.of(id).ok_or_else(unknown)
}
