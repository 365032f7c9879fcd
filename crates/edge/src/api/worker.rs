//! This machine's worker at the proxy: its name, and the token it works with.

use super::{ApiError, Status, status};
use crate::EdgeHandle;
use crate::registration;
use postern_protocol::Secret;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// `rename_worker`.
#[derive(Clone, Debug, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct RenameWorker {
    /// One line of 1 to 100 characters.
    pub name: String,
}

/// `change_token`.
#[derive(Clone, Debug, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct ChangeToken {
    /// A token of the same workspace.
    #[ts(type = "string")]
    pub token: Secret,
}

/// Gives this machine's worker another name at the proxy, by registering it
/// again: it stays the same worker.
///
/// # Errors
/// `edge.not_signed_in`; `request.malformed` for a name that cannot be one.
pub async fn rename_worker(edge: &EdgeHandle, args: RenameWorker) -> Result<Status, ApiError> {
    registration::rename(&edge.shared, &args.name).await?;
    status(edge).await
}

/// Works with another token of the same workspace from now on. The worker, its
/// history and its rules stay.
///
/// # Errors
/// `edge.not_signed_in`; `request.malformed` for what cannot be a token, or is
/// another workspace's; `request.unsupported` where the environment provides
/// the token; the proxy's refusal; `proxy.unreachable`; `keychain.*`. Then
/// nothing has changed.
pub async fn change_token(edge: &EdgeHandle, args: ChangeToken) -> Result<Status, ApiError> {
    registration::change_token(&edge.shared, &args.token).await?;
    status(edge).await
}
