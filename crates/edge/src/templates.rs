//! Events for `trigger`: bodies and headers as the providers send them, with
//! fresh ids and times. They follow the providers' public schemas
//! (linear.app/developers/webhooks, docs.github.com/webhooks).

use crate::api::Template;
use postern_protocol::{Provider, UnixMillis};
use serde_json::Value;

mod github;
mod linear;

/// An event made from a template.
pub(crate) struct Made {
    /// The provider's headers that name the event. Signatures are the proxy's.
    pub(crate) headers: Vec<(String, String)>,
    /// The body's text.
    pub(crate) body: String,
}

/// One template: its name, what it is, and how it is made.
struct Entry {
    name: &'static str,
    about: &'static str,
    make: fn(&Fresh) -> Value,
}

/// What is fresh in each event.
struct Fresh {
    now: UnixMillis,
}

impl Fresh {
    /// A random UUID (version 4).
    fn uuid(&self) -> String {
        let mut bytes: [u8; 16] = rand::random();
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex = hex::encode(bytes);
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }

    /// A random Git object id.
    fn sha(&self) -> String {
        hex::encode(rand::random::<[u8; 20]>())
    }

    /// A random number below `end`, not 0.
    fn number(&self, end: u32) -> u32 {
        rand::random_range(1..end)
    }

    /// `2026-11-22T09:57:00.000Z`, some seconds from now.
    fn time(&self, seconds: i64) -> String {
        let at = self.now.plus(seconds * 1000);
        jiff::Timestamp::from_millisecond(at.0).map(|at| format!("{at:.3}")).unwrap_or_default()
    }

    /// The same without fractions, as GitHub writes it.
    fn second(&self, seconds: i64) -> String {
        let at = self.now.plus(seconds * 1000);
        jiff::Timestamp::from_second(at.seconds()).map(|at| at.to_string()).unwrap_or_default()
    }
}

fn entries(provider: Provider) -> &'static [Entry] {
    match provider {
        Provider::Linear => linear::ENTRIES,
        Provider::Github => github::ENTRIES,
        _ => &[],
    }
}

/// All templates, in the order of a menu.
pub(crate) fn list() -> Vec<Template> {
    let of = |provider| {
        entries(provider).iter().map(move |entry| Template {
            provider,
            name: entry.name.into(),
            about: entry.about.into(),
        })
    };
    of(Provider::Linear).chain(of(Provider::Github)).collect()
}

/// An event from the template of this name, if there is one.
pub(crate) fn make(provider: Provider, name: &str, now: UnixMillis) -> Option<Made> {
    let entry = entries(provider).iter().find(|entry| entry.name == name)?;
    let fresh = Fresh { now };
    let body = (entry.make)(&fresh);
    let headers = match provider {
        Provider::Linear => linear::headers(&fresh, &body),
        Provider::Github => github::headers(&fresh, name),
        _ => Vec::new(),
    };
    let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Some(Made { headers, body: body.to_string() })
}

#[cfg(test)]
mod tests;
