//! Every number of the transport, in one place, each with its reason.
//!
//! The defaults of `h2` are made for browsers talking to servers: short-lived
//! connections, mistrusting peers. A tunnel is one long-lived connection that
//! carries everybody's requests, and several of those defaults end it.

use std::time::Duration;

/// What one stream may have in flight: 64 KiB halves bulk speed, adaptive
/// windows are slower than fixed ones, 16 MiB gains nothing (measured).
const STREAM_WINDOW: u32 = 4 << 20;

/// What a whole connection may have in flight. Never equal to the stream's
/// window, or one reader who stops would stop everyone; with 16 times as much,
/// it takes 16 of them. Larger ones gain no speed (measured); this is room.
///
/// `h2` also derives from it how many small unread DATA frames it tolerates
/// before it ends the connection (half of this, at 256 bytes each): 131,000
/// one-byte chunks that nobody reads, where 16 MiB would give 32,000.
const CONNECTION_WINDOW: u32 = 64 << 20;

/// 16 KiB is the default and costs bulk speed; 256 KiB costs small requests a
/// quarter, since each waits behind a whole frame.
const MAX_FRAME: u32 = 64 << 10;

/// The most one write of raw bytes, or one WebSocket message, carries: a frame.
pub(crate) const MAX_WRITE: usize = MAX_FRAME as usize;

/// One control message. The peer is authenticated, not trusted.
pub(crate) const MAX_CONTROL_MESSAGE: usize = 64 << 10;

/// A request's headers together. The default of 16 KiB refuses what servers
/// accept (64 KiB of cookies); the limit towards visitors is the front's.
const MAX_HEADER_LIST: u32 = 256 << 10;

/// Streams at once: every idle WebSocket and event stream is one. The client
/// assumes it before the agent's SETTINGS arrive, where `h2` assumes 100.
pub(crate) const MAX_CONCURRENT_STREAMS: u32 = 10_000;

/// Visitors hang up, and each hang-up resets a stream. `h2` takes more than 20
/// resets of streams that were not yet accepted for an attack and ends the
/// connection (4 of 20 died when 800 visitors left at once). The peer is our own
/// proxy, so all of its streams may be reset at once.
const MAX_PENDING_ACCEPT_RESET_STREAMS: usize = MAX_CONCURRENT_STREAMS as usize;

/// How many streams this end has reset and still remembers, so that frames
/// already on their way are ignored and not taken for an error. With the
/// default of 50 a burst of hang-ups makes hundreds of such errors, and the
/// default limit on those ends the connection however patient the agent is
/// (lifted below as well: either alone would do, and neither is relied on).
const MAX_CONCURRENT_RESET_STREAMS: usize = MAX_CONCURRENT_STREAMS as usize;

/// The proxy's end: an HTTP/2 client.
pub(crate) fn client() -> h2::client::Builder {
    let mut builder = h2::client::Builder::new();
    builder
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(MAX_FRAME)
        .max_header_list_size(MAX_HEADER_LIST)
        .initial_max_send_streams(MAX_CONCURRENT_STREAMS as usize)
        .max_concurrent_reset_streams(MAX_CONCURRENT_RESET_STREAMS)
        // Counted over the connection's life and never down: any number ends
        // a link that lives long enough.
        .max_local_error_reset_streams(None)
        .enable_push(false);
    builder
}

/// The agent's end: an HTTP/2 server.
pub(crate) fn server() -> h2::server::Builder {
    let mut builder = h2::server::Builder::new();
    builder
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(MAX_FRAME)
        .max_header_list_size(MAX_HEADER_LIST)
        .max_concurrent_streams(MAX_CONCURRENT_STREAMS)
        .max_concurrent_reset_streams(MAX_CONCURRENT_RESET_STREAMS)
        .max_pending_accept_reset_streams(MAX_PENDING_ACCEPT_RESET_STREAMS)
        // As at the other end.
        .max_local_error_reset_streams(None)
        // WebSockets travel as extended CONNECT (RFC 8441).
        .enable_connect_protocol();
    builder
}

/// How long things may take. The defaults are for the open Internet; tests hand
/// in their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Between heartbeats (10 s): well under the 30 s after which the most
    /// impatient address translators forget an idle connection.
    pub ping_every: Duration,
    /// How long a heartbeat's answer may take while nothing else arrives
    /// either (15 s): longer than a train's tunnel through a mobile network,
    /// short enough that a dead link is known within 25 s.
    pub ping_tolerance: Duration,
    /// The same right after [`AgentHandle::wake`](crate::AgentHandle::wake)
    /// (1 s): the machine slept or changed networks, so the link is suspect,
    /// and dialling anew must still fit into two seconds.
    pub probe_tolerance: Duration,
    /// TCP, the HTTP proxy on the way and TLS together (10 s).
    pub dial: Duration,
    /// From the upgrade's request to its answer (10 s); a front that swallows
    /// it is then tried with the other carrier.
    pub upgrade: Duration,
    /// From the upgrade to both ends' hello (10 s).
    pub hello: Duration,
    /// The first pause before dialling anew is random below this (1 s), and
    /// each further bound is twice the last …
    pub backoff_base: Duration,
    /// … up to this (30 s).
    pub backoff_cap: Duration,
    /// How long a request's body waits for a go-ahead, if it waits for one
    /// (1 s). Many servers never give it; clients that send directly wait about
    /// as long.
    pub go_ahead: Duration,
    /// A link that lived this long (10 s) was a good one: the pauses start
    /// over. One that is cut at once is not dialled in a tight loop.
    pub steady: Duration,
    /// Pause after a refused credential or version (5 min): asking again does
    /// not help, a new credential or a wake does, and both are immediate.
    pub refused: Duration,
    /// Pause after another agent took over (60 s): two that fight would each
    /// cut the other's deliveries.
    pub taken_over: Duration,
    /// How long a link that drains may take for what is in flight (30 s).
    pub drain: Duration,
    /// The same when the agent itself is stopped (5 s): somebody waits for the
    /// program to end.
    pub stop: Duration,
    /// How long a goodbye waits for its answer (1 s) before the socket closes.
    pub farewell: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        let s = Duration::from_secs;
        Self {
            ping_every: s(10),
            ping_tolerance: s(15),
            probe_tolerance: s(1),
            dial: s(10),
            upgrade: s(10),
            hello: s(10),
            backoff_base: s(1),
            backoff_cap: s(30),
            go_ahead: s(1),
            steady: s(10),
            refused: s(300),
            taken_over: s(60),
            drain: s(30),
            stop: s(5),
            farewell: s(1),
        }
    }
}
