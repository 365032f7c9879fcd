//! The program as people and scripts run it: what it prints, what it keeps,
//! how it ends.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod admin;
mod backup;
mod config;
mod dev;
mod harness;
mod operations;
mod receivers;
