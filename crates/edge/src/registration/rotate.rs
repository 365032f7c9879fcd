//! A new signing secret for the worker, at the user's word.

use super::register::beside;
use crate::api::{ApiError, RotatedSecret};
use crate::state::{Session, Shared};
use postern_protocol::ErrorCode;

/// Has the proxy replace the secret, and keeps the new one. The old one still
/// verifies for as long as the proxy signs with it.
///
/// Should the new one not be kept, this process has it, and the next one
/// registers anew, which brings another.
pub(crate) async fn rotate_secret(shared: &Shared, session: &Session) -> Result<RotatedSecret, ApiError> {
    // A registration brings a secret, too: one after the other.
    let _changing = session.changing.lock().await;
    let worker = session.worker.borrow().clone().ok_or_else(|| {
        ApiError::new(
            ErrorCode::Unavailable,
            "the registration is not through yet; see the connection's state",
        )
    })?;
    let rotated = session.proxy.rotate_secret(&worker.worker_id, &worker.credential).await?;
    let until = rotated.previous_until;
    session.worker.send_modify(|worker| {
        if let Some(worker) = worker {
            worker.signing = beside(rotated.secret, std::mem::take(&mut worker.signing), until);
        }
    });
    shared.touch();
    if let Err(error) = shared.config.secrets.save(&session.profile.secrets_key(), &session.secrets()).await {
        shared.history.set_registered(session.profile.id, None).await?;
        return Err(error.into());
    }
    Ok(RotatedSecret { old_until: until })
}
