//! `postern events list` and `postern events show`.

use crate::args::{EventsList, EventsShow, Which};
use crate::backend::{Backend, Settings};
use crate::failure::Failure;
use crate::output::{self, Output};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use postern_edge::api::{Body, EventDetail, EventKey, EventPage, EventQuery};
use postern_protocol::ErrorCode;
use postern_protocol::api::{EventRecord, WorkerReason};
use serde::Serialize;
use std::borrow::Cow;
use std::time::Duration;

/// Lists a page of the history, newest first.
pub(crate) async fn list(settings: &Settings, args: EventsList, output: &Output) -> Result<(), Failure> {
    let edge = Backend::open(settings, settings.edge(None)?).await?;
    let query = EventQuery { before: args.before, limit: Some(args.limit), ..args.which.query() };
    let mut page: EventPage = edge.call("events", query.clone()).await?;
    // What is rare takes more than one look.
    while let Some(next) = page.next.take_if(|_| page.rows.len() < args.limit as usize) {
        let left = args.limit - u32::try_from(page.rows.len()).unwrap_or(0);
        let query = EventQuery { before: Some(next), limit: Some(left), ..query.clone() };
        let older: EventPage = edge.call("events", query).await?;
        page.rows.extend(older.rows);
        page.next = older.next;
        page.searched_to = older.searched_to;
    }
    output.show(&page, |style| output::page(style, &page))
}

impl Which {
    /// The query for them, without bounds.
    pub(super) fn query(self) -> EventQuery {
        EventQuery {
            search: self.search,
            provider: self.provider,
            source: self.source,
            event_type: self.event_type,
            outcome: self.outcome,
            action: self.action,
            status: self.status,
            payload: self.condition,
            ..EventQuery::default()
        }
    }
}

/// How long the proxy is waited for, for what it knows of an event: its answer
/// takes a moment, and without it there is enough to look at.
const PATIENCE: Duration = Duration::from_secs(2);

/// An event, with what the proxy says of it.
#[derive(Serialize)]
struct Shown<'e> {
    #[serde(flatten)]
    event: &'e EventDetail,
    /// Why each worker got it or did not; absent: the proxy has not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    workers: Option<&'e [WorkerReason]>,
}

/// Shows everything this machine knows of one event, at once; then, when the
/// proxy has said it, why each worker of the workspace got it or did not.
pub(crate) async fn show(settings: &Settings, args: EventsShow, output: &Output) -> Result<(), Failure> {
    let edge = Backend::open(settings, settings.edge(None)?).await?;
    let key = EventKey { id: args.id };
    let event: EventDetail = edge.call("event", &key).await?;
    if args.raw {
        return output.bytes(&bytes(&event.body)?);
    }
    if !output.json {
        output.print(output::detail(&output.style, &event).trim_end())?;
    }
    let record = tokio::time::timeout(PATIENCE, edge.call::<EventRecord>("event_record", &key)).await;
    let workers = match record {
        Ok(Ok(record)) => Ok(record.workers),
        Ok(Err(failure)) => Err(failure.message().to_owned()),
        Err(_) => Err(format!("the proxy did not answer within {} s", PATIENCE.as_secs())),
    };
    let shown = Shown { event: &event, workers: workers.as_deref().ok() };
    output.show(&shown, |style| output::reasons(style, &workers))
}

/// A body, byte for byte.
pub(super) fn bytes(body: &Body) -> Result<Cow<'_, [u8]>, Failure> {
    match body {
        Body::Utf8 { text } => Ok(Cow::Borrowed(text.as_bytes())),
        Body::Base64 { base64 } => {
            let unreadable =
                |_| Failure::new(ErrorCode::Internal, "The worker's answer holds a body that is not base64.");
            Ok(Cow::Owned(STANDARD.decode(base64).map_err(unreadable)?))
        }
    }
}
