//! Postern's central proxy: verifies webhooks, stores them durably and
//! delivers them, signed and retried, to the workers that registered.

mod admin;
mod api;
pub mod app;
mod bucket;
pub mod bus;
mod canary;
pub mod circuit;

pub mod cli;
pub mod clock;
pub mod config;
mod delivery;
pub mod entropy;
#[cfg(test)]
mod fuzz;
mod http;
mod ingest;
mod linear;
mod notices;
mod private;
mod registry;
mod retention;
pub mod store;
mod trigger;
mod tunnel;
pub mod vault;
mod workspace;

pub use app::{App, Listeners, Parts, RunError, open_store};
