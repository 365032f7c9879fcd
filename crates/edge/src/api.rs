//! The local API: one function per operation, called by the desktop app, by
//! HTTP and by the CLI alike.
//!
//! Operations are reached by name through one dispatcher, so that no shell
//! keeps a list of its own: Tauri has one command `call(op, args)`, HTTP one
//! route `POST /api/{op}` with the arguments as its JSON body.
//!
//! | op | arguments | answer |
//! | --- | --- | --- |
//! | `status` | – | [`Status`] |
//! | `sign_in` | [`SignIn`] | [`Status`] |
//! | `sign_out` | – | [`Status`] |
//! | `set_paused` | [`SetPaused`] | [`Status`] |
//! | `set_forward` | [`SetForward`] | [`Status`] |
//! | `set_settings` | [`Settings`] | [`Status`] |
//! | `events` | [`EventQuery`] | [`EventPage`] |
//! | `events_since` | [`Since`] | [`Changes`] |
//! | `event` | [`EventKey`] | [`EventDetail`] |
//! | `event_record` | [`EventKey`] | [`postern_protocol::api::EventRecord`] (asked of the proxy) |
//! | `replay` | [`Replay`] | [`HandlerRun`] |
//! | `trigger` | [`Trigger`] | [`Triggered`] |
//! | `templates` | – | [`Templates`] |
//! | `sources` | – | [`Sources`] (asked of the proxy) |
//! | `rejected` | [`RejectedQuery`] | [`RejectedPage`] |
//!
//! Live changes: HTTP `GET /api/live?after={cursor}` answers NDJSON-in-SSE
//! (`text/event-stream`, each `data:` a [`Live`]); Tauri emits the same
//! [`Live`] as event `postern://live`. Batches come at most 60 times a
//! second; whoever missed some asks `events_since`.

pub mod types;

pub use types::*;
