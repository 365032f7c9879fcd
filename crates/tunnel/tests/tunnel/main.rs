//! The tunnel's two ends against each other: over real sockets where it is
//! about bytes, over pipes in memory and a stopped clock where it is about
//! time.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod aborts;
mod bodies;
mod carriers;
mod control;
mod dialling;
mod endings;
mod ends;
mod flow;
mod streams;
mod way_out;

/// Makes a test of each carrier out of one function.
macro_rules! on_both_carriers {
    ($($(#[$doc:meta])* $name:ident)*) => {
        mod upgrade {
            $(#[tokio::test] async fn $name() { super::$name(postern_tunnel::Carrier::Upgrade).await })*
        }
        mod websocket {
            $(#[tokio::test] async fn $name() { super::$name(postern_tunnel::Carrier::WebSocket).await })*
        }
    };
}
pub(crate) use on_both_carriers;
