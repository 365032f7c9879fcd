//! What is done with an event once it is stored: it is forwarded to the one
//! target the user has set, and to those of temporary listeners.

mod forward;
mod headers;
mod lanes;
mod listeners;
mod pool;
mod resolve;
mod target;
mod words;

pub(crate) use forward::Forwarder;
pub(crate) use headers::original;
pub use listeners::Listener;
pub(crate) use listeners::Listeners;
pub(crate) use pool::{Forwarding, replay};
pub(crate) use target::Target;
