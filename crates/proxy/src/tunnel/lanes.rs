//! Threads for what goes through tunnels. A worker's connection and those of its
//! visitors are on the same one: a request changes hands between them several
//! times, and between threads each time costs more than the work. What is on
//! another thread all the same, deliveries among it, gets through as well, only
//! not as fast.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::runtime::{Builder, Handle, RuntimeFlavor};
use tokio_util::sync::{CancellationToken, DropGuard};

/// One of the threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lane(usize);

/// The threads; they end when this is dropped.
#[derive(Debug)]
pub(crate) struct Lanes {
    handles: Vec<Handle>,
    next: AtomicUsize,
    _end: DropGuard,
}

impl Lanes {
    /// One for each processor. `None`: this runtime has but one thread, and so
    /// everything is on the same one already.
    ///
    /// # Errors
    /// When the system has no thread for one.
    pub(crate) fn start() -> io::Result<Option<Self>> {
        if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
            return Ok(None);
        }
        let end = CancellationToken::new();
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        let handles = (0..count).map(|_| start(end.clone())).collect::<io::Result<_>>()?;
        Ok(Some(Self { handles, next: AtomicUsize::new(0), _end: end.drop_guard() }))
    }

    /// The next one in turn.
    pub(crate) fn next(&self) -> Lane {
        Lane(self.next.fetch_add(1, Ordering::Relaxed) % self.handles.len())
    }

    /// Its runtime.
    pub(crate) fn runtime(&self, lane: Lane) -> &Handle {
        &self.handles[lane.0]
    }
}

fn start(end: CancellationToken) -> io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    std::thread::Builder::new().name("tunnels".into()).spawn(move || {
        runtime.block_on(end.cancelled());
        // What blocks, such as a name's lookup, is not waited for.
        runtime.shutdown_background();
    })?;
    Ok(handle)
}

#[cfg(test)]
mod tests {
    use super::Lanes;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn each_is_a_thread_of_its_own_and_ends_with_all() {
        let lanes = Lanes::start().unwrap().unwrap();
        let lane = lanes.next();
        let thread = || async { std::thread::current().id() };
        let on = lanes.runtime(lane).spawn(thread()).await.unwrap();
        assert_eq!(lanes.runtime(lane).spawn(thread()).await.unwrap(), on);
        assert_ne!(tokio::spawn(thread()).await.unwrap(), on);
        let endless = lanes.runtime(lane).spawn(std::future::pending::<()>());
        drop(lanes);
        assert!(endless.await.unwrap_err().is_cancelled());
    }

    #[tokio::test]
    async fn where_there_is_one_thread_there_are_no_others() {
        assert!(Lanes::start().unwrap().is_none());
    }
}
