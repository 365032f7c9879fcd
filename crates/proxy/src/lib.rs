//! Postern's central proxy: verifies webhooks, stores them durably and
//! delivers them, signed and retried, to the workers that registered.

pub mod clock;
pub mod config;
pub mod entropy;
pub mod store;
pub mod vault;
