//! The ownership challenge: proof that this worker holds the secret.

use super::answer::Refusal;
use super::verify::{self, Delivery};
use crate::state::Session;
use axum::Json;
use axum::response::{IntoResponse, Response};
use postern_protocol::api::ChallengeAnswer;
use postern_protocol::signature::standard;
use postern_protocol::{ErrorCode, UnixMillis};

/// The answer to a verified challenge. It is not stored.
pub(super) fn answer(session: &Session, delivery: &Delivery, now: UnixMillis) -> Result<Response, Refusal> {
    let challenge = verify::challenge(&delivery.body)
        .ok_or_else(|| Refusal::new(ErrorCode::BadRequest, "the challenge's body is not of its form"))?;
    // With the secret that signed the challenge.
    let secret = session.signing_secrets(now).into_iter().nth(delivery.verified.secret);
    let secret = secret.ok_or_else(Refusal::not_ready)?;
    let answer = standard::sign(&[secret], "challenge", UnixMillis(0), challenge.challenge.as_bytes());
    Ok(Json(ChallengeAnswer { answer }).into_response())
}
