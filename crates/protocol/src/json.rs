//! JSON as it stands in a body: nothing is copied, numbers and strings keep
//! their text, and no function recurses, however deep a body nests.
//!
//! [`valid`] reads the whole text once; everything else walks what it returned.

use serde::de::IgnoredAny;
use std::borrow::Cow;

/// One value of valid JSON, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Raw<'b>(&'b [u8]);

/// The body without white space round it, when it is one JSON value.
pub(crate) fn valid(body: &[u8]) -> Option<Raw<'_>> {
    serde_json::from_slice::<IgnoredAny>(body).ok()?;
    Some(Raw(body.trim_ascii()))
}

impl<'b> Raw<'b> {
    /// Its text, byte for byte.
    pub(crate) fn bytes(self) -> &'b [u8] {
        self.0
    }

    /// `{`, `[`, `"`, `t`, `f`, `n`, or the beginning of a number.
    pub(crate) fn first(self) -> u8 {
        self.0.first().copied().unwrap_or(b'n')
    }

    /// The members of an object in order; none of anything else.
    pub(crate) fn members(self) -> impl Iterator<Item = (Raw<'b>, Raw<'b>)> {
        let mut rest = if self.first() == b'{' { &self.0[1..] } else { &[] };
        std::iter::from_fn(move || {
            let key = next(&mut rest)?;
            Some((key, next(&mut rest)?))
        })
    }

    /// The items of a list in order; none of anything else.
    pub(crate) fn items(self) -> impl Iterator<Item = Raw<'b>> {
        let mut rest = if self.first() == b'[' { &self.0[1..] } else { &[] };
        std::iter::from_fn(move || next(&mut rest))
    }

    /// The text of a string; `None` of anything else, and of a string that is
    /// not Unicode (half of a surrogate pair, bytes that are not UTF-8).
    pub(crate) fn text(self) -> Option<Cow<'b, str>> {
        let inner = self.0.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        if inner.contains(&b'\\') {
            serde_json::from_slice::<String>(self.0).ok().map(Cow::Owned)
        } else {
            std::str::from_utf8(inner).ok().map(Cow::Borrowed)
        }
    }
}

/// The value at a JSON pointer (RFC 6901). Of repeated keys the last counts, as
/// in JavaScript.
pub(crate) fn pointer<'b>(from: Raw<'b>, pointer: &str) -> Option<Raw<'b>> {
    pointer.split('/').skip(1).try_fold(from, |at, step| match at.first() {
        b'{' => {
            let step = step.replace("~1", "/").replace("~0", "~");
            at.members().filter(|(key, _)| key.text().is_some_and(|key| key == step)).last().map(|(_, v)| v)
        }
        b'[' => {
            let plain = step == "0" || !step.starts_with(['0', '+']);
            plain.then(|| step.parse().ok()).flatten().and_then(|index| at.items().nth(index))
        }
        _ => None,
    })
}

/// Takes the next value, past the white space and punctuation before it;
/// `None` at the end of the list or object.
fn next<'b>(rest: &mut &'b [u8]) -> Option<Raw<'b>> {
    let before = |b: &u8| b.is_ascii_whitespace() || matches!(b, b',' | b':');
    let start = rest.iter().position(|b| !before(b))?;
    let from = &rest[start..];
    if matches!(from[0], b']' | b'}') {
        *rest = &[];
        return None;
    }
    let (value, after) = from.split_at(end(from));
    *rest = after;
    Some(Raw(value))
}

/// How long the value is that `text` begins with.
fn end(text: &[u8]) -> usize {
    match text[0] {
        b'"' => string_end(text),
        b'{' | b'[' => {
            let (mut at, mut depth) = (0, 0usize);
            while at < text.len() {
                match text[at] {
                    b'"' => {
                        at += string_end(&text[at..]);
                        continue;
                    }
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => depth -= 1,
                    _ => {}
                }
                at += 1;
                if depth == 0 {
                    break;
                }
            }
            at
        }
        _ => text
            .iter()
            .position(|b| b.is_ascii_whitespace() || matches!(b, b',' | b':' | b']' | b'}'))
            .unwrap_or(text.len()),
    }
}

fn string_end(text: &[u8]) -> usize {
    let mut at = 1;
    while at < text.len() {
        match text[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests;
