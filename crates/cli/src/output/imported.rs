//! What an import changed, or would.

use super::{Ink, Style, safe};
use postern_edge::api::Imported;

/// One line for each change, then what is to be entered again, and what was
/// left out.
pub(crate) fn imported(style: &Style, imported: &Imported) -> String {
    let mut lines = Vec::new();
    match (imported.changes.is_empty(), imported.applied) {
        (true, _) => lines.push("Nothing changes: everything is set so already.".into()),
        (false, true) => lines.push("Changed:".into()),
        (false, false) => lines.push("This would change:".into()),
    }
    for change in &imported.changes {
        let place = change.profile.as_ref().map(|name| format!("{}, ", safe(name))).unwrap_or_default();
        let what = style.paint(Ink::Strong, &format!("{place}{}", safe(&change.what)));
        let (from, to) = (change.from.as_deref().map(safe), change.to.as_deref().map(safe));
        lines.push(match (from, to) {
            (Some(from), Some(to)) => format!("  {what}: {} → {to}", style.paint(Ink::Faint, &from)),
            (None, Some(to)) => format!("  {what}: new, {to}"),
            (Some(from), None) => format!("  {what}: removed, was {}", style.paint(Ink::Faint, &from)),
            (None, None) => format!("  {what}"),
        });
    }
    if !imported.missing.is_empty() {
        lines.push("To be entered again, since secrets are not exported:".into());
        lines.extend(imported.missing.iter().map(|secret| format!("  {}", safe(secret))));
    }
    if !imported.left.is_empty() {
        lines.push("Left out:".into());
        lines.extend(imported.left.iter().map(|left| format!("  {}", safe(left))));
    }
    lines.join("\n")
}
