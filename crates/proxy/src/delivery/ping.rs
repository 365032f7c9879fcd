//! A ping: asks a worker whether it is there. Signed like a delivery, so that
//! a receiver that verifies takes it; an edge answers it and keeps nothing. A
//! quiet canary is the same, with a body by which its worker knows it.

use super::client::{Answer, Outbound, Unanswered};
use super::send;
use super::sign::Destination;
use super::tunnel::Tunnelled;
use crate::circuit::Observed;
use crate::entropy;
use crate::store::Ping;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use postern_protocol::UnixMillis;
use postern_protocol::api::{self, AttemptRecord, Canary};
use postern_protocol::header as names;

/// How the proxy names itself where no provider's name is to be kept.
const USER_AGENT: &str = concat!("Postern/", env!("CARGO_PKG_VERSION"));
/// What a plain receiver is told has happened.
const EVENT: &str = "postern.ping";
/// What a ping carries.
const BODY: Bytes = Bytes::from_static(api::Ping::BODY.as_bytes());

/// The request; `None`: the worker's URL cannot be posted to.
pub(super) fn sign(ping: &Ping, at: UnixMillis) -> Option<(Destination, HeaderMap, Bytes)> {
    signed(ping, "ping", EVENT, BODY, at)
}

/// Posts a quiet canary once, to whoever `ping` names.
pub(crate) async fn quiet_canary(
    client: &Outbound,
    tunnels: &Tunnelled,
    ping: &Ping,
    body: Bytes,
    at: UnixMillis,
) -> AttemptRecord {
    let answered = match signed(ping, "canary", Canary::TYPE, body, at) {
        Some((to, headers, body)) => send::post(client, tunnels, ping.worker, to, headers, body).await,
        None => Err(Unanswered::Unsendable("the worker's URL cannot be posted to".into())),
    };
    send::judged(answered)
}

fn signed(
    ping: &Ping,
    kind: &str,
    event: &str,
    body: Bytes,
    at: UnixMillis,
) -> Option<(Destination, HeaderMap, Bytes)> {
    let to = Destination::of(ping.url.as_deref()).ok()?;
    let id = format!("{kind}_{}", hex::encode(entropy::bytes::<12>()));
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    let ours =
        [(names::POSTERN_KIND, kind.to_owned()), (names::POSTERN_WORKSPACE, ping.workspace.to_string())];
    let ours = ours.map(|(name, value)| (name.to_owned(), value));
    for (name, value) in ping.style.headers(&ping.secrets, &id, event, at, &body).into_iter().chain(ours) {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        headers.insert(name, HeaderValue::from_str(&value).ok()?);
    }
    Some((to, headers, body))
}

/// What the answer says of the worker, whether it was 2xx, and what was wrong.
pub(super) fn judge(answered: &Result<Answer, Unanswered>) -> (Observed, bool, Option<String>) {
    let answer = match answered {
        Ok(answer) => answer,
        Err(why) => return (Observed::Unreached, false, Some(why.to_string())),
    };
    let (taken, status) = (answer.status.is_success(), answer.status.as_u16());
    let sick = answer.status.is_server_error() || matches!(status, 408 | 429);
    let error = (!taken).then(|| format!("answered a ping with {status}"));
    (if sick { Observed::Badly } else { Observed::Well }, taken, error)
}
