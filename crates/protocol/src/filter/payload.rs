//! The values of a payload that conditions ask for, read in one go: the memory
//! is that of the paths asked for, however large the body, and nothing
//! recurses deeper than a path is long.
//!
//! A form (GitHub's and Slack's `payload=…`) is read for the JSON in it; a
//! Slack command's form is an object of texts. A body that is neither JSON nor
//! such a form has no values.

use super::condition::{Number, Path, Step};
use crate::Provider;
use crate::json::{self, Raw};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Texts longer than this, in bytes as they are written, equal nothing: no
/// condition holds one as long.
const LONGEST_TEXT: usize = 12_100;

/// A value as far as it can be compared.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Found {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    /// An object, a list, or what no literal equals.
    Other,
}

/// What is at the paths that were asked for.
#[derive(Debug, Default)]
pub(super) struct Payload<'p> {
    found: Option<Found>,
    members: BTreeMap<&'p str, Payload<'p>>,
    items: BTreeMap<usize, Payload<'p>>,
}

impl<'p> Payload<'p> {
    /// Reads what is at `paths`; the body is not touched where there are none.
    pub(super) fn read(provider: Provider, body: &[u8], paths: impl IntoIterator<Item = &'p Path>) -> Self {
        let mut payload = Self::default();
        for path in paths {
            payload.want(path);
        }
        if !payload.is_leaf() {
            let body = document(provider, body);
            if let Some(raw) = json::valid(&body) {
                payload.fill(raw);
            }
        }
        payload
    }

    /// What is at a path that was asked for.
    pub(super) fn at(&self, path: &Path) -> Option<&Found> {
        let leaf = path.0.iter().try_fold(self, |at, step| match step {
            Step::Member(name) => at.members.get(name.as_str()),
            Step::Item(index) => at.items.get(index),
        });
        leaf.and_then(|leaf| leaf.found.as_ref())
    }

    fn want(&mut self, path: &'p Path) {
        let _ = path.0.iter().fold(self, |at, step| match step {
            Step::Member(name) => at.members.entry(name).or_default(),
            Step::Item(index) => at.items.entry(*index).or_default(),
        });
    }

    fn is_leaf(&self) -> bool {
        self.members.is_empty() && self.items.is_empty()
    }

    /// As deep as the paths lead. Of repeated keys the last counts, as in
    /// JavaScript.
    fn fill(&mut self, raw: Raw<'_>) {
        self.empty();
        self.found = Some(Found::of(raw));
        if !self.members.is_empty() {
            for (key, value) in raw.members() {
                if let Some(wanted) = key.text().and_then(|key| self.members.get_mut(&*key)) {
                    wanted.fill(value);
                }
            }
        }
        if let Some((&last, _)) = self.items.last_key_value() {
            for (index, item) in raw.items().enumerate().take_while(|(index, _)| *index <= last) {
                if let Some(wanted) = self.items.get_mut(&index) {
                    wanted.fill(item);
                }
            }
        }
    }

    fn empty(&mut self) {
        if self.found.take().is_some() {
            self.members.values_mut().chain(self.items.values_mut()).for_each(Self::empty);
        }
    }
}

impl Found {
    fn of(raw: Raw<'_>) -> Self {
        let number = || Number::read(std::str::from_utf8(raw.bytes()).ok()?);
        match raw.first() {
            b'n' => Self::Null,
            b't' => Self::Bool(true),
            b'f' => Self::Bool(false),
            b'"' if raw.bytes().len() <= LONGEST_TEXT => {
                raw.text().map_or(Self::Other, |text| Self::Text(text.into_owned()))
            }
            b'{' | b'[' | b'"' => Self::Other,
            _ => number().map_or(Self::Other, Self::Number),
        }
    }
}

/// The JSON of a body.
fn document(provider: Provider, body: &[u8]) -> Cow<'_, [u8]> {
    let may_be_form = matches!(provider, Provider::Github | Provider::Slack);
    if !may_be_form || matches!(body.trim_ascii_start().first(), None | Some(b'{' | b'[')) {
        return Cow::Borrowed(body);
    }
    let field =
        |name: &str| form_urlencoded::parse(body).find(|(key, _)| key == name).map(|(_, value)| value);
    match field("payload") {
        Some(payload) => Cow::Owned(payload.into_owned().into_bytes()),
        None if provider == Provider::Slack => {
            let fields = form_urlencoded::parse(body)
                .map(|(key, value)| (key.into_owned(), value.into_owned().into()));
            Cow::Owned(serde_json::Value::Object(fields.collect()).to_string().into_bytes())
        }
        None => Cow::Borrowed(body),
    }
}
