//! Work on a body whose size decides where it is done.

/// From this size on a body is hashed and parsed off the async threads.
const LARGE: usize = 256 * 1024;

/// Does `work` on a body of so many bytes, off the async threads where that is
/// much.
pub(crate) async fn on_body<T: Send + 'static>(bytes: usize, work: impl FnOnce() -> T + Send + 'static) -> T {
    if bytes < LARGE {
        return work();
    }
    // Panics only if `work` does, which is a defect to be seen.
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(e) => std::panic::resume_unwind(e.into_panic()),
    }
}
