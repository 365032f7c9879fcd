//! A proxy of one's own on this machine, for whoever has none yet.

use super::{ApiError, SignIn, Status, sign_in};
use crate::EdgeHandle;
use postern_protocol::ErrorCode;

/// Starts a proxy on this machine, and signs in to it. It runs for as long as
/// this edge does and somebody is signed in to it here; what it keeps stays in
/// the data folder.
///
/// # Errors
/// `request.unsupported` where the program `postern-proxy` is not to be had, or
/// the edge only looks something up; `unavailable`, in its words, when it does
/// not come up; as [`sign_in`].
pub async fn run_local_proxy(edge: &EdgeHandle) -> Result<Status, ApiError> {
    if !edge.profiles.at_work() {
        let message = "no worker runs here that a proxy could run beside: start `postern serve` first";
        return Err(ApiError::new(ErrorCode::Unsupported, message));
    }
    let (held, proxy_url, token) = edge.shared.local_proxy.start().await?;
    let signed_in = sign_in(edge, SignIn { proxy_url, token, name: None }).await;
    drop(held);
    signed_in
}
