//! Postern's central proxy: verifies webhooks, stores them durably and
//! delivers them, signed and retried, to the workers that registered.

pub mod store;
