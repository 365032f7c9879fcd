//! The edge as its shells and its proxy see it: real sockets, real SQLite, a
//! small proxy that follows the route table of `postern_protocol::api`.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod api;
mod attach;
mod bad_input;
mod canary;
mod catch_up;
mod claims;
mod connect;
mod forward;
mod http;
mod inspector;
mod lifecycle;
mod local_proxy;
mod local_secrets;
mod order;
mod port;
mod profiles;
mod proxy;
mod public;
mod receiver;
mod registration;
mod rules;
mod settings;
mod support;
mod target;
mod tunnel;
mod views;
