//! Links into the app: `postern://event/{id}`, from a chat, a note, a
//! terminal. The system starts the app with the link, or hands it to the one
//! that runs; the window comes to the front and shows the event.

use crate::window;
use serde::Serialize;
use std::sync::{Mutex, PoisonError};
use tauri::{AppHandle, Manager, Runtime, Url};
use tauri_plugin_deep_link::DeepLinkExt;

/// An event's id is shorter, in characters.
const LONGEST: usize = 64;
/// So much of a link that leads nowhere is told, in characters.
const TOLD: usize = 80;

/// Where the page shall go next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Place {
    /// To the event of this id, whether or not it is there.
    Event(String),
    /// Nowhere; and why, in a sentence.
    Problem(String),
}

impl Place {
    /// Where a link leads.
    fn of(link: &Url) -> Self {
        let path: Vec<&str> = link.path().split('/').filter(|part| !part.is_empty()).collect();
        match path[..] {
            [id] if link.host_str() == Some("event") && is_id(id) => Self::Event(id.to_owned()),
            _ => Self::Problem(format!(
                "The link {} leads nowhere in Postern. A link to an event is postern://event/ and the event's id.",
                link.as_str().chars().take(TOLD).collect::<String>()
            )),
        }
    }
}

fn is_id(text: &str) -> bool {
    text.len() <= LONGEST && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The place that the page has not gone to yet. It asks for it: when it is
/// told that there is one, and once when it has loaded.
#[derive(Default)]
pub(crate) struct Next(Mutex<Option<Place>>);

impl Next {
    /// Replaces what it was before.
    pub(crate) fn set(&self, place: Place) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(place);
    }

    /// Gives it out, once.
    pub(crate) fn take(&self) -> Option<Place> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Follows links from here on, and the one that the app was started with.
pub(crate) fn follow<R: Runtime>(app: &AppHandle<R>) {
    let to = app.clone();
    app.deep_link().on_open_url(move |opened| {
        for link in opened.urls() {
            window::go(&to, Place::of(&link));
        }
    });
    match app.deep_link().get_current() {
        Ok(links) => links.iter().flatten().for_each(|link| app.state::<Next>().set(Place::of(link))),
        Err(problem) => tracing::warn!(%problem, "whether the app was started by a link is not known"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(link: &str) -> Place {
        Place::of(&link.parse().unwrap())
    }

    #[test]
    fn a_link_leads_to_its_event() {
        let event = Place::Event("evt_01KAN8R0T6F3M9Q2V7Z1C5X4B8".to_owned());
        assert_eq!(place("postern://event/evt_01KAN8R0T6F3M9Q2V7Z1C5X4B8"), event);
        assert_eq!(place("postern://event/evt_01KAN8R0T6F3M9Q2V7Z1C5X4B8/"), event);
        assert_eq!(serde_json::to_value(&event).unwrap()["event"], "evt_01KAN8R0T6F3M9Q2V7Z1C5X4B8");
    }

    #[test]
    fn any_other_says_where_it_does_not_lead() {
        let long = format!("postern://event/{}", "a".repeat(100_000));
        for link in [
            "postern://event",
            "postern://event/a/b",
            "postern://event/%2e%2e",
            "postern://event/<script>",
            "postern://settings/evt_1",
            "postern:evt_1",
            &long,
        ] {
            let Place::Problem(why) = place(link) else { panic!("{link}") };
            assert!(why.starts_with("The link postern:") && why.len() < 300, "{why}");
        }
    }

    #[test]
    fn the_page_goes_to_a_place_once() {
        let next = Next::default();
        next.set(Place::Event("evt_1".to_owned()));
        next.set(Place::Event("evt_2".to_owned()));
        assert_eq!(next.take(), Some(Place::Event("evt_2".to_owned())));
        assert_eq!(next.take(), None);
    }
}
