//! Notices a peer that is gone without a word: a laptop asleep, a cable
//! pulled, a translator that forgot the connection. TCP alone would not say so
//! for a quarter of an hour.

use crate::io::Activity;
use crate::settings::Timing;
use h2::{Ping, PingPong};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// Sends an h2 PING every while. Runs until the peer is given up.
pub(crate) struct Heartbeat<'a> {
    pub(crate) ping: PingPong,
    pub(crate) activity: Activity,
    pub(crate) timing: &'a Timing,
    /// A knock: answer within the shorter tolerance, from now.
    pub(crate) probe: &'a Notify,
}

/// The peer did not answer a heartbeat, nor did anything else arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Silent;

impl Heartbeat<'_> {
    /// Beats, reporting each round trip, until the peer is silent. A connection
    /// that ends by itself is another's to report: this then waits for ever.
    pub(crate) async fn run(mut self, mut round_trip: impl FnMut(Duration)) -> Silent {
        let mut tolerance = self.timing.ping_tolerance;
        loop {
            let sent = Instant::now();
            match self.beat(sent, tolerance).await {
                Beat::Answered => round_trip(sent.elapsed()),
                Beat::Silent => return Silent,
                Beat::Closed => std::future::pending().await,
            }
            tolerance = tokio::select! {
                () = self.probe.notified() => self.timing.probe_tolerance,
                () = sleep_until(sent + self.timing.ping_every) => self.timing.ping_tolerance,
            };
        }
    }

    async fn beat(&mut self, sent: Instant, tolerance: Duration) -> Beat {
        let mut seen = self.activity.count();
        let mut deadline = sent + tolerance;
        let pong = self.ping.ping(Ping::opaque());
        tokio::pin!(pong);
        loop {
            tokio::select! {
                pong = &mut pong => return if pong.is_ok() { Beat::Answered } else { Beat::Closed },
                () = self.probe.notified() => {
                    seen = self.activity.count();
                    deadline = deadline.min(Instant::now() + self.timing.probe_tolerance);
                }
                () = sleep_until(deadline) => {
                    let now = self.activity.count();
                    if now == seen {
                        return Beat::Silent;
                    }
                    seen = now;
                    deadline = Instant::now() + self.timing.ping_tolerance;
                }
            }
        }
    }
}

enum Beat {
    Answered,
    Silent,
    Closed,
}
