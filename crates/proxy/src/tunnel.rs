//! The tunnels of workers: `GET /edge/connect` makes one ([`connect`]), the
//! [`directory`] knows whose it is, and [`keep`] ends it when its worker may no
//! longer connect, or the proxy stops.
//!
//! Deliveries to workers that have no address go down it
//! ([`crate::delivery`]), by the worker's id, which no request names. A tunnel
//! that comes or goes changes nothing about what is owed: events wait in the
//! store.
//!
//! Visitors of public tunnels come in by the [`front`], for a name that the
//! worker says it serves ([`names`]) and its workspace has reserved
//! ([`reservations`]). What goes down for them is marked, and the worker hands
//! it to what the tunnel leads to, never to its receiver.

pub(crate) mod address;
pub(crate) mod connect;
pub(crate) mod directory;
pub(crate) mod front;
pub(crate) mod keep;
pub(crate) mod lanes;
pub(crate) mod names;
mod options;
pub(crate) mod reservations;

pub(crate) use connect::Tunnels;
pub(crate) use directory::Directory;
