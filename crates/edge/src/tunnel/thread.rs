//! The tunnel's own thread. Everything that goes through it happens there, from
//! the proxy's connection to the local server's: a request changes hands several
//! times on its way, and between threads each time costs more than the work.

use std::io;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

/// Runs `work`, and whatever it spawns, on a thread of its own. What is returned
/// has its result; when that is dropped, the work is, and the thread ends.
///
/// # Errors
/// When the system has no thread for it.
pub(super) fn run<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> io::Result<oneshot::Receiver<T>> {
    let (mut done, outcome) = oneshot::channel();
    std::thread::Builder::new().name("tunnel".into()).spawn(move || {
        let runtime = match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return tracing::error!(%error, "the tunnel's thread cannot work"),
        };
        let ended = runtime.block_on(async {
            tokio::select! {
                ended = work => Some(ended),
                () = done.closed() => None,
            }
        });
        // What was spawned ends first; what blocks, such as a name's lookup, is
        // not waited for.
        runtime.shutdown_background();
        if let Some(ended) = ended {
            // Nobody waits any more.
            let _ = done.send(ended);
        }
    })?;
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::run;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn work_has_a_thread_of_its_own_and_ends_with_whoever_waits() {
        let here = std::thread::current().id();
        assert_ne!(run(async { std::thread::current().id() }).unwrap().await.unwrap(), here);

        let (held, gone) = oneshot::channel::<()>();
        let (spawned, also_gone) = oneshot::channel::<()>();
        let running = run(async move {
            tokio::spawn(async move {
                let _spawned = spawned;
                std::future::pending::<()>().await;
            });
            let _held = held;
            std::future::pending::<()>().await;
        });
        drop(running.unwrap());
        assert!(gone.await.is_err() && also_gone.await.is_err());
    }
}
