//! GETs: without pause over some connections, or on a beat over one.

use super::visitor::{Address, Visitor, apart};
use crate::Result;
use crate::load::Seen;
use crate::pace::every;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Between two requests on a beat: 200 a second.
const BEAT: Duration = Duration::from_millis(5);

/// Each connection asks again when it was answered.
///
/// # Errors
/// When any request is not answered 200.
pub(super) async fn flood(to: Address, connections: usize, length: Duration) -> Result<Seen> {
    apart(move || async move {
        let mut visitors = Vec::new();
        for _ in 0..connections {
            visitors.push(Visitor::connect(&to).await?);
        }
        let began = Instant::now();
        let end = began + length;
        let mut lanes = JoinSet::new();
        for mut visitor in visitors {
            lanes.spawn(async move {
                let asks = visitor.asks("/");
                let mut micros = Vec::new();
                loop {
                    let sent = Instant::now();
                    if sent >= end {
                        return Ok::<_, Box<dyn std::error::Error + Send + Sync>>(micros);
                    }
                    visitor.ask(&asks).await?;
                    micros.push(since(sent));
                }
            });
        }
        let mut micros = Vec::new();
        while let Some(lane) = lanes.join_next().await {
            micros.append(&mut lane??);
        }
        Ok(seen(began, micros))
    })
    .await
}

/// One connection asks 200 times a second.
///
/// # Errors
/// As [`flood`].
pub(super) async fn beat(to: Address, length: Duration) -> Result<Seen> {
    apart(move || async move {
        let mut visitor = Visitor::connect(&to).await?;
        let asks = visitor.asks("/");
        let mut beat = every(BEAT);
        let began = Instant::now();
        let mut micros = Vec::new();
        while began.elapsed() < length {
            beat.tick().await;
            let sent = Instant::now();
            visitor.ask(&asks).await?;
            micros.push(since(sent));
        }
        Ok(seen(began, micros))
    })
    .await
}

fn since(sent: Instant) -> u32 {
    u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX)
}

fn seen(began: Instant, mut micros: Vec<u32>) -> Seen {
    micros.sort_unstable();
    Seen { accepted: micros.len(), elapsed: began.elapsed(), micros }
}
