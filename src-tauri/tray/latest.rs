//! The latest events in the tray's menu, newest first; choosing one shows it.

use super::words::{escaped, one_line};
use crate::edge::CurrentEdge;
use crate::notifications::note::title;
use postern_edge::api::{EventPage, EventQuery, EventSummary};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tauri::menu::{Menu, MenuItem};
use tauri::{AppHandle, Manager, Runtime};
use tokio::sync::Notify;

/// How many there are.
const COUNT: u32 = 5;
/// The least time between two looks: in a flood nobody reads them all.
const PAUSE: Duration = Duration::from_secs(1);
/// What an item's id starts with; the event's id follows.
const PREFIX: &str = "event:";

/// The event of a menu item's id.
pub(super) fn event_of(item: &str) -> Option<&str> {
    item.strip_prefix(PREFIX)
}

/// Asked to look for newer events.
#[derive(Default)]
pub(super) struct Look(Notify);

/// The part of the menu with the events in it.
pub(super) struct Latest<R: Runtime> {
    menu: Menu<R>,
    /// Where in the menu the first one is.
    first: usize,
    shown: Mutex<Vec<Entry<R>>>,
}

struct Entry<R: Runtime> {
    /// Empty on the line that stands for none.
    event: String,
    line: String,
    item: MenuItem<R>,
}

impl<R: Runtime> Latest<R> {
    /// The part of `menu` that starts at `first`, with the line for no events.
    pub(super) fn new(app: &AppHandle<R>, menu: Menu<R>, first: usize) -> tauri::Result<Self> {
        let latest = Self { menu, first, shown: Mutex::default() };
        latest.show(app, &[])?;
        Ok(latest)
    }

    /// Shows these. An item stays its event's for as long as that is shown,
    /// so that what is pressed is what was read.
    fn show(&self, app: &AppHandle<R>, rows: &[EventSummary]) -> tauri::Result<()> {
        let mut wanted: Vec<_> = rows.iter().map(|row| (row.id.as_str(), line(row))).collect();
        if wanted.is_empty() {
            wanted.push(("", "No events yet".to_owned()));
        }
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        for at in (0..shown.len()).rev() {
            let entry = &shown[at];
            if !wanted.iter().any(|(event, line)| *event == entry.event && *line == entry.line) {
                self.menu.remove(&entry.item)?;
                shown.remove(at);
            }
        }
        for (at, (event, line)) in wanted.into_iter().enumerate() {
            if shown.get(at).is_some_and(|entry| entry.event == event) {
                continue;
            }
            let id = format!("{PREFIX}{event}");
            let item = MenuItem::with_id(app, id, escaped(&line), !event.is_empty(), None::<&str>)?;
            self.menu.insert(&item, self.first + at)?;
            shown.insert(at, Entry { event: event.to_owned(), line, item });
        }
        Ok(())
    }
}

/// Has the menu brought up to date, soon.
pub(super) fn look<R: Runtime>(app: &AppHandle<R>) {
    if let Some(look) = app.try_state::<Look>() {
        look.0.notify_one();
    }
}

/// Keeps the menu up to date.
pub(super) fn follow<R: Runtime>(app: &AppHandle<R>) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        loop {
            app.state::<Look>().0.notified().await;
            match events(&app).await {
                Ok(rows) => show(&app, rows),
                Err(problem) => tracing::debug!(problem, "no events for the tray's menu"),
            }
            tokio::time::sleep(PAUSE).await;
        }
    });
}

/// Shows these in one turn of the main thread: a menu that is opened meanwhile
/// has the old ones or the new ones, never some of each.
fn show<R: Runtime>(app: &AppHandle<R>, rows: Vec<EventSummary>) {
    let handle = app.clone();
    let shown = app.run_on_main_thread(move || {
        if let Err(problem) = handle.state::<Latest<R>>().show(&handle, &rows) {
            tracing::warn!(%problem, "the events in the tray's menu are behind");
        }
    });
    if let Err(problem) = shown {
        tracing::debug!(%problem, "the app ends: its tray shows no more events");
    }
}

async fn events<R: Runtime>(app: &AppHandle<R>) -> Result<Vec<EventSummary>, String> {
    let edge = app.state::<CurrentEdge>().inner().clone();
    let query = EventQuery { limit: Some(COUNT), ..EventQuery::default() };
    let args = serde_json::to_value(query).map_err(|problem| problem.to_string())?;
    let page = edge.call("events", args).await.map_err(|problem| problem.to_string())?;
    let page: EventPage = serde_json::from_value(page).map_err(|problem| problem.to_string())?;
    Ok(page.rows)
}

/// An event in a line.
fn line(row: &EventSummary) -> String {
    let title = title(row);
    // One line, whatever the payload had in it.
    one_line(&if title == row.name { title.to_owned() } else { format!("{title} · {}", row.name) })
}

#[cfg(test)]
mod tests {
    use super::super::words::LONGEST;
    use super::*;
    use crate::notifications::note::tests::row;

    #[test]
    fn a_line_says_what_happened_and_is_one() {
        assert_eq!(line(&row("evt_1", 1)), "ENG-42 Fix login · Issue.update");
        let bare = EventSummary { subject: String::new(), ..row("evt_1", 1) };
        assert_eq!(line(&bare), "Issue.update");
        let long = EventSummary { subject: format!("a\nb{}", "ü".repeat(300)), ..row("evt_1", 1) };
        let line = line(&long);
        assert!(
            line.starts_with("a b") && line.ends_with('…') && line.chars().count() == LONGEST + 1,
            "{line}"
        );
    }

    #[test]
    fn an_item_is_known_by_its_event() {
        assert_eq!(event_of("event:evt_1"), Some("evt_1"));
        assert_eq!(event_of("quit"), None);
    }
}
