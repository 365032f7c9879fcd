//! The proxy as others meet it: over HTTP, on a real database in a temporary
//! folder, with a clock turned by hand and small receivers on free ports.
//! Tests wait for what the store or a receiver reports, never for a while.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod admin;
mod alerts;
mod api;
mod bad_input;
mod bad_requests;
mod canary;
mod catch_up;
mod circuits;
mod dead_letters;
mod delivery;
mod early;
mod groups;
mod harness;
mod ingest;
mod leases;
mod linear_app;
mod linear_sign_in;
mod live;
mod notices;
mod order;
mod public;
mod registration;
mod retries;
mod rotation;
mod schemes;
mod server;
mod tls;
mod trigger;
mod tunnel;
mod work;
