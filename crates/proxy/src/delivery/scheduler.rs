//! Has all that is due claimed and sent, as much at once as there is room for,
//! and has the workers pinged that are due for it. It takes no input: whoever
//! wakes it, it asks the store, so that after a restart it simply goes on. It
//! sleeps until the next delivery falls due, until it is woken, or for a while
//! at most.

use super::dispatch::Dispatch;
use super::pinger::Pinger;
use super::sender::Sender;
use crate::bus::Bus;
use crate::store::Store;
use postern_protocol::{Clock, UnixMillis};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long the scheduler sleeps at most: a wake-up that went missing, or a
/// clock that was set, costs no more than that.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
/// From this much on a step of the clock back is told to the store; less does
/// no harm.
const SET_BACK: Duration = Duration::from_secs(5);

/// Reconciles.
pub(crate) struct Scheduler {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) dispatch: Arc<Dispatch>,
    pub(crate) sender: Arc<Sender>,
    /// The pings under way, so that a drain can wait for them.
    pub(crate) tasks: TaskTracker,
    /// Ends the pings under way.
    pub(crate) cut: CancellationToken,
    /// Whether the scheduler is at work, for `/readyz`.
    pub(crate) running: Arc<AtomicBool>,
}

impl Scheduler {
    /// Works until `stop`; attempts and pings under way go on.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut pinger =
            Pinger::new(self.sender.clone(), self.bus.clone(), self.tasks.clone(), self.cut.clone());
        let mut wakes = self.bus.watch();
        let _running = Running::mark(&self.running);
        let mut looked = (self.clock.now(), Instant::now());
        while !stop.is_cancelled() {
            // Armed before the query: what is accepted from here on wakes.
            wakes.mark_unchanged();
            looked = self.watch_clock(looked).await;
            pinger.look().await;
            self.sender.client.tidy();
            match self.dispatch.due().await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => {
                    let error = crate::http::error::chain(&error);
                    tracing::error!(%error, "cannot claim deliveries; trying again");
                }
            }
            let pause = self.pause().await;
            tokio::select! {
                () = stop.cancelled() => {}
                changed = wakes.changed() => if changed.is_err() { tokio::time::sleep(pause).await },
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Tells the store when the clock was set back since it was `looked` at.
    /// Returns what it shows now, and when.
    async fn watch_clock(&self, looked: (UnixMillis, Instant)) -> (UnixMillis, Instant) {
        let (now, at) = (self.clock.now(), Instant::now());
        let passed = i64::try_from((at - looked.1).as_millis()).unwrap_or(i64::MAX);
        let back = Duration::from_millis(u64::try_from(looked.0.plus(passed).since(now)).unwrap_or(0));
        if back < SET_BACK {
            return (now, at);
        }
        tracing::warn!(seconds = back.as_secs(), "the clock was set back; what was put off moves with it");
        match self.store.set_back(now, back).await {
            Ok(()) => (now, at),
            Err(error) => {
                let error = crate::http::error::chain(&error);
                tracing::error!(%error, "cannot set back what was put off; trying again");
                looked
            }
        }
    }

    /// How long nothing will fall due, as far as the store can tell. What is
    /// due and was not claimed waits for room, and room is announced.
    async fn pause(&self) -> Duration {
        match self.store.next_due().await {
            Ok(Some(due)) => match u64::try_from(due.since(self.clock.now())) {
                Ok(millis) if millis > 0 => Duration::from_millis(millis).min(LONGEST_SLEEP),
                _ => LONGEST_SLEEP,
            },
            Ok(None) | Err(_) => LONGEST_SLEEP,
        }
    }
}

/// Up while it lives, down when the scheduler ends, however it ends.
struct Running(Arc<AtomicBool>);

impl Running {
    fn mark(flag: &Arc<AtomicBool>) -> Self {
        flag.store(true, Ordering::Release);
        Self(flag.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
