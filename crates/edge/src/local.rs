//! What the developer's own program makes of an event: its verification
//! explained, and the event signed anew so that it passes, by the local secret
//! for its source.

use crate::api::{Check, LocalVerification};
use crate::handlers::original;
use crate::large::on_body;
use crate::secrets::LocalSecret;
use bytes::Bytes;
use postern_protocol::signature::{CannotResign, Resigned, explain, resign};
use postern_protocol::{HeaderList, UnixMillis};

/// How the program's verification of an event goes at `now`; `delivered` are
/// the headers as it came.
pub(crate) async fn verification(
    delivered: HeaderList,
    body: Vec<u8>,
    local: LocalSecret,
    now: UnixMillis,
) -> LocalVerification {
    let source = local.source.clone();
    let provider = local.scheme.provider();
    let checks =
        on_body(body.len(), move || explain(&local.scheme, &local.secret, &original(&delivered), &body, now))
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
) -> Result<Resigned, CannotResign> {
    on_body(body.len(), move || resign(&local.scheme, &local.secret, &headers, &body, now)).await
}
