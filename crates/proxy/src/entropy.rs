//! Randomness from a cryptographic generator, seeded and reseeded by the
//! operating system: ids, tokens, keys.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use postern_protocol::id::{DeliveryId, EventId, SourceId, TokenId, WorkerId, WorkspaceId};
use postern_protocol::{Secret, UnixMillis};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// `N` random bytes.
#[must_use]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes);
    bytes
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident -> $id:ident;)*) => {
        $($(#[$doc])* #[must_use] pub fn $name(now: UnixMillis) -> $id { $id::new(now, bytes()) })*
    };
}

ids! {
    /// A new event's id.
    event_id -> EventId;
    /// A new delivery's id.
    delivery_id -> DeliveryId;
    /// A new worker's id.
    worker_id -> WorkerId;
    /// A new source's id: 80 random bits make its URL unguessable.
    source_id -> SourceId;
    /// A new workspace's id.
    workspace_id -> WorkspaceId;
    /// A new token's id.
    token_id -> TokenId;
}

/// From 0 to 1.
pub(crate) fn fraction() -> f64 {
    f64::from(u32::from_le_bytes(bytes())) / f64::from(u32::MAX)
}

/// A new credential: `prefix` and 256 random bits in URL-safe base64.
#[must_use]
pub fn credential(prefix: &str) -> Secret {
    let random = Zeroizing::new(bytes::<32>());
    Secret::new(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(random.as_slice())))
}

/// The SHA-256 under which a credential is kept. Its 256 random bits need no
/// salt and no slow hash.
#[must_use]
pub fn credential_hash(credential: &str) -> [u8; 32] {
    Sha256::digest(credential.as_bytes()).into()
}
