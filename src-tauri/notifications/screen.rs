//! The desktop's notification service.

use super::note::Note;
use notify_rust::{Notification, NotificationResponse};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many notifications are listened to at once: each holds a thread until
/// the desktop closes it, and some desktops keep them for days. Beyond that
/// they are shown without buttons.
const LISTENED: usize = 16;

/// What the user chose on a notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Show the window, and this event in it.
    Open(Option<String>),
    /// Send this event to the forward target once more.
    Replay(String),
}

/// Shows notes and hands on what is chosen on them.
#[derive(Clone)]
pub(crate) struct Screen {
    listened: Arc<AtomicUsize>,
    chosen: Arc<dyn Fn(Choice) + Send + Sync>,
}

impl Screen {
    /// `chosen` is called, on a thread of its own, with each choice.
    pub(crate) fn new(chosen: impl Fn(Choice) + Send + Sync + 'static) -> Self {
        Self { listened: Arc::default(), chosen: Arc::new(chosen) }
    }

    /// Shows a note. Returns at once: the notification service is spoken to
    /// on a thread of the note's own.
    pub(crate) fn show(&self, note: Note) {
        let screen = self.clone();
        let spawned = std::thread::Builder::new().name("notification".to_owned()).spawn(move || {
            let listen = screen.listened.fetch_add(1, Ordering::Relaxed) < LISTENED;
            screen.show_and_listen(note, listen);
            screen.listened.fetch_sub(1, Ordering::Relaxed);
        });
        if let Err(problem) = spawned {
            tracing::warn!(%problem, "no thread for a notification");
        }
    }

    fn show_and_listen(&self, note: Note, listen: bool) {
        let mut notification = Notification::new();
        notification.appname("Postern").summary(&note.summary).body(&markup(&note.body));
        #[cfg(all(unix, not(target_os = "macos")))]
        notification.icon("postern-desktop").hint(notify_rust::Hint::DesktopEntry("Postern".to_owned()));
        #[cfg(windows)]
        notification.app_id("dev.postern.app");
        if listen {
            notification.action("default", "Open").action("open", "Open");
            if note.event.is_some() {
                notification.action("replay", "Replay");
            }
        }
        let shown = match notification.show() {
            Ok(shown) => shown,
            Err(problem) => {
                tracing::warn!(%problem, "the desktop shows no notification");
                return;
            }
        };
        if listen {
            let chosen = Arc::clone(&self.chosen);
            let listened = shown.wait_for_response(move |response: &NotificationResponse| {
                if let Some(choice) = choice(response, note.event) {
                    chosen(choice);
                }
            });
            if let Err(problem) = listened {
                tracing::debug!(%problem, "no word of what became of a notification");
            }
        }
    }
}

fn choice(response: &NotificationResponse, event: Option<String>) -> Option<Choice> {
    match response {
        NotificationResponse::Default => Some(Choice::Open(event)),
        NotificationResponse::Action(key) if key == "replay" => event.map(Choice::Replay),
        NotificationResponse::Action(_) => Some(Choice::Open(event)),
        NotificationResponse::Reply(_) | NotificationResponse::Closed(_) => None,
    }
}

/// The body as the service wants it: on freedesktop.org's desktops it is a
/// subset of HTML, and a payload's `<b>` is not ours to render.
fn markup(text: &str) -> String {
    if cfg!(all(unix, not(target_os = "macos"))) {
        text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify_rust::CloseReason;

    #[test]
    fn buttons_become_choices() {
        let event = || Some("evt_1".to_owned());
        let action = |key: &str| NotificationResponse::Action(key.to_owned());
        assert_eq!(choice(&NotificationResponse::Default, event()), Some(Choice::Open(event())));
        assert_eq!(choice(&action("open"), None), Some(Choice::Open(None)));
        assert_eq!(choice(&action("replay"), event()), Some(Choice::Replay("evt_1".to_owned())));
        assert_eq!(choice(&action("replay"), None), None);
        assert_eq!(choice(&NotificationResponse::Closed(CloseReason::Expired), event()), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_payload_cannot_dress_up_the_notification() {
        assert_eq!(markup("<b>Pay & go</b>"), "&lt;b&gt;Pay &amp; go&lt;/b&gt;");
    }
}
