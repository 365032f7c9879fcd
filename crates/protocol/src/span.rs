//! Durations as people write them: `"250ms"`, `"15s"`, `"5m"`, `"4h"`, `"30d"`.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The longest a span can be: 3,650 days, in milliseconds.
const LONGEST: u64 = 3_650 * 86_400_000;

/// From the largest to the smallest, in milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// A duration in whole milliseconds, at most 3,650 days, that travels as text.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    ts_rs::TS,
    utoipa::ToSchema,
)]
#[serde(try_from = "String", into = "String")]
#[ts(type = "string")]
#[schema(value_type = String, pattern = "^[0-9]+ ?(ms|s|m|h|d)$")]
pub struct Span(Duration);

/// A text that is no duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a duration such as \"250ms\", \"15s\", \"5m\", \"4h\" or \"30d\"")]
pub struct InvalidSpan;

impl Span {
    /// So many seconds; beyond the longest, the longest.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        let most = LONGEST / 1_000;
        Self(Duration::from_secs(if seconds > most { most } else { seconds }))
    }

    /// How long it is.
    #[must_use]
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let millis = u64::try_from(self.0.as_millis()).unwrap_or(LONGEST);
        let whole = |(_, length): &&(&str, u64)| millis.is_multiple_of(*length);
        let (unit, length) = UNITS.iter().find(whole).filter(|_| millis > 0).unwrap_or(&("s", 1_000));
        write!(f, "{}{unit}", millis / length)
    }
}

impl std::str::FromStr for Span {
    type Err = InvalidSpan;

    fn from_str(text: &str) -> Result<Self, InvalidSpan> {
        let end = text.find(|c: char| !c.is_ascii_digit()).ok_or(InvalidSpan)?;
        let (number, unit) = (&text[..end], text[end..].trim_start());
        let (_, length) = UNITS.iter().find(|(name, _)| *name == unit).ok_or(InvalidSpan)?;
        let millis = number.parse::<u64>().ok().and_then(|n| n.checked_mul(*length)).ok_or(InvalidSpan)?;
        if millis > LONGEST { Err(InvalidSpan) } else { Ok(Self(Duration::from_millis(millis))) }
    }
}

impl TryFrom<String> for Span {
    type Error = InvalidSpan;
    fn try_from(text: String) -> Result<Self, InvalidSpan> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text() {
        for (text, millis) in [("250ms", 250), ("4h", 14_400_000), ("30 d", 2_592_000_000), ("0s", 0)] {
            assert_eq!(text.parse::<Span>().unwrap().duration(), Duration::from_millis(millis), "{text}");
        }
        for bad in ["", "s", "5", "-5s", "1.5s", "5 weeks", "99999999999999999999s", "4000d", "é"] {
            assert_eq!(bad.parse::<Span>(), Err(InvalidSpan), "{bad}");
        }
        assert_eq!(Span::seconds(90).to_string(), "90s");
        assert_eq!(Span::seconds(7200).to_string(), "2h");
    }

    proptest! {
        #[test]
        fn what_is_shown_is_what_it_is(millis in 0..=LONGEST) {
            let span = Span(Duration::from_millis(millis));
            prop_assert_eq!(span.to_string().parse::<Span>(), Ok(span));
        }
    }
}
