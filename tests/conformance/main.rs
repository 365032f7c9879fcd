//! What a tunnel does to HTTP and to WebSockets: nothing. On one side a visitor
//! and on the other a local server, both of whom write their bytes themselves,
//! between them the whole proxy and a whole edge in this process. Each case runs
//! over both carriers of the tunnel, and once with a proxy that has threads for
//! tunnels, as the program has.
//!
//! What is asserted is what follows from what, never how long it took.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod bodies;
mod failures;
mod heads;
mod scene;
mod strangers;
mod streams;
mod websockets;

/// Makes a test of each carrier out of one function, and one in several threads.
macro_rules! on_both_carriers {
    ($($name:ident)*) => {
        mod upgrade {
            $(#[tokio::test] async fn $name() { super::$name(crate::scene::Carrier::Upgrade).await })*
        }
        mod websocket {
            $(#[tokio::test] async fn $name() { super::$name(crate::scene::Carrier::WebSocket).await })*
        }
        mod threads {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() { super::$name(crate::scene::Carrier::Upgrade).await }
            )*
        }
    };
}
use on_both_carriers;
