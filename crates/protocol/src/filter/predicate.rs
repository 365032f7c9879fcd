//! A condition on the payload by itself, without a term around it: what a
//! history is searched by.

use super::condition::Condition;
use super::payload::Payload;
use crate::Provider;
use std::fmt;

/// How long a condition may be, in characters.
const LONGEST: usize = 1000;

/// A condition on the payload, as it stands between the brackets of a
/// capability term: `data.team.key == "ENG" && data.priority in [1, 2]`.
/// Nothing equals `me` in it: there is nobody it could stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Predicate(Condition);

/// A condition that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("character {at}: {reason}")]
pub struct InvalidPredicate {
    /// Where it goes wrong, in characters from 1.
    pub at: usize,
    /// What is wrong there.
    pub reason: String,
}

impl Predicate {
    /// Reads a condition of at most 1000 characters.
    ///
    /// # Errors
    /// With the place and the reason.
    pub fn parse(text: &str) -> Result<Self, InvalidPredicate> {
        if text.chars().nth(LONGEST).is_some() {
            let reason = format!("a condition has at most {LONGEST} characters");
            return Err(InvalidPredicate { at: LONGEST + 1, reason });
        }
        Condition::parse_bare(text)
            .map(Self)
            .map_err(|(offset, reason)| InvalidPredicate { at: text[..offset].chars().count() + 1, reason })
    }

    /// Whether it holds of an event from `provider` with this body.
    #[must_use]
    pub fn holds(&self, provider: Provider, body: &[u8]) -> bool {
        self.0.holds(&Payload::read(provider, body, self.0.paths()))
    }
}

impl fmt::Display for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_of_the_bodies_it_describes() {
        let body = br#"{"data":{"team":{"key":"ENG"},"priority":2}}"#;
        let holds = |text: &str| Predicate::parse(text).unwrap().holds(Provider::Linear, body);
        assert!(holds(r#"data.team.key == "ENG""#));
        assert!(holds(r#" !(data.team.key == "OPS") && (data.priority in [1, 2]) "#));
        assert!(!holds(r#"data.team.key == "OPS""#));
        assert!(!holds("data.team.key == me"), "nobody is meant");
        assert!(!Predicate::parse("exists(data)").unwrap().holds(Provider::Linear, b"no json"));
    }

    #[test]
    fn what_cannot_be_read_is_pointed_at() {
        let wrong = |text: &str| Predicate::parse(text).unwrap_err().to_string();
        assert_eq!(wrong("data.x = 1"), "character 8: expected `==`, `!=` or `in`; equality is written `==`");
        assert_eq!(wrong("é == 1]"), "character 7: expected `&&`, `||` or the end, found `]`");
        assert_eq!(
            wrong(""),
            "character 1: expected a field of the payload, as in `data.team.key`, but the text ends here"
        );
        assert_eq!(wrong(&"x".repeat(1001)), "character 1001: a condition has at most 1000 characters");
    }
}
