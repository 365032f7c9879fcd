//! `postern events list` and `postern events show`.

use crate::args::{EventsList, EventsShow, Which};
use crate::backend::{Backend, Settings};
use crate::failure::Failure;
use crate::output::{self, Output};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use postern_edge::api::{Body, EventDetail, EventKey, EventPage, EventQuery};
use postern_protocol::ErrorCode;
use std::borrow::Cow;

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

/// Shows everything this machine knows of one event.
pub(crate) async fn show(settings: &Settings, args: EventsShow, output: &Output) -> Result<(), Failure> {
    let edge = Backend::open(settings, settings.edge(None)?).await?;
    let event: EventDetail = edge.call("event", EventKey { id: args.id }).await?;
    if !args.raw {
        return output.show(&event, |style| output::detail(style, &event));
    }
    output.bytes(&bytes(&event.body)?)
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
