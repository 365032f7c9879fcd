//! The edge's changes, handed on to the tray and the notifications. The page
//! fetches its own ([`feed`]).

mod feed;

pub(crate) use feed::Feed;

use crate::edge::{self, CurrentEdge};
use crate::notifications::{self, Choice, Screen};
use crate::{tray, window};
use futures_util::StreamExt;
use postern_edge::SystemClock;
use postern_edge::api::{EventSummary, Status};
use postern_protocol::Clock;
use std::sync::{Mutex, PoisonError};
use tauri::{AppHandle, Emitter, Manager, Runtime};
use tokio::sync::mpsc;

/// The event that carries an [`edge::EdgeState`] to the page.
pub(crate) const EDGE: &str = "postern://edge";

/// The edge's last word on how things stand.
#[derive(Default)]
pub(crate) struct Latest(Mutex<Option<Status>>);

impl Latest {
    /// Absent until the edge has spoken.
    pub(crate) fn status(&self) -> Option<Status> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, status: Status) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(status);
    }
}

/// What the edge's words are kept in, before it has spoken.
pub(crate) fn prepare<R: Runtime>(app: &AppHandle<R>) {
    app.manage(Latest::default());
    app.manage(Feed::default());
    app.manage(screen(app));
}

/// Follows the edge until it stops.
pub(crate) fn follow<R: Runtime>(app: &AppHandle<R>) {
    let (arrivals, changes) = mpsc::unbounded_channel();
    tauri::async_runtime::spawn(hand_on(app.clone(), arrivals));
    tauri::async_runtime::spawn(tell_state(app.clone()));
    tauri::async_runtime::spawn(notify(app.clone(), changes));
}

async fn hand_on<R: Runtime>(app: AppHandle<R>, arrivals: mpsc::UnboundedSender<Vec<EventSummary>>) {
    let edge = app.state::<CurrentEdge>().inner().clone();
    let mut live = std::pin::pin!(edge.live());
    while let Some(change) = live.next().await {
        if let Some(status) = &change.status {
            app.state::<Latest>().set(status.clone());
            tray::show_status(&app, status);
        }
        tray::show_events(&app);
        if let Some(changes) = change.changes {
            // Only a notifier that has ended does not listen.
            let _ = arrivals.send(changes.rows);
        }
    }
}

/// Tells the page which edge works for it, whenever that changes.
async fn tell_state<R: Runtime>(app: AppHandle<R>) {
    let edge = app.state::<CurrentEdge>().inner().clone();
    let mut states = std::pin::pin!(edge.states());
    while let Some(state) = states.next().await {
        if let Err(problem) = app.emit_to(window::LABEL, EDGE, state) {
            tracing::warn!(%problem, "the page was not told which edge works for it");
        }
    }
}

async fn notify<R: Runtime>(app: AppHandle<R>, changes: mpsc::UnboundedReceiver<Vec<EventSummary>>) {
    notifications::run(changes, SystemClock.now(), |note| {
        let wanted = app.state::<Latest>().status().is_some_and(|status| status.settings.notifications);
        if wanted && !window::in_front(&app) {
            app.state::<Screen>().show(note);
        }
    })
    .await;
}

/// The screen, with what its buttons do.
fn screen<R: Runtime>(app: &AppHandle<R>) -> Screen {
    let app = app.clone();
    Screen::new(move |choice| match choice {
        Choice::Open(event) => window::show_event(&app, event),
        Choice::Replay(id) => edge::replay(&app, id),
    })
}
