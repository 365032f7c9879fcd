//! One try: asks, and judges the answer in constant time.

use crate::delivery::client::Outbound;
use crate::entropy;
use crate::store::Worker;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use postern_protocol::UnixMillis;
use postern_protocol::api::{Challenge, ChallengeAnswer};
use postern_protocol::header as names;
use subtle::ConstantTimeEq;

/// How the proxy names itself where no provider's name is to be kept.
const USER_AGENT: &str = concat!("Postern/", env!("CARGO_PKG_VERSION"));

/// `Err` says in words why the worker's URL is not known to be its own.
pub(super) async fn ask(client: &Outbound, worker: &Worker, now: UnixMillis) -> Result<(), String> {
    let challenge = hex::encode(entropy::bytes::<32>());
    let body = Challenge { kind: Challenge::TYPE.to_owned(), challenge: challenge.clone() };
    let body = Bytes::from(serde_json::to_vec(&body).map_err(|error| error.to_string())?);
    let url = worker.url.as_deref().ok_or("it has no URL")?;
    let uri: Uri = url.parse().map_err(|_| "the URL cannot be posted to".to_owned())?;
    let headers = headers(worker, &body, now).ok_or("the challenge cannot be signed")?;
    let answer = client.post(uri, headers, body).await.map_err(|error| error.to_string())?;
    if answer.status != StatusCode::OK {
        return Err(format!("the URL answered {} instead of 200", answer.status.as_u16()));
    }
    let given: ChallengeAnswer = serde_json::from_slice(&answer.body)
        .map_err(|_| "the URL answered 200, but not like a Postern worker".to_owned())?;
    let expected = worker.style.answer(&worker.secret, &challenge);
    if bool::from(given.answer.as_bytes().ct_eq(expected.as_bytes())) {
        Ok(())
    } else {
        Err("the URL's answer was made with another secret".to_owned())
    }
}

fn headers(worker: &Worker, body: &[u8], now: UnixMillis) -> Option<HeaderMap> {
    let id = format!("chl_{}", hex::encode(entropy::bytes::<12>()));
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    let secrets = std::slice::from_ref(&worker.secret);
    for (name, value) in worker.style.headers(secrets, &id, Challenge::TYPE, now, body) {
        headers.insert(HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(&value).ok()?);
    }
    for (name, value) in [
        (names::POSTERN_KIND, "challenge".to_owned()),
        (names::POSTERN_WORKSPACE, worker.workspace.to_string()),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_str(&value).ok()?);
    }
    Some(headers)
}
