//! Points in time as the wire carries them.

use serde::Serialize;
use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// Milliseconds since 1970-01-01T00:00:00Z, leap seconds ignored. Negative
/// before 1970; never a duration.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ts_rs::TS, utoipa::ToSchema,
)]
#[serde(transparent)]
#[ts(as = "f64")]
pub struct UnixMillis(pub i64);

impl UnixMillis {
    /// The same instant in whole seconds, rounded towards the past.
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This instant moved by `millis` (may be negative), saturating.
    #[must_use]
    pub fn plus(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Milliseconds from `earlier` to this instant; negative when `earlier`
    /// is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// JSON knows numbers, not integers: `1795348927123.0` is as good.
impl<'de> Deserialize<'de> for UnixMillis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Whole;

        impl Visitor<'_> for Whole {
            type Value = UnixMillis;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("whole milliseconds since 1970")
            }

            fn visit_i64<E: Error>(self, millis: i64) -> Result<UnixMillis, E> {
                Ok(UnixMillis(millis))
            }

            fn visit_u64<E: Error>(self, millis: u64) -> Result<UnixMillis, E> {
                i64::try_from(millis).map(UnixMillis).map_err(|_| E::custom("a time too far ahead"))
            }

            fn visit_f64<E: Error>(self, millis: f64) -> Result<UnixMillis, E> {
                // Beyond it no `i64`.
                const END: f64 = 9_223_372_036_854_775_808.0;
                // What is whole in the text may be off by a float's last digit.
                let whole = (millis - millis.round()).abs() <= millis.abs() * f64::EPSILON;
                if !whole || millis.abs() >= END {
                    return Err(E::custom("a time is whole milliseconds"));
                }
                #[expect(clippy::cast_possible_truncation, reason = "whole, and within the range")]
                Ok(UnixMillis(millis.round() as i64))
            }
        }

        deserializer.deserialize_i64(Whole)
    }
}

/// Where the time comes from. Domain code takes it from here and never reads
/// the system's clock, so that tests can turn the hands.
pub trait Clock: Send + Sync + 'static {
    /// The present wall-clock time.
    fn now(&self) -> UnixMillis;
}

#[cfg(test)]
mod tests {
    use super::UnixMillis;

    #[test]
    fn a_number_that_is_whole_is_a_time() {
        for (text, millis) in [
            ("0", 0),
            ("-5", -5),
            ("1795348927123", 1_795_348_927_123),
            ("5.0", 5),
            ("1e3", 1_000),
            ("2077166623783257.0", 2_077_166_623_783_257),
        ] {
            assert_eq!(serde_json::from_str::<UnixMillis>(text).unwrap(), UnixMillis(millis), "{text}");
        }
        for text in ["0.5", "1e300", "99999999999999999999", "\"5\"", "null", "true"] {
            assert!(serde_json::from_str::<UnixMillis>(text).is_err(), "{text}");
        }
        assert_eq!(serde_json::to_string(&UnixMillis(-5)).unwrap(), "-5");
    }
}
