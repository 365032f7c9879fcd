//! From the store to the workers.
//!
//! A delivery is a chain of types, one step each: the store's
//! [`Claimed`](crate::store::Claimed) is signed, a [`sign::Signed`] is sent, a
//! [`send::Sent`] is decided, and what was decided is recorded. An unsigned
//! delivery cannot be sent, an undecided one cannot be recorded. There are two
//! ways to send: to the worker's URL ([`client`]), or through its [`tunnel`].
//!
//! The [`scheduler`] reconciles: it claims what is due, whoever woke it and
//! why, so that a restart takes the same path as a webhook just accepted. It
//! also pings the workers whose circuit is open, by which they are found to be
//! back.

pub(crate) mod circuits;
pub(crate) mod client;
pub(crate) mod heard;
pub(crate) mod metrics;
mod ping;
mod pinger;
pub(crate) mod retry;
pub(crate) mod scheduler;
pub(crate) mod send;
pub(crate) mod sender;
pub(crate) mod sign;
pub(crate) mod tunnel;
