//! The names of public tunnels, as they are kept.

use postern_protocol::UnixMillis;
use postern_protocol::api::tunnels::{TunnelName, TunnelOptions};
use postern_protocol::id::WorkspaceId;

/// How long a released name is its workspace's alone to take back, in
/// milliseconds: links to it are still about.
pub const QUARANTINE: i64 = 30 * 86_400_000;

/// How many names a workspace may have, those in quarantine included.
pub const MOST_NAMES: u32 = 1_000;

/// A name that a workspace has reserved.
#[derive(Clone, Debug, PartialEq)]
pub struct ReservedTunnel {
    /// The name.
    pub name: TunnelName,
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// What applies to its visitors, with the secret they must show.
    pub options: TunnelOptions,
    /// When it was reserved.
    pub created_at: UnixMillis,
    /// When a worker last began to serve it.
    pub used_at: Option<UnixMillis>,
}

/// What came of a wish about a name.
#[derive(Clone, Debug, PartialEq)]
pub enum TunnelKept {
    /// It is the workspace's, and stands so.
    Yours(Box<ReservedTunnel>),
    /// It is another workspace's, or was not long ago.
    Taken,
    /// The workspace has [`MOST_NAMES`].
    TooMany,
    /// It is not reserved by the workspace.
    Unknown,
    /// The options ask for a secret, and there is none before to be kept.
    SecretMissing,
}
