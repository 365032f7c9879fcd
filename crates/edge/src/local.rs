//! What the developer's own program makes of an event: its verification
//! explained, and the event signed anew so that it passes, by the local secret
//! for its source.

use crate::api::{Check, LocalVerification};
use crate::handlers::original;
use crate::history::StoredPayload;
use crate::secrets::LocalSecret;
use bytes::Bytes;
use postern_protocol::signature::{CannotResign, explain, resign};
use postern_protocol::{HeaderList, UnixMillis};

/// From this size on a body is hashed off the async threads.
const LARGE: usize = 256 * 1024;

/// An event signed anew: the provider's headers, and the body.
pub(crate) struct Signed {
    pub(crate) headers: HeaderList,
    pub(crate) body: Bytes,
}

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

/// The event signed anew as of `now`; `headers` are the provider's own.
pub(crate) async fn signed_anew(
    headers: HeaderList,
    body: Bytes,
    local: LocalSecret,
    now: UnixMillis,
) -> Result<Signed, CannotResign> {
    let resigned =
        hashing(body.len(), move || resign(&local.scheme, &local.secret, &headers, &body, now)).await?;
    Ok(Signed { headers: resigned.headers, body: resigned.body.into() })
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
