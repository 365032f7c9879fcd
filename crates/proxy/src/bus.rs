//! Wake-ups between the proxy's parts. The bus only says "look again": what
//! there is to do is read from the store, so a lost or a superfluous wake-up
//! costs a little time and never an event.
//!
//! Arm before the query: take [`Bus::watch`] (or mark it seen), then ask the
//! store, then wait. A wake-up that comes in between is not lost.

use tokio::sync::watch;

mod in_process;

pub use in_process::InProcess;

/// Carries wake-ups.
pub trait Bus: Send + Sync + 'static {
    /// There may be deliveries to make.
    fn wake(&self);

    /// Sees every [`Bus::wake`] from now on; several are seen as one.
    fn watch(&self) -> watch::Receiver<u64>;
}
