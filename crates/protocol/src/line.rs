//! The human line of an event, and what else its payload says: type, action,
//! entity.
//!
//! Whatever the body holds, a line is one line: no control, newline or
//! direction-changing characters, the subject at most 120 characters, the
//! detail at most 200. Types and actions consist of what a capability filter
//! can name; any other character becomes `_`. Reading the body takes time in
//! proportion to its length, bounded memory, and bounded stack however deep it
//! nests ([`payload`]).

use crate::HeaderList;
use crate::event::{Described, Provider};
use payload::Json;

mod form;
mod generic;
mod github;
mod linear;
mod payload;
mod postern;
mod slack;
mod stripe;
mod text;

/// The type of an event whose body or type cannot be read.
pub const UNKNOWN: &str = "unknown";

const LONGEST_SUBJECT: usize = 120;
const LONGEST_DETAIL: usize = 200;
const LONGEST_ENTITY: usize = 250;
const LONGEST_PERSON: usize = 60;

/// Describes an event from what the provider sent. Never fails: a body that
/// cannot be parsed is of type `unknown`.
#[must_use]
pub fn describe(provider: Provider, headers: &HeaderList, body: &[u8]) -> Described {
    let read = match provider {
        Provider::Linear => payload::read(body).map(|json| linear::line(&json, body.len())),
        Provider::Github => github::read(headers, body).map(|json| github::line(headers, &json, body.len())),
        Provider::Stripe => payload::read(body).map(|json| stripe::line(&json, body.len())),
        Provider::Slack => slack::read(headers, body).map(|json| slack::line(&json, body.len())),
        Provider::Postern => payload::read(body).map(|json| postern::line(&json)),
        Provider::StandardWebhooks | Provider::Hmac | Provider::Timestamped | Provider::None => {
            payload::read(body).map(|json| generic::line(headers, &json, body.len()))
        }
    };
    read.unwrap_or_else(|| Line::new(format!("Unreadable body · {}", text::bytes(body.len())))).finish()
}

/// A line as a provider's module fills it; [`Line::finish`] makes it safe to
/// show.
#[derive(Default)]
struct Line {
    event_type: Option<String>,
    action: Option<String>,
    entity: Option<String>,
    subject: String,
    /// Joined by ` · `.
    parts: Vec<String>,
    /// Who did it; kept whole when the parts must be cut.
    by: Option<String>,
}

impl Line {
    fn new(subject: impl Into<String>) -> Self {
        Self { subject: subject.into(), ..Self::default() }
    }

    /// Adds a part to the detail, when there is one.
    fn say(mut self, part: impl Into<Option<String>>) -> Self {
        self.parts.extend(part.into());
        self
    }

    /// Names who did it, when that is known.
    fn by(mut self, person: Option<&str>) -> Self {
        self.by = person.map(str::to_owned);
        self
    }

    /// Says what it is about, when that is known.
    fn about(mut self, entity: Option<String>) -> Self {
        self.entity = entity;
        self
    }

    fn finish(self) -> Described {
        let by = self.by.map(|person| text::cut(&text::clean(&person), LONGEST_PERSON));
        let parts: Vec<_> = self.parts.iter().map(|p| text::clean(p)).filter(|p| !p.is_empty()).collect();
        let mut detail = parts.join(" · ");
        if let Some(by) = by.filter(|by| !by.is_empty()).map(|by| format!("by {by}")) {
            let room = LONGEST_DETAIL - by.chars().count() - 3;
            detail = if detail.is_empty() { by } else { format!("{} · {by}", text::cut(&detail, room)) };
        }
        let name = |name: Option<String>, dots| name.map(|n| text::name(&n, dots)).filter(|n| !n.is_empty());
        let event_type = name(self.event_type, false).unwrap_or_else(|| UNKNOWN.to_owned());
        let subject = text::cut(&text::clean(&self.subject), LONGEST_SUBJECT);
        Described {
            subject: if subject.is_empty() { event_type.clone() } else { subject },
            event_type,
            action: name(self.action, true),
            entity: self.entity.map(|e| text::cut(&text::clean(&e), LONGEST_ENTITY)),
            detail: text::cut(&detail, LONGEST_DETAIL),
        }
    }
}

/// The first of the fields that holds text.
fn first<'j>(json: &'j Json, paths: &[&str]) -> Option<&'j str> {
    paths.iter().find_map(|path| json.text(path))
}

#[cfg(test)]
mod tests;
