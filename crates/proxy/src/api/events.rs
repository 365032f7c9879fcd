//! `/v1/events`: what was accepted.

use super::{Api, id, missing};
use crate::http::error::ApiError;
use crate::http::openapi::Refusals;
use crate::http::paging::{EventPaging, Listing, query_of};
use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::{
    CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use postern_protocol::HeaderList;
use postern_protocol::api::{EventDetail, EventFilter, EventList};
use postern_protocol::id::EventId;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::sync::Arc;

/// What a body may be called as, and the ending of its file. Anything else,
/// above all what a browser would run, is bytes.
const SAFE: [(&str, &str); 4] = [
    ("application/json", "json"),
    ("application/x-www-form-urlencoded", "txt"),
    ("application/xml", "xml"),
    ("text/plain", "txt"),
];

/// The events, newest first.
///
/// Scope `events:read`.
#[utoipa::path(
    get,
    path = "/v1/events",
    tag = "events",
    params(EventFilter, EventPaging),
    responses((status = 200, description = "A page of them.", body = EventList), Refusals),
)]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    listing: Listing<EventFilter, 16>,
) -> Result<Json<EventList>, ApiError> {
    let workspace = api.reading(&headers).await?.workspace();
    let page = api.store.list_events(workspace, listing.filter, listing.from, listing.limit).await?;
    Ok(Json(EventList { events: page.items, next: page.next.map(|next| next.to_string()) }))
}

/// What else is shown of an event.
#[derive(Clone, Copy, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Shown {
    /// `headers`: the provider's headers too.
    #[param(nullable = false, inline)]
    include: Option<Include>,
}

/// What may be shown beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Include {
    Headers,
}

/// An event with everything the proxy did with it.
///
/// Scope `events:read`.
#[utoipa::path(
    get,
    path = "/v1/events/{event}",
    tag = "events",
    params(("event" = EventId, Path, description = "Its id."), Shown),
    responses(
        (status = 200, description = "The event, its deliveries and their attempts.", body = EventDetail),
        Refusals,
    ),
)]
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    Path(event): Path<String>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Json<EventDetail>, ApiError> {
    let workspace = api.reading(&headers).await?.workspace();
    let shown: Shown = query_of(query.as_deref().unwrap_or_default())?;
    let event: EventId = id(&event, "event")?;
    let record = api.store.event_record(workspace, event).await?.ok_or_else(|| missing("event"))?;
    let content = api.store.event_content(workspace, event).await?.ok_or_else(|| missing("event"))?;
    Ok(Json(EventDetail {
        record,
        source_id: content.source,
        entity: content.entity,
        subject: content.subject,
        detail: content.detail,
        headers: shown.include.map(|Include::Headers| content.headers),
    }))
}

/// The body, byte for byte as the provider posted it.
///
/// Scope `events:read`. Its content type is the provider's where that is JSON,
/// plain text, a form or XML, and `application/octet-stream` otherwise.
#[utoipa::path(
    get,
    path = "/v1/events/{event}/body",
    tag = "events",
    params(("event" = EventId, Path, description = "Its id.")),
    responses(
        (
            status = 200,
            description = "The bytes.",
            content(
                (Vec<u8> = "application/octet-stream"), (serde_json::Value = "application/json"),
                (String = "text/plain"), (String = "application/x-www-form-urlencoded"), (String = "application/xml"),
            ),
        ),
        Refusals,
    ),
)]
pub(crate) async fn body(
    State(api): State<Arc<Api>>,
    Path(event): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let workspace = api.reading(&headers).await?.workspace();
    let event: EventId = id(&event, "event")?;
    let content = api.store.event_content(workspace, event).await?.ok_or_else(|| missing("event"))?;
    let (kind, ending) = safe_type(&content.headers, &content.body);
    let mut answer = content.body.into_response();
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
    if let Ok(file) = HeaderValue::from_str(&format!("attachment; filename=\"{event}.{ending}\"")) {
        headers.insert(CONTENT_DISPOSITION, file);
    }
    Ok(answer)
}

/// The content type under which a body is handed out, and its file's ending.
/// What says that it is JSON, and is not, is bytes.
fn safe_type(headers: &HeaderList, body: &[u8]) -> (&'static str, &'static str) {
    let said = headers.get(CONTENT_TYPE.as_str()).unwrap_or_default();
    let said = said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let json = || serde_json::from_slice::<IgnoredAny>(body).is_ok();
    let is = |kind: &str| kind == said && (kind != "application/json" || json());
    SAFE.into_iter().find(|(kind, _)| is(kind)).unwrap_or(("application/octet-stream", "bin"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_browser_would_run_is_bytes() {
        for (said, kind) in [
            ("application/json; charset=utf-8", "application/json"),
            ("Application/JSON", "application/json"),
            ("text/plain", "text/plain"),
            ("text/html", "application/octet-stream"),
            ("image/svg+xml", "application/octet-stream"),
            ("application/xhtml+xml", "application/octet-stream"),
            ("application/javascript", "application/octet-stream"),
            ("application/json, text/html", "application/octet-stream"),
            ("", "application/octet-stream"),
        ] {
            let headers: HeaderList = [("content-type", said)].into_iter().collect();
            assert_eq!(safe_type(&headers, b"{}").0, kind, "{said}");
        }
        assert_eq!(safe_type(&HeaderList::new(), b"{}").0, "application/octet-stream");
        let json: HeaderList = [("content-type", "application/json")].into_iter().collect();
        assert_eq!(safe_type(&json, b"").0, "application/octet-stream");
    }
}
