//! The tunnels of workers that have no address: `GET /edge/connect` makes one
//! ([`connect`]), the [`directory`] knows whose it is, deliveries go down it
//! ([`crate::delivery`]), and [`keep`] ends it when its worker may no longer
//! connect, or the proxy stops.
//!
//! A tunnel that comes or goes changes nothing about what is owed: events wait
//! in the store. Nothing from outside is ever routed into one here; only
//! deliveries are, by the worker's id, which no request names.

pub(crate) mod connect;
pub(crate) mod directory;
pub(crate) mod keep;

pub(crate) use connect::Tunnels;
pub(crate) use directory::Directory;
