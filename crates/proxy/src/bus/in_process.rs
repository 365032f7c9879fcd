//! The bus of a single process: a counter that waiting tasks watch.

use super::Bus;
use tokio::sync::watch;

/// Wakes the tasks of this process.
#[derive(Debug)]
pub struct InProcess {
    wakes: watch::Sender<u64>,
}

impl InProcess {
    /// A bus nobody listens to yet.
    #[must_use]
    pub fn new() -> Self {
        Self { wakes: watch::Sender::new(0) }
    }
}

impl Default for InProcess {
    fn default() -> Self {
        Self::new()
    }
}

impl Bus for InProcess {
    fn wake(&self) {
        self.wakes.send_modify(|n| *n = n.wrapping_add(1));
    }

    fn watch(&self) -> watch::Receiver<u64> {
        self.wakes.subscribe()
    }
}
