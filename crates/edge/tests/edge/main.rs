//! The edge as its shells and its proxy see it: real sockets, real SQLite, a
//! small proxy that follows the route table of `postern_protocol::api`.

mod api;
mod forward;
mod http;
mod lifecycle;
mod proxy;
mod receiver;
mod registration;
mod support;
mod target;
