//! Posts on a beat, and how long each took to reach the workers.

use crate::Result;
use crate::load::{Post, Sender, connect};
use crate::proxy::Arrivals;
use http::Uri;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

/// How long the last deliveries may take.
const DRAIN: Duration = Duration::from_secs(300);

/// What a paced measurement saw, in milliseconds.
pub(crate) struct Times {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// Posts one every `beat` for `length`, each of which arrives `copies` times.
///
/// # Errors
/// When a post is refused, or a delivery does not arrive.
pub(crate) async fn pace(
    uri: &Uri,
    arrivals: &mut Arrivals,
    copies: usize,
    beat: Duration,
    length: Duration,
) -> Result<Times> {
    let post = Post::new(Sender::Linear, uri.clone());
    let mut connection = connect(uri).await?;
    let mut sent = HashMap::new();
    let mut beat = every(beat);
    let end = Instant::now() + length;
    while beat.tick().await.into_std() < end {
        let at = Instant::now();
        sent.insert(post.send(&mut connection).await?, at);
    }
    let mut took = Vec::with_capacity(sent.len() * copies);
    while took.len() < sent.len() * copies {
        let (id, at) = arrival(arrivals).await?;
        if let Some(posted) = sent.get(&id) {
            took.push(at.saturating_duration_since(*posted).as_secs_f64() * 1e3);
        }
    }
    took.sort_by(f64::total_cmp);
    let share = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
    Ok(Times { p50: share(0.5), p99: share(0.99) })
}

/// A beat; after one that came late the next is as far away as ever.
pub(crate) fn every(length: Duration) -> Interval {
    let mut beat = interval(length);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beat
}

/// The next arrival.
///
/// # Errors
/// When there is none for minutes.
pub(crate) async fn arrival(arrivals: &mut Arrivals) -> Result<(String, Instant)> {
    Ok(timeout(DRAIN, arrivals.recv()).await?.ok_or("deliveries stopped")?)
}
