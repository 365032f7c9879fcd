//! The human line of an event, and what else its payload says: type, action,
//! entity.

use crate::event::{Described, Provider};
use crate::HeaderList;

/// Describes an event from what the provider sent. Never fails: a body that
/// cannot be parsed is of type `unknown`.
#[must_use]
pub fn describe(provider: Provider, headers: &HeaderList, body: &[u8]) -> Described {
    todo!()
}
