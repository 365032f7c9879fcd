//! A payload, read only as far as a human line can need it.
//!
//! Bodies come from strangers and may be 25 MiB. What lies deeper than
//! [`DEPTH`], beyond the first [`ITEMS`] of a list or after [`NODES`] values is
//! skipped without being kept, and skipping does not recurse: memory and stack
//! are bounded, the time is proportional to the body's length.

use crate::json::Raw;
use serde::Deserialize;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

const DEPTH: usize = 8;
const ITEMS: usize = 64;
const NODES: usize = 20_000;
/// Characters kept of one text: more than any line shows.
const TEXT: usize = 500;
/// Longest key kept, in bytes.
const KEY: usize = 200;

/// A value, pruned. Of repeated keys the last counts, as in JavaScript.
#[derive(Debug, PartialEq)]
pub(super) enum Json<'b> {
    /// Null, or skipped.
    Null,
    Bool(bool),
    /// As decimal text, for display.
    Number(String),
    Text(Cow<'b, str>),
    /// The first items, and how many there are in all.
    List(Vec<Json<'b>>, usize),
    Object(Vec<(Cow<'b, str>, Json<'b>)>),
}

/// Reads a whole body; `None` when it is not one JSON value.
pub(super) fn read(body: &[u8]) -> Option<Json<'_>> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let budget = Cell::new(NODES);
    let json = Pruned { depth: DEPTH, budget: &budget }.deserialize(&mut deserializer);
    match json.and_then(|json| deserializer.end().map(|()| json)) {
        Ok(json) => Some(json),
        // It may be JSON all the same: of a number that is too large for a
        // double, or of half a surrogate pair.
        Err(_) => Some(walk(crate::json::valid(body)?, DEPTH, &Cell::new(NODES))),
    }
}

/// The same of a text that is known to be JSON, whatever its numbers and texts
/// are; a text that is not Unicode is null.
fn walk<'b>(raw: Raw<'b>, depth: usize, budget: &Cell<usize>) -> Json<'b> {
    if depth == 0 || budget.get() == 0 {
        return Json::Null;
    }
    budget.set(budget.get() - 1);
    match raw.first() {
        b'{' => {
            let keyed = raw.members().filter_map(|(key, value)| Some((key.text()?, value)));
            let kept = keyed.take_while(|_| budget.get() > 0).filter(|(key, _)| key.len() <= KEY);
            Json::Object(kept.map(|(key, value)| (key, walk(value, depth - 1, budget))).collect())
        }
        b'[' => {
            let mut items = raw.items();
            let first: Vec<_> =
                items.by_ref().take(ITEMS).map(|item| walk(item, depth - 1, budget)).collect();
            let count = first.len() + items.count();
            Json::List(first, count)
        }
        b'"' => raw.text().map_or(Json::Null, Json::brief),
        b't' => Json::Bool(true),
        b'f' => Json::Bool(false),
        b'n' => Json::Null,
        _ => Json::Number(raw.bytes().iter().take(TEXT).map(|b| char::from(*b)).collect()),
    }
}

impl<'b> Json<'b> {
    /// The value at a path of keys (`data.state.name`); null where there is none.
    pub(super) fn at(&self, path: &str) -> &Self {
        self.find(path).unwrap_or(&Self::Null)
    }

    /// Whether there is a value at the path, be it null.
    pub(super) fn has(&self, path: &str) -> bool {
        self.find(path).is_some()
    }

    fn find(&self, path: &str) -> Option<&Self> {
        path.split('.').try_fold(self, |json, key| match json {
            Self::Object(members) => members.iter().rev().find(|(k, _)| k == key).map(|(_, v)| v),
            _ => None,
        })
    }

    /// The text, or the number as text, at a path; `None` where it is blank.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.at(path).as_text()
    }

    /// This value as [`Json::text`] has it.
    pub(super) fn as_text(&self) -> Option<&str> {
        let text = match self {
            Self::Text(text) => text.as_ref(),
            Self::Number(text) => text.as_str(),
            _ => return None,
        };
        (!text.trim().is_empty()).then_some(text)
    }

    /// Whether `true` stands at a path.
    pub(super) fn is_true(&self, path: &str) -> bool {
        *self.at(path) == Self::Bool(true)
    }

    /// The first items of the list at a path; none where there is no list.
    pub(super) fn items(&self, path: &str) -> &[Self] {
        match self.at(path) {
            Self::List(items, _) => items,
            _ => &[],
        }
    }

    /// The first item of this list; null where there is none.
    pub(super) fn first_item(&self) -> &Self {
        match self {
            Self::List(items, _) => items.first().unwrap_or(&Self::Null),
            _ => &Self::Null,
        }
    }

    /// A text, as much of it as is kept.
    pub(super) fn brief(text: Cow<'b, str>) -> Self {
        if text.len() <= TEXT {
            return Self::Text(text);
        }
        let end = text.char_indices().nth(TEXT).map_or(text.len(), |(end, _)| end);
        Self::Text(match text {
            Cow::Borrowed(text) => Cow::Borrowed(&text[..end]),
            Cow::Owned(text) => Cow::Owned(text[..end].to_owned()),
        })
    }

    /// The same, of its own.
    pub(super) fn into_owned(self) -> Json<'static> {
        match self {
            Self::Null => Json::Null,
            Self::Bool(value) => Json::Bool(value),
            Self::Number(number) => Json::Number(number),
            Self::Text(text) => Json::Text(text.into_owned().into()),
            Self::List(items, count) => Json::List(items.into_iter().map(Json::into_owned).collect(), count),
            Self::Object(members) => Json::Object(
                members
                    .into_iter()
                    .map(|(key, value)| (key.into_owned().into(), value.into_owned()))
                    .collect(),
            ),
        }
    }

    /// How many items the list at a path has.
    pub(super) fn count(&self, path: &str) -> usize {
        match self.at(path) {
            Self::List(_, count) => *count,
            _ => 0,
        }
    }

    /// The keys of an object, in order; none of anything else.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        let members: &[_] = if let Self::Object(members) = self { members } else { &[] };
        members.iter().map(|(key, _)| key.as_ref())
    }
}

/// A key, out of the body itself where nothing in it is escaped.
#[derive(Deserialize)]
struct Key<'b>(#[serde(borrow)] Cow<'b, str>);

struct Pruned<'b> {
    depth: usize,
    budget: &'b Cell<usize>,
}

impl Pruned<'_> {
    fn within(&self) -> Self {
        Self { depth: self.depth - 1, ..*self }
    }
}

impl<'de> DeserializeSeed<'de> for Pruned<'_> {
    type Value = Json<'de>;
    fn deserialize<D: serde::Deserializer<'de>>(self, d: D) -> Result<Json<'de>, D::Error> {
        if self.depth == 0 || self.budget.get() == 0 {
            return d.deserialize_ignored_any(IgnoredAny).map(|_| Json::Null);
        }
        self.budget.set(self.budget.get() - 1);
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Pruned<'_> {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json<'de>, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json<'de>, E> {
        Ok(Json::Number(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json<'de>, E> {
        Ok(Json::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json<'de>, E> {
        Ok(Json::Number(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json<'de>, E> {
        Ok(Json::brief(Cow::Owned(value.to_owned())))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::brief(Cow::Borrowed(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json<'de>, A::Error> {
        let mut items = Vec::new();
        while items.len() < ITEMS {
            match seq.next_element_seed(self.within())? {
                Some(item) => items.push(item),
                None => {
                    let count = items.len();
                    return Ok(Json::List(items, count));
                }
            }
        }
        let mut count = items.len();
        while seq.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok(Json::List(items, count))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json<'de>, A::Error> {
        let mut members = Vec::new();
        while self.budget.get() > 0 {
            match map.next_key::<Key<'de>>()? {
                None => return Ok(Json::Object(members)),
                Some(Key(key)) if key.len() > KEY => {
                    map.next_value::<IgnoredAny>()?;
                }
                Some(Key(key)) => members.push((key, map.next_value_seed(self.within())?)),
            }
        }
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Json::Object(members))
    }
}
