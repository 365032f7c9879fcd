//! What is done with an event once it is stored: the rules that take it act on
//! it, and it is forwarded to temporary listeners.
//!
//! The matching and the notify rules are asked when an event arrives, so that
//! what nobody wants is never written twice; forwards are asked again when they
//! begin, so that a change of the rules counts for all that waits.

mod check;
mod event;
mod forward;
mod headers;
mod lanes;
mod listeners;
mod outgoing;
mod pool;
mod repeat;
mod resolve;
mod rules;
mod run;
mod target;
mod words;

pub(crate) use check::{MOST_RULES, check};
pub(crate) use forward::Forwarder;
pub(crate) use headers::original;
pub use listeners::Listener;
pub(crate) use listeners::Listeners;
pub(crate) use outgoing::{Edit, Resign};
pub(crate) use pool::{Forwarding, handle_again};
pub(crate) use rules::{Rules, set_plain};
pub(crate) use run::{Handler, replay};
pub(crate) use target::{Target, web_address};
