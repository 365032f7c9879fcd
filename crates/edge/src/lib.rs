//! Postern's edge worker as a library: it registers with a proxy, receives
//! and verifies deliveries, keeps their history, and forwards them.
//!
//! No Tauri, no command line: the desktop app and the CLI are two shells
//! around an [`EdgeHandle`](crate) and the operations in [`api`].

pub mod api;
