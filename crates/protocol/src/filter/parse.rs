//! Reads one term, and points at the character where it goes wrong.

use super::{InvalidFilter, Name, Term};
use crate::Provider;

/// How long a term may be, in characters.
const LONGEST: usize = 200;

pub(super) fn term(text: &str) -> Result<Term, InvalidFilter> {
    let wrong = |offset: usize, reason: String| InvalidFilter {
        term: text.chars().take(LONGEST).collect(),
        at: text[..offset].chars().count() + 1,
        reason,
    };
    if let Some((offset, _)) = text.char_indices().nth(LONGEST) {
        return Err(wrong(offset, format!("a term has at most {LONGEST} characters")));
    }

    let negative = text.starts_with('!');
    let mut start = usize::from(negative);
    let mut provider = None;
    // Further on, in an action, a colon is a character like any other.
    let mark = text[start..].find([':', '.', '[']).filter(|at| text[start + at..].starts_with(':'));
    if let Some(name) = mark.map(|at| &text[start..start + at]) {
        let known = name.parse::<Provider>().map_err(|unknown| wrong(start, unknown.to_string()))?;
        provider = Some(known);
        start += name.len() + 1;
    }

    let dot = text[start..].find('.').map(|at| start + at);
    let read = |from: usize, to: usize, what: &str, extra: &str| {
        name(&text[from..to], what, extra).map_err(|(at, reason)| wrong(from + at, reason))
    };
    let event_type = read(start, dot.unwrap_or(text.len()), "type", "")?;
    let action = dot.map(|dot| read(dot + 1, text.len(), "action", ".")).transpose()?;
    Ok(Term { negative, provider, event_type, action })
}

/// A type or an action; where it goes wrong, the offset and the reason.
fn name(text: &str, what: &str, extra: &str) -> Result<Name, (usize, String)> {
    let allowed = |c: char| super::in_names(c) || extra.contains(c);
    match text {
        "*" => return Ok(Name::Any),
        "" => return Err((0, format!("expected the {what} of an event, or `*`"))),
        _ => {}
    }
    match text.char_indices().find(|(_, c)| !allowed(*c)) {
        None => Ok(Name::Is(text.to_owned())),
        Some((at, '[' | ']')) => Err((at, "conditions on the payload are not supported".into())),
        Some((at, '*')) => Err((at, format!("`*` stands for the whole {what}, not for a part of it"))),
        Some((at, '!')) => Err((at, "`!` may only begin a term".into())),
        Some((at, c)) if c.is_whitespace() => Err((at, "a term has no spaces".into())),
        Some((at, c)) => Err((at, format!("unexpected `{}`", c.escape_debug()))),
    }
}
