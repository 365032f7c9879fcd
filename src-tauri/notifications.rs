//! Desktop notifications for events that arrive while the window is not in
//! front.
//!
//! The first event is told at once; what follows within a second is told
//! together, and the longer a flood lasts the rarer it is told (at most every
//! half minute). A notification is never the reason for anything else to fail
//! or wait: without a notification service it is logged, and that is all.

mod arrivals;
mod grouping;
pub(crate) mod note;
mod screen;

pub(crate) use note::Note;
pub(crate) use screen::{Choice, Screen};

use arrivals::Arrivals;
use grouping::Grouping;
use postern_edge::api::EventSummary;
use postern_protocol::UnixMillis;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// Tells of arrivals until the sender of `changes` is gone. Rows stored
/// before `start` are old, whatever happens to them. `show` is asked to show
/// a note; it may decide not to, and must not block.
pub(crate) async fn run(
    mut changes: mpsc::UnboundedReceiver<Vec<EventSummary>>,
    start: UnixMillis,
    show: impl Fn(Note),
) {
    let mut arrivals = Arrivals::since(start);
    let mut grouping = Grouping::default();
    loop {
        let note = tokio::select! {
            rows = changes.recv() => match rows {
                Some(rows) => grouping.arrive(Instant::now(), arrivals.among(rows)),
                None => return,
            },
            () = wait_until(grouping.deadline()) => grouping.close(Instant::now()),
        };
        if let Some(note) = note {
            show(note);
        }
    }
}

/// Returns at `deadline`; never without one.
async fn wait_until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
