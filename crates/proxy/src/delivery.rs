//! From the store to the workers.
//!
//! A delivery is a chain of types, one step each: the store's
//! [`Claimed`](crate::store::Claimed) is signed, a [`sign::Signed`] is sent, a
//! [`send::Sent`] is decided, and what was decided is recorded. An unsigned
//! delivery cannot be sent, an undecided one cannot be recorded. There are two
//! ways to send: to the worker's URL ([`client`]), or through its [`tunnel`].
//!
//! The [`scheduler`] reconciles: it claims what is due, whoever woke it and
//! why, and does so after a restart as at any other time. It also pings the
//! workers whose circuit is open, by which they are found to be back. What was
//! accepted a moment ago need not wait for it: [`dispatch`] starts that at once.

pub(crate) mod canaries;
pub(crate) mod circuits;
pub(crate) mod client;
pub(crate) mod dispatch;
pub(crate) mod heard;
pub(crate) mod metrics;
pub(crate) mod ping;
mod pinger;
pub(crate) mod retry;
pub(crate) mod scheduler;
pub(crate) mod send;
pub(crate) mod sender;
pub(crate) mod sign;
pub(crate) mod tunnel;
