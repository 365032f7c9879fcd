//! `profiles`: the workspaces this machine works for.

use super::{Ink, Style, connection, safe};
use postern_edge::api::Status;

/// One line for each, the one that is shown marked.
pub(crate) fn profiles(style: &Style, status: &Status) -> String {
    if status.profiles.is_empty() {
        return "Nobody is signed in. `postern login` adds a workspace.".into();
    }
    let width = status.profiles.iter().map(|profile| safe(&profile.name).chars().count()).max().unwrap_or(0);
    let lines = status.profiles.iter().map(|profile| {
        let name = safe(&profile.name);
        let gap = " ".repeat(width - name.chars().count());
        let mark = if profile.shown { style.paint(Ink::Good, "●") } else { " ".into() };
        format!(
            "{mark} {}{gap}  {}  {}",
            style.paint(Ink::Strong, &name),
            style.paint(Ink::Faint, &safe(&profile.proxy_url)),
            connection(style, &profile.connection, status.now)
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}
