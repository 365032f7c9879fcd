//! The live view of `listen` in a terminal: the path and its state on top, one
//! line for each event, an event's payload in place, and the keys below.
//!
//! What it shares with other views is in [`crate::view`].

use super::wanted;
use crate::backend::Backend;
use crate::failure::Failure;
use crate::output::{self, Output};
use crate::view::{Act, Terminal};
use crossterm::event::{Event, EventStream, KeyEventKind};
use futures_util::{Stream, StreamExt};
use model::Model;
use postern_edge::api::{EventDetail, EventKey, HandlerRun, Live, Replay, Status};
use postern_protocol::filter::Filter;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

mod draw;
mod model;

/// What an operation that was started by a key came to.
enum Done {
    Opened(Result<Box<EventDetail>, Failure>),
    Replayed(Result<Box<HandlerRun>, Failure>),
}

/// Shows what arrives until a key ends it.
///
/// # Errors
/// When the terminal cannot be used, or the edge has ended.
pub(super) async fn show(
    edge: Backend,
    status: Status,
    forward_to: Option<&str>,
    filter: &Filter,
    live: &mut (impl Stream<Item = Result<Live, Failure>> + Unpin),
    output: &Output,
) -> Result<(), Failure> {
    let edge = Arc::new(edge);
    let (done, mut finished) = mpsc::unbounded_channel();
    let mut model = Model::new(status, forward_to.map(str::to_owned));
    let mut terminal = Terminal::enter()?;
    let mut keys = EventStream::new();
    // The state's line says how long ago something was.
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        let (width, height) = terminal.size()?;
        terminal.draw(&draw::lines(&mut model, width, height, &output.style))?;
        tokio::select! {
            batch = live.next() => {
                let Some(batch) = batch else { return Ok(()) };
                let Live { changes, status, .. } = batch?;
                for event in changes.into_iter().flat_map(|changes| changes.rows) {
                    if wanted(&edge, filter, &event).await? {
                        model.list.put(event);
                    }
                }
                if let Some(status) = status {
                    model.status = status;
                }
            }
            event = keys.next() => match event {
                Some(Ok(Event::Key(key))) if key.kind != KeyEventKind::Release => {
                    match model.list.key(key) {
                        Some(Act::Quit) => return Ok(()),
                        Some(act) => begin(act, &edge, forward_to, done.clone()),
                        None => {}
                    }
                }
                // A resize: the next drawing fits.
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
                None => return Ok(()),
            },
            Some(done) = finished.recv() => match done {
                Done::Opened(Ok(detail)) => {
                    model.list.open(&output::detail(&output.style.plain(), &detail));
                }
                Done::Replayed(Ok(run)) => model.list.note = output::run(&output.style.plain(), &run),
                Done::Opened(Err(failure)) | Done::Replayed(Err(failure)) => {
                    model.list.note = failure.message().to_owned();
                }
            },
            _ = tick.tick() => model.second(),
        }
    }
}

/// Starts what a key asks for; the view goes on meanwhile.
fn begin(act: Act<String>, edge: &Arc<Backend>, target: Option<&str>, done: mpsc::UnboundedSender<Done>) {
    let (edge, target) = (Arc::clone(edge), target.map(str::to_owned));
    tokio::spawn(async move {
        let came = match act {
            Act::Open(id) => Done::Opened(edge.call("event", EventKey { id }).await.map(Box::new)),
            Act::Replay(id) => Done::Replayed(
                edge.call("replay", Replay { id, target, ..Replay::default() }).await.map(Box::new),
            ),
            Act::Quit | Act::Own(..) => return,
        };
        // The view has ended: nobody wants to know.
        let _ = done.send(came);
    });
}
