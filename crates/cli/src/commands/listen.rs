//! `postern listen`: events as they arrive, one line each, forwarded for as
//! long as the command runs. In a terminal it is a [`view`] with keys.
//!
//! It attaches to the edge that runs on the data folder, or runs one itself.
//! The forward is a rule of that edge which ends with the stream: nothing is
//! registered, and the forward target that is set stays as it is.

use super::events::bytes;
use super::status::not_signed_in;
use crate::args;
use crate::backend::{Backend, Client, Own, Settings, Started, running};
use crate::failure::Failure;
use crate::output::{self, Output, safe};
use crate::{signals, ui};
use futures_util::{StreamExt, TryStreamExt};
use postern_edge::ApiConfig;
use postern_edge::api::{EventDetail, EventKey, EventSummary, Live, OutcomeKind, Status};
use postern_protocol::event::Described;
use postern_protocol::filter::Filter;
use std::collections::VecDeque;
use tokio_util::sync::CancellationToken;

mod view;

/// Shows, and forwards, what arrives until a signal.
pub(crate) async fn listen(settings: &Settings, args: args::Listen, output: &Output) -> Result<(), Failure> {
    let filter =
        Filter::parse(&args.filter).map_err(|error| Failure::usage(output::sentence(&error.to_string())))?;
    let stop = CancellationToken::new();
    signals::cancel_on_signal(stop.clone());
    let (client, own) = attach(settings, args.proxy.proxy.clone(), "postern listen").await?;
    let listened = tokio::select! {
        listened = follow(settings, client, &args, &filter, output) => listened,
        () = stop.cancelled() => Ok(()),
    };
    if let Some(own) = own {
        own.drain().await;
    }
    listened
}

/// The running edge, or one that this command runs, reached the same way.
pub(super) async fn attach(
    settings: &Settings,
    proxy: Option<String>,
    program: &str,
) -> Result<(Client, Option<Own>), Failure> {
    let mut config = settings.edge(proxy)?;
    config.program = program.into();
    config.api = Some(ApiConfig { ui: Some(ui::router()), ..ApiConfig::default() });
    match Own::start(settings, config).await? {
        Started::Other(client) => Ok((client, None)),
        Started::Own(own) => match running(settings).await? {
            Some(client) => Ok((client, Some(own))),
            None => Err(Failure::coded(
                "edge.unreachable",
                "The worker ended as soon as it had started. Try again with -v to see why.",
            )),
        },
    }
}

async fn follow(
    settings: &Settings,
    client: Client,
    args: &args::Listen,
    filter: &Filter,
    output: &Output,
) -> Result<(), Failure> {
    let edge = Backend::Running(client.clone());
    let status: Status = edge.call("status", ()).await?;
    // With a token from the environment the sign-in may still be under way.
    if status.session.is_none() && settings.token.is_none() {
        return Err(not_signed_in());
    }
    let forward_to = args.forward_to.as_deref();
    let live = client.live(Some(status.cursor), forward_to.map(|url| (url, &args.filter[..]))).await?;
    let mut live = live.map_err(Failure::from);
    if output.interactive && !args.plain {
        return view::show(edge, status, forward_to, filter, &mut live, output).await;
    }
    let target = forward_to.map(|url| format!(", forwarding to {}", safe(url))).unwrap_or_default();
    output.note(&format!("Listening{target}. Ctrl-C ends it."));
    let mut shown = Shown::default();
    let mut state = None;
    while let Some(batch) = live.next().await {
        let Live { changes, status, .. } = batch?;
        for event in changes.into_iter().flat_map(|changes| changes.rows) {
            if wanted(&edge, filter, &event).await? && shown.is_news(&event) {
                output.show(&event, |style| output::live_row(style, &event))?;
            }
        }
        if let Some(status) = status {
            let now = std::mem::discriminant(&status.connection);
            if state.replace(now) != Some(now) {
                output.note(&output::state(&output.style, &status));
            }
        }
    }
    Ok(())
}

/// Whether the filter takes it. The payload is asked for only where a condition
/// needs it.
async fn wanted(edge: &Backend, filter: &Filter, event: &EventSummary) -> Result<bool, Failure> {
    if !filter.has_conditions() {
        return Ok(takes(filter, event, b""));
    }
    let detail: EventDetail = edge.call("event", EventKey { id: event.id.clone() }).await?;
    Ok(takes(filter, event, &bytes(&detail.body)?))
}

fn takes(filter: &Filter, event: &EventSummary, body: &[u8]) -> bool {
    let described = Described {
        event_type: event.event_type.clone(),
        action: event.action.clone(),
        entity: None,
        subject: String::new(),
        detail: String::new(),
    };
    filter.takes(event.provider, &described, body)
}

/// Which events have been shown: an event is news when its handler has come
/// to an end, once, and again after it has run again.
#[derive(Default)]
struct Shown(VecDeque<String>);

impl Shown {
    /// Older ones are forgotten: they seldom change any more.
    const REMEMBERED: usize = 1_000;

    fn is_news(&mut self, event: &EventSummary) -> bool {
        let known = self.0.iter().position(|id| *id == event.id);
        match (event.outcome.kind, known) {
            (OutcomeKind::Running, Some(at)) => {
                self.0.remove(at);
                false
            }
            (OutcomeKind::Running, None) => false,
            (_, Some(_)) => false,
            (_, None) => {
                self.0.push_back(event.id.clone());
                if self.0.len() > Self::REMEMBERED {
                    self.0.pop_front();
                }
                true
            }
        }
    }
}

#[cfg(test)]
mod tests;
