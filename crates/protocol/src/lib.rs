//! What Postern's parts say to one another: ids, the event model, API bodies,
//! header names, error codes, signature schemes, dedupe keys, capability
//! filters and the human line of an event.
//!
//! Pure: no I/O, no clock, no randomness of its own. Whoever needs the time or
//! entropy hands it in, so that every function here answers the same question
//! the same way twice.

pub mod api;
mod checked;
pub mod dedupe;
pub mod error;
pub mod event;
pub mod filter;
pub mod header;
pub mod id;
mod json;
pub mod line;
pub mod secret;
pub mod signature;
pub mod span;
pub mod time;

pub use error::{ErrorBody, ErrorCode};
pub use event::{Described, Provider};
pub use header::HeaderList;
pub use secret::Secret;
pub use time::{Clock, UnixMillis};

/// The version of the proxy–edge protocol this build speaks. A proxy also
/// serves edges of the previous minor version.
pub const PROTOCOL_VERSION: &str = "1.0";
