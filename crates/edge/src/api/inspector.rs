//! What went through public tunnels, looked at afterwards: listed, searched,
//! shown, sent once more, exported.

use super::operations::limit;
use super::{ApiError, Body, TunnelRequest};
use crate::EdgeHandle;
use crate::inspector::{self, InspectorError, Look};
use crate::state::Session;
use crate::tunnels::{Edited, replay};
use http::{HeaderName, HeaderValue, Method};
use postern_protocol::api::tunnels::TunnelName;
use postern_protocol::{ErrorCode, HeaderList};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;

/// Headers whose values are shown only on request.
const SECRET: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "set-cookie"];
/// What is shown in their place.
const REDACTED: &str = "•••";
/// So many requests are exported at most.
const EXPORTED: usize = 500;

/// `tunnel_requests`: a page of what went through, the newest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[ts(optional_fields)]
pub struct TunnelRequestQuery {
    /// Only through this tunnel.
    pub tunnel: Option<TunnelName>,
    /// Only with this text in method, path, headers, bodies or frames.
    pub search: Option<String>,
    /// Only with this method.
    pub method: Option<String>,
    /// Only with this text in the path.
    pub path: Option<String>,
    /// Only with such a status: `2xx` … `5xx`, `404`, or `none` where the
    /// visitor left before.
    pub status: Option<String>,
    /// Only with this header in the request or the answer: its name, or
    /// `name: text` where its value must have the text.
    pub header: Option<String>,
    /// Only with so many bytes of bodies, or more.
    #[ts(optional, type = "number")]
    pub least_bytes: Option<u64>,
    /// Only those that took so long, or longer, in microseconds.
    #[ts(optional, type = "number")]
    pub least_micros: Option<u64>,
    /// Only those before this one ([`TunnelRequestPage::next`]).
    #[ts(optional, type = "number")]
    pub before: Option<u64>,
    /// At most so many: 1–500, 100 by default.
    pub limit: Option<u32>,
}

/// A page of requests.
#[derive(Clone, Debug, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct TunnelRequestPage {
    /// The newest first.
    pub rows: Vec<TunnelRequest>,
    /// Where the next page starts; absent at the end.
    #[ts(type = "number | null")]
    pub next: Option<u64>,
    /// How many were not kept since this edge started, since there was too much
    /// to do.
    #[ts(type = "number")]
    pub dropped: u64,
}

/// `tunnel_request`: one of them.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[ts(optional_fields)]
pub struct TunnelRequestKey {
    /// [`TunnelRequest::id`].
    #[ts(type = "number")]
    pub id: u64,
    /// Whether to show credentials and cookies too; absent: no.
    #[serde(default)]
    pub reveal: Option<bool>,
}

/// All that is kept of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct TunnelRequestDetail {
    /// In short.
    pub request: TunnelRequest,
    /// As they went to the local server.
    #[ts(type = "Array<[string, string | { base64: string }]>")]
    pub request_headers: HeaderList,
    /// At most 1 MiB of it.
    pub request_body: Body,
    /// Whether there was more.
    pub request_truncated: bool,
    /// As the local server sent them.
    #[ts(type = "Array<[string, string | { base64: string }]>")]
    pub response_headers: HeaderList,
    /// At most 1 MiB of it.
    pub response_body: Body,
    /// Whether there was more.
    pub response_truncated: bool,
    /// Of a WebSocket, or a stream of events: the first 1,000.
    pub frames: Vec<TunnelFrame>,
    /// Whether there were more.
    pub more_frames: bool,
    /// Whether credentials and cookies are left out.
    pub redacted: bool,
    /// A command that sends the request to the local server once more.
    pub curl: String,
}

/// A frame of a WebSocket, or an event of a stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct TunnelFrame {
    /// Whether the visitor sent it.
    pub from_visitor: bool,
    /// When it ended, in microseconds after the request came.
    #[ts(type = "number")]
    pub micros: u64,
    /// `text`, `binary`, `continuation`, `close`, `ping`, `pong`, `compressed`,
    /// `other`; `event`.
    pub kind: String,
    /// How many bytes it has.
    #[ts(type = "number")]
    pub size: u64,
    /// At most 4 KiB of it.
    pub body: Body,
    /// Whether there was more.
    pub truncated: bool,
}

/// `replay_tunnel_request`: sends a request to its tunnel's target once more.
#[derive(Clone, Debug, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[ts(optional_fields)]
pub struct ReplayTunnelRequest {
    /// Which.
    #[ts(type = "number")]
    pub id: u64,
    /// What to change; absent: nothing, not a byte.
    #[serde(default)]
    pub edit: Option<TunnelRequestEdit>,
}

/// What is other than in the request that came.
#[derive(Clone, Debug, Default, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[ts(optional_fields)]
pub struct TunnelRequestEdit {
    /// Its method.
    pub method: Option<String>,
    /// Path and query: `/a?b=c`.
    pub path: Option<String>,
    /// All of its headers. A redacted value stands for the one that came.
    #[ts(optional, type = "Array<[string, string | { base64: string }]>")]
    pub headers: Option<HeaderList>,
    /// Its body.
    pub body: Option<Body>,
}

/// `clear_tunnel_requests`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[ts(optional_fields)]
pub struct ClearTunnelRequests {
    /// Only those of this tunnel.
    pub tunnel: Option<TunnelName>,
}

impl From<InspectorError> for ApiError {
    fn from(error: InspectorError) -> Self {
        Self::new(ErrorCode::StoreUnavailable, error.to_string())
    }
}

/// What went through this machine's tunnels.
///
/// # Errors
/// `edge.not_signed_in`; `request.malformed` for a limit out of range or a
/// status that is none; `store.unavailable`.
pub async fn tunnel_requests(
    edge: &EdgeHandle,
    args: TunnelRequestQuery,
) -> Result<TunnelRequestPage, ApiError> {
    let session = edge.shared.session()?;
    let look = look(&session, args)?;
    let inspector = &edge.shared.inspector;
    let found = inspector.ask(move |store| store.look(&look)).await?;
    Ok(TunnelRequestPage { rows: found.rows, next: found.next, dropped: inspector.dropped() })
}

/// All that is kept of one request.
///
/// # Errors
/// `edge.not_signed_in`; `not_found`; `store.unavailable`.
pub async fn tunnel_request(
    edge: &EdgeHandle,
    args: TunnelRequestKey,
) -> Result<TunnelRequestDetail, ApiError> {
    let session = edge.shared.session()?;
    let detail = kept(edge, &session, args.id).await?;
    Ok(shown(&session, detail, args.reveal == Some(true)))
}

/// Sends a request to its tunnel's target once more, as it came or edited, and
/// waits until the answer is complete. It is kept as a request of its own.
///
/// # Errors
/// `edge.not_signed_in`; `not_found` for the request or its tunnel;
/// `request.unsupported` where it was a WebSocket, or not all of its body is
/// kept; `request.malformed` for what cannot be sent. A target that fails is no
/// error: the request says so.
pub async fn replay_tunnel_request(
    edge: &EdgeHandle,
    args: ReplayTunnelRequest,
) -> Result<TunnelRequest, ApiError> {
    let session = edge.shared.session()?;
    let detail = kept(edge, &session, args.id).await?;
    let tunnel = session.tunnels.named(&detail.request.tunnel).ok_or_else(|| {
        let message = format!("this machine has no tunnel `{}` any more", detail.request.tunnel);
        ApiError::new(ErrorCode::NotFound, message)
    })?;
    let edit = args.edit.unwrap_or_default();
    let unsupported = |why: &str| Err(ApiError::new(ErrorCode::Unsupported, why));
    if detail.request.kind == super::ExchangeKind::WebSocket {
        return unsupported("a WebSocket cannot be sent once more");
    }
    if detail.request_truncated && edit.body.is_none() {
        return unsupported("only the beginning of this request's body is kept: give a body");
    }
    let edited = edited(detail, edit)?;
    Ok(replay(&edge.shared.exchanges, tunnel, edited, args.id).await)
}

/// Requests as an HTTP archive (HAR 1.2): those that the query finds, at most
/// 500, without credentials and cookies.
///
/// # Errors
/// As [`tunnel_requests`].
pub async fn export_har(edge: &EdgeHandle, args: TunnelRequestQuery) -> Result<Value, ApiError> {
    let session = edge.shared.session()?;
    let look = Look { limit: args.limit.map_or(EXPORTED, |n| n as usize), ..look(&session, args)? };
    let profile = session.profile.id;
    let details = edge.shared.inspector.ask(move |store| {
        let found = store.look(&look)?.rows;
        let details = found.iter().map(|row| store.detail(profile, row.id));
        details.filter_map(Result::transpose).collect::<rusqlite::Result<Vec<_>>>()
    });
    let details: Vec<_> = details.await?.into_iter().map(|detail| shown(&session, detail, false)).collect();
    Ok(inspector::har(&details, |detail| {
        let tunnel = session.tunnels.named(&detail.request.tunnel);
        let base = tunnel.map_or_else(|| format!("http://{}", detail.request.tunnel), |t| t.kept.url.clone());
        format!("{base}{}", detail.request.path)
    }))
}

/// Forgets what went through.
///
/// # Errors
/// `edge.not_signed_in`; `store.unavailable`.
pub async fn clear_tunnel_requests(
    edge: &EdgeHandle,
    args: ClearTunnelRequests,
) -> Result<TunnelRequestPage, ApiError> {
    let session = edge.shared.session()?;
    let tunnel = args.tunnel.as_ref().map(|name| name.as_str().to_owned());
    edge.shared.inspector.forget(session.profile.id, tunnel).await?;
    tunnel_requests(edge, TunnelRequestQuery { tunnel: args.tunnel, ..TunnelRequestQuery::default() }).await
}

fn look(session: &Session, args: TunnelRequestQuery) -> Result<Look, ApiError> {
    let malformed =
        || ApiError::new(ErrorCode::BadRequest, "`status` is 1xx to 5xx, a status from 100 to 599, or none");
    let unanswered = args.status.as_deref() == Some("none");
    let status = match args.status.as_deref().filter(|_| !unanswered) {
        None => None,
        Some(text) => Some(match text.strip_suffix("xx").map(str::parse::<u16>) {
            Some(Ok(class @ 1..=5)) => (class * 100, class * 100 + 99),
            Some(_) => return Err(malformed()),
            None => {
                text.parse().ok().filter(|s| (100..600).contains(s)).map(|s| (s, s)).ok_or_else(malformed)?
            }
        }),
    };
    let text = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
    Ok(Look {
        profile: session.profile.id,
        tunnel: args.tunnel.map(String::from),
        text: text(args.search),
        method: text(args.method),
        path: text(args.path),
        status,
        unanswered,
        header: text(args.header).map(|header| match header.split_once(':') {
            Some((name, value)) => (name.trim().to_owned(), value.trim().to_owned()),
            None => (header.trim().to_owned(), String::new()),
        }),
        least_bytes: args.least_bytes,
        least_micros: args.least_micros,
        before: args.before,
        limit: limit(args.limit)? as usize,
    })
}

async fn kept(edge: &EdgeHandle, session: &Session, id: u64) -> Result<TunnelRequestDetail, ApiError> {
    let profile = session.profile.id;
    let detail = edge.shared.inspector.ask(move |store| store.detail(profile, id)).await?;
    detail.ok_or_else(|| ApiError::new(ErrorCode::NotFound, format!("the request {id} is not kept")))
}

/// What of it may be shown, with its command.
fn shown(session: &Session, mut detail: TunnelRequestDetail, reveal: bool) -> TunnelRequestDetail {
    if !reveal {
        let mut redact = |headers: &mut HeaderList| {
            let shown = |(name, value): (&str, &[u8])| {
                let secret = SECRET.contains(&name);
                detail.redacted |= secret;
                (name.to_owned(), if secret { REDACTED.as_bytes().to_vec() } else { value.to_vec() })
            };
            *headers = headers.iter().map(shown).collect();
        };
        let (mut request, mut response) =
            (std::mem::take(&mut detail.request_headers), std::mem::take(&mut detail.response_headers));
        redact(&mut request);
        redact(&mut response);
        (detail.request_headers, detail.response_headers) = (request, response);
    }
    let tunnel = session.tunnels.named(&detail.request.tunnel);
    let origin =
        tunnel.map_or_else(|| "http://localhost".to_owned(), |tunnel| tunnel.kept.settings.target.clone());
    detail.curl = inspector::curl(&detail, &origin);
    detail
}

fn edited(detail: TunnelRequestDetail, edit: TunnelRequestEdit) -> Result<Edited, ApiError> {
    let refuse = |what: String| ApiError::new(ErrorCode::BadRequest, what);
    let method = edit.method.unwrap_or(detail.request.method);
    let method =
        Method::from_bytes(method.as_bytes()).map_err(|_| refuse(format!("`{method}` is no method")))?;
    let path = edit.path.unwrap_or(detail.request.path);
    let path = path.parse().map_err(|_| refuse(format!("`{path}` is no path")))?;
    let body = edit.body.map_or(Ok(None), |body| body.into_bytes().map(Some));
    let body = body.map_err(|e| refuse(format!("`edit.body.base64`: {e}")))?;
    let changed = body.is_some();
    let body = match body {
        Some(body) => body,
        None => detail.request_body.into_bytes().unwrap_or_default(),
    };
    let came = detail.request_headers;
    let given = edit.headers.as_ref().unwrap_or(&came);
    let mut headers = http::HeaderMap::new();
    for (name, value) in given.iter() {
        let value = match value == REDACTED.as_bytes() && SECRET.contains(&name) {
            true => came.iter().find(|(other, _)| *other == name).map_or(value, |(_, value)| value),
            false => value,
        };
        let header = HeaderName::try_from(name).ok().zip(HeaderValue::from_bytes(value).ok());
        let (name, value) =
            header.ok_or_else(|| refuse(format!("`{name}` is no header that can be sent")))?;
        headers.append(name, value);
    }
    Ok(Edited { method, path, headers, body: body.into(), resized: changed })
}
