//! What is fresh in each event, as the templates' placeholders ask for it.
//!
//! | placeholder | value |
//! | --- | --- |
//! | `{{type}}`, `{{action}}` | the event's |
//! | `{{now}}` | Unix milliseconds, a number |
//! | `{{ms S}}` | `2026-11-22T09:57:00.000Z`, S seconds from now |
//! | `{{s S}}` | the same without fractions |
//! | `{{unix S}}` | Unix seconds, S from now, a number |
//! | `{{micro N}}` | six random digits, as after the point of Slack's times |
//! | `{{code N}}`, `{{caps N}}` | random letters and digits: 23 as in Stripe's ids, 9 capitals as in Slack's |
//! | `{{uuid N}}`, `{{short N}}` | a random UUID, its first eight digits |
//! | `{{sha N}}` | a random Git object id |
//! | `{{id N}}` | a random number as GitHub's ids are |
//! | `{{number N END}}` | a random number below END, not 0 |
//!
//! Whatever has a name N is one value throughout an event. A text that is
//! nothing but a placeholder for a number becomes a number.

use postern_protocol::UnixMillis;
use serde_json::Value;
use std::collections::HashMap;

/// The values of one event.
pub(super) struct Fresh {
    now: UnixMillis,
    kind: String,
    action: String,
    /// By placeholder.
    drawn: HashMap<String, Value>,
}

impl Fresh {
    pub(super) fn new(now: UnixMillis) -> Self {
        Self { now, kind: String::new(), action: String::new(), drawn: HashMap::new() }
    }

    /// Says what `{{type}}` and `{{action}}` are.
    pub(super) fn names(&mut self, kind: &str, action: Option<&str>) {
        self.kind = kind.into();
        self.action = action.unwrap_or_default().into();
    }

    /// The moment of the event.
    pub(super) fn now(&self) -> UnixMillis {
        self.now
    }

    /// A text with its placeholders filled in; one that is unknown stays.
    pub(super) fn fill(&mut self, text: &str) -> Value {
        let mut rest = text;
        let mut filled = String::new();
        while let Some((before, inner, after)) = rest
            .split_once("{{")
            .and_then(|(before, rest)| rest.split_once("}}").map(|(inner, after)| (before, inner, after)))
        {
            let value = self.value(inner);
            if let (true, true, Some(value)) = (before.len() + after.len() == 0, filled.is_empty(), &value) {
                return value.clone();
            }
            filled.push_str(before);
            match value {
                Some(Value::String(text)) => filled.push_str(&text),
                Some(value) => filled.push_str(&value.to_string()),
                None => filled.extend(["{{", inner, "}}"]),
            }
            rest = after;
        }
        filled.push_str(rest);
        filled.into()
    }

    fn value(&mut self, placeholder: &str) -> Option<Value> {
        let mut words = placeholder.split(' ');
        let (kind, name, end) = (words.next()?, words.next().unwrap_or_default(), words.next());
        let seconds = || name.parse::<i64>().ok();
        Some(match kind {
            "type" => self.kind.clone().into(),
            "action" => self.action.clone().into(),
            "now" => self.now.0.into(),
            "ms" => self.time(seconds()?).into(),
            "unix" => self.now.plus(seconds()? * 1000).seconds().into(),
            "s" => self.second(seconds()?).into(),
            "short" => self.value(&format!("uuid {name}"))?.as_str()?.get(..8)?.into(),
            "uuid" | "sha" | "id" | "number" | "micro" | "code" | "caps" => {
                let end = match end {
                    Some(end) => end.parse().ok()?,
                    None => ENDLESS,
                };
                let draw = || match kind {
                    "uuid" => uuid().into(),
                    "sha" => hex::encode(rand::random::<[u8; 20]>()).into(),
                    "micro" => rand::random_range(100_000_u32..1_000_000).into(),
                    "code" => letters(ALPHABET, 23).into(),
                    "caps" => letters(&ALPHABET[..36], 9).into(),
                    "id" => rand::random_range(FIRST_ID..2 * FIRST_ID).into(),
                    _ => rand::random_range(1..end).into(),
                };
                self.drawn.entry(placeholder.to_owned()).or_insert_with(draw).clone()
            }
            _ => return None,
        })
    }

    fn time(&self, seconds: i64) -> String {
        let at = self.now.plus(seconds * 1000);
        jiff::Timestamp::from_millisecond(at.0).map(|at| format!("{at:.3}")).unwrap_or_default()
    }

    fn second(&self, seconds: i64) -> String {
        let at = self.now.plus(seconds * 1000);
        jiff::Timestamp::from_second(at.seconds()).map(|at| at.to_string()).unwrap_or_default()
    }
}

const ENDLESS: u32 = u32::MAX;
const FIRST_ID: u64 = 1_000_000_000;

/// Digits and capitals first, which some ids consist of.
const ALPHABET: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

fn letters(of: &[u8], count: usize) -> String {
    (0..count).map(|_| char::from(of[rand::random_range(0..of.len())])).collect()
}

/// A random UUID (version 4).
pub(super) fn uuid() -> String {
    let mut bytes: [u8; 16] = rand::random();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = hex::encode(bytes);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
