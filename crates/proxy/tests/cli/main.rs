//! The program as people and scripts run it: what it prints, what it keeps,
//! how it ends.

mod admin;
mod config;
mod dev;
mod harness;
