//! What the developer's own program makes of an event: its verification
//! explained by the local secret for its source.

use crate::api::{Check, LocalVerification};
use crate::handlers::original;
use crate::history::StoredPayload;
use crate::secrets::LocalSecret;
use postern_protocol::UnixMillis;
use postern_protocol::signature::explain;

/// From this size on a body is hashed off the async threads.
const LARGE: usize = 256 * 1024;

/// How the program's verification of the event goes at `now`.
pub(crate) async fn verification(
    payload: StoredPayload,
    local: LocalSecret,
    now: UnixMillis,
) -> LocalVerification {
    let source = local.source.clone();
    let provider = local.scheme.provider();
    let checks = hashing(payload.body.len(), move || {
        let headers = original(&payload.headers);
        explain(&local.scheme, &local.secret, &headers, &payload.body, now)
    })
    .await;
    let checks = checks.into_iter().map(|step| Check {
        name: step.name.into(),
        passed: step.passed,
        reason: step.reason,
    });
    LocalVerification { source, provider, checks: checks.collect() }
}

async fn hashing<T: Send + 'static>(bytes: usize, work: impl FnOnce() -> T + Send + 'static) -> T {
    if bytes < LARGE {
        return work();
    }
    // Panics only if `work` does, which is a defect to be seen.
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(e) => std::panic::resume_unwind(e.into_panic()),
    }
}
