//! Reads one term, and points at the character where it goes wrong.

use super::condition::Condition;
use super::{InvalidFilter, Name, Term};
use crate::Provider;

/// How many terms a filter may have.
pub(super) const MOST_TERMS: usize = 200;

/// How long a term may be before its condition, in characters.
const LONGEST_NAME: usize = 200;

/// How long a term may be in all, in characters; also as it is written out, so
/// that what was read once can be read again.
const LONGEST: usize = 1000;

/// A term as an error shows it.
pub(super) fn shown(text: &str) -> String {
    let longest = if text.contains('[') { LONGEST } else { LONGEST_NAME };
    text.chars().take(longest).collect()
}

fn wrong(text: &str, offset: usize, reason: String) -> InvalidFilter {
    InvalidFilter { term: shown(text), at: text[..offset].chars().count() + 1, reason }
}

pub(super) fn term(text: &str) -> Result<Term, InvalidFilter> {
    if let Some((offset, _)) = text.char_indices().nth(LONGEST) {
        return Err(wrong(text, offset, format!("a term has at most {LONGEST} characters")));
    }
    let bracket = text.find('[');
    let named = &text[..bracket.unwrap_or(text.len())];
    if let Some((offset, _)) = named.char_indices().nth(LONGEST_NAME) {
        return Err(wrong(text, offset, format!("a term has at most {LONGEST_NAME} characters")));
    }
    let wrong = |(offset, reason)| wrong(text, offset, reason);
    let mut term = name_part(named).map_err(wrong)?;
    if let Some(bracket) = bracket {
        term.condition = Some(Condition::parse(text, bracket).map_err(wrong)?);
        check_length(&term, text)?;
    }
    Ok(term)
}

/// That the term, written out, can be read again; `text` is what to show.
pub(super) fn check_length(term: &Term, text: &str) -> Result<(), InvalidFilter> {
    if term.condition.is_some() && term.to_string().chars().count() > LONGEST {
        let reason = format!("written out, the term has more than {LONGEST} characters");
        return Err(wrong(text, text.len(), reason));
    }
    Ok(())
}

/// A place, in bytes, and what is wrong there.
pub(super) type Wrong = (usize, String);

fn name_part(text: &str) -> Result<Term, Wrong> {
    let negative = text.starts_with('!');
    let mut start = usize::from(negative);
    let mut provider = None;
    // Further on, in an action, a colon is a character like any other.
    let mark = text[start..].find([':', '.']).filter(|at| text[start + at..].starts_with(':'));
    if let Some(name) = mark.map(|at| &text[start..start + at]) {
        let known = name.parse::<Provider>().map_err(|unknown| (start, unknown.to_string()))?;
        provider = Some(known);
        start += name.len() + 1;
    }

    let dot = text[start..].find('.').map(|at| start + at);
    let read = |from: usize, to: usize, what: &str, extra: &str| {
        name(&text[from..to], what, extra).map_err(|(at, reason)| (from + at, reason))
    };
    let event_type = read(start, dot.unwrap_or(text.len()), "type", "")?;
    let action = dot.map(|dot| read(dot + 1, text.len(), "action", ".")).transpose()?;
    Ok(Term { negative, provider, event_type, action, condition: None })
}

/// A type or an action; where it goes wrong, the offset and the reason.
fn name(text: &str, what: &str, extra: &str) -> Result<Name, Wrong> {
    let allowed = |c: char| super::in_names(c) || extra.contains(c);
    match text {
        "*" => return Ok(Name::Any),
        "" => return Err((0, format!("expected the {what} of an event, or `*`"))),
        _ => {}
    }
    match text.char_indices().find(|(_, c)| !allowed(*c)) {
        None => Ok(Name::Is(text.to_owned())),
        Some((at, '*')) => Err((at, format!("`*` stands for the whole {what}, not for a part of it"))),
        Some((at, '!')) => Err((at, "`!` may only begin a term".into())),
        Some((at, c)) if c.is_whitespace() => Err((at, "a term has no spaces".into())),
        Some((at, c)) => Err((at, format!("unexpected `{}`", c.escape_debug()))),
    }
}
