//! What is held after an absence, and what became of it.

use super::{Style, counted};
use postern_protocol::api::{CaughtUp, Held};

/// What is held, and how to choose.
pub(crate) fn held(style: &Style, held: Option<&Held>) -> String {
    let Some(held) = held else { return "Nothing is held.".into() };
    format!(
        "{} held while you were away, {} – {}; the newest of each entity: {}.\n\
         Choose: `postern catch-up all`, `newest` or `none`.",
        counted(held.count, "event"),
        style.time(held.oldest),
        style.time(held.newest),
        held.newest_per_entity,
    )
}

/// What a choice came to.
pub(crate) fn caught_up(caught_up: &CaughtUp) -> String {
    match (caught_up.delivering, caught_up.skipped) {
        (0, 0) => "Nothing was held.".into(),
        (delivering, 0) => format!("{} on the way.", counted(delivering, "event")),
        (0, skipped) => format!("{} skipped.", counted(skipped, "event")),
        (delivering, skipped) => format!("{} on the way, {skipped} skipped.", counted(delivering, "event")),
    }
}
