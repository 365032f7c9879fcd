//! Durations and sizes as people write them.

use postern_protocol::span::Span;
use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer};
use std::time::Duration;
use url::Url;

const SIZE: &str = "a size such as \"512KiB\", \"5MiB\" or \"1GiB\"";

/// A duration in text; the longest is 3,650 days.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    text.parse::<Span>().ok().map(Span::duration)
}

fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let bytes = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(bytes).filter(|bytes| *bytes <= 1 << 40)
}

fn split(text: &str) -> Option<(u64, &str)> {
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    Some((text[..unit].parse().ok()?, text[unit..].trim_start()))
}

pub(super) fn duration<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(d)?;
    let expected = "a duration such as \"250ms\", \"15s\", \"5m\", \"4h\" or \"30d\"";
    parse_duration(&text).ok_or_else(|| D::Error::invalid_value(Unexpected::Str(&text), &expected))
}

pub(super) fn size<'de, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
    let text = String::deserialize(d)?;
    parse_size(&text).ok_or_else(|| D::Error::invalid_value(Unexpected::Str(&text), &SIZE))
}

pub(super) fn url<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Url>, D::Error> {
    let text = String::deserialize(d)?;
    let url = Url::parse(&text).map_err(|_| {
        D::Error::invalid_value(Unexpected::Str(&text), &"an address such as \"https://hooks.example.com\"")
    })?;
    Ok(Some(url))
}

/// A list of durations; `immediate` is none at all.
pub(super) fn schedule<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Duration>, D::Error> {
    let texts = Vec::<String>::deserialize(d)?;
    let read = |text: &String| match text.as_str() {
        "immediate" => Ok(Duration::ZERO),
        other => parse_duration(other)
            .ok_or_else(|| D::Error::invalid_value(Unexpected::Str(other), &"durations, or \"immediate\"")),
    };
    texts.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(parse_size("5MiB"), Some(5 << 20));
        assert_eq!(parse_size("0B"), Some(0));
        for bad in ["5MB", "5", "2000GiB", "99999999999GiB"] {
            assert_eq!(parse_size(bad), None, "{bad}");
        }
    }
}
