//! The tray's words.

use postern_edge::api::{Connection, Status};

/// Before the edge has said anything.
pub(super) const STARTING: &str = "Starting";
/// The item that pauses.
pub(super) const PAUSE: &str = "Pause deliveries";
/// The item that ends a pause.
const RESUME: &str = "Resume deliveries";
/// How long a line that others have a part in may be, in characters.
pub(super) const LONGEST: usize = 64;

/// The text as one line that is not too long.
pub(super) fn one_line(text: &str) -> String {
    let mut line = String::new();
    for (count, letter) in text.chars().map(|c| if c.is_control() { ' ' } else { c }).enumerate() {
        if count == LONGEST {
            line.push('…');
            break;
        }
        line.push(letter);
    }
    line
}

/// As a menu takes it: it makes a key of what follows one `&`.
pub(super) fn escaped(line: &str) -> String {
    line.replace('&', "&&")
}

/// What the tray says at a time.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Words {
    /// How things stand.
    pub(super) state: String,
    /// What the pause item does.
    pub(super) pause: &'static str,
    /// Whether it does anything.
    pub(super) can_pause: bool,
}

impl Words {
    /// The words for this status.
    pub(super) fn of(status: &Status) -> Self {
        Self {
            state: line(&status.connection),
            pause: pause_label(&status.connection),
            can_pause: status.session.is_some(),
        }
    }
}

/// How things stand, in a line.
fn line(connection: &Connection) -> String {
    let held = |state: &str, count: u64| match count {
        0 => state.to_owned(),
        count => format!("{state} · {count} held"),
    };
    match connection {
        Connection::SignedOut => "Signed out".to_owned(),
        Connection::Connecting { .. } => "Connecting".to_owned(),
        Connection::Live { .. } => "Live".to_owned(),
        Connection::Paused { waiting } => held("Paused", waiting.count),
        Connection::Reconnecting { .. } => "Proxy not reachable".to_owned(),
        Connection::Refused { .. } => "Signed out by the proxy".to_owned(),
    }
}

/// What the pause item does next.
fn pause_label(connection: &Connection) -> &'static str {
    if matches!(connection, Connection::Paused { .. }) { RESUME } else { PAUSE }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postern_protocol::api::Waiting;

    #[test]
    fn a_pause_says_what_it_holds_and_can_be_ended() {
        let paused = |count| Connection::Paused { waiting: Waiting { count, ..Waiting::default() } };
        assert_eq!(line(&paused(38)), "Paused · 38 held");
        assert_eq!(line(&paused(0)), "Paused");
        assert_eq!(pause_label(&paused(0)), RESUME);
        assert_eq!(pause_label(&Connection::SignedOut), PAUSE);
    }
}
