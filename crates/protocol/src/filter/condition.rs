//! What a term asks of the payload: comparisons, combined.
//!
//! Bounded when it is read, so that it can be evaluated, written and dropped
//! by recursion: at most 64 levels.

use super::parse::Wrong;
use super::payload::{Found, Payload};
use std::fmt;

mod parse;

/// A condition on the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Condition(Expr);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Expr {
    /// `a || b`: two or more, none of them itself an `Or`.
    Or(Vec<Expr>),
    /// `a && b`: two or more, none of them itself an `And`.
    And(Vec<Expr>),
    Not(Box<Expr>),
    Exists(Path),
    Is(Path, Value),
    IsNot(Path, Value),
    In(Path, Vec<Value>),
}

/// Where in the payload: at least one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path(pub(super) Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// A member of an object.
    Member(String),
    /// An item of a list, from 0.
    Item(usize),
}

/// What is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    /// Whoever registered; equal to nothing until it is resolved.
    Me,
}

/// A number, exact where it is an integer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Integer(i128),
    /// Finite.
    Float(f64),
}

impl Number {
    /// Reads a JSON number; `None` where it is too large to be told from another.
    pub(super) fn read(text: &str) -> Option<Self> {
        match text.parse() {
            Ok(integer) => Some(Self::Integer(integer)),
            Err(_) => text.parse().ok().filter(|float: &f64| float.is_finite()).map(Self::Float),
        }
    }
}

/// By value: `1`, `1.0` and `1e0` are equal.
impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        match (*self, *other) {
            (Self::Integer(one), Self::Integer(other)) => one == other,
            (Self::Float(one), Self::Float(other)) => one == other,
            (Self::Integer(integer), Self::Float(float)) | (Self::Float(float), Self::Integer(integer)) => {
                // Back again too: a cast of what does not fit saturates.
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_precision_loss,
                    reason = "checked by casting back"
                )]
                let same = float as i128 == integer && (float as i128) as f64 == float;
                same
            }
        }
    }
}

impl Eq for Number {}

impl Condition {
    /// Reads the condition that begins with the bracket at `from` and ends
    /// with the text.
    pub(super) fn parse(text: &str, from: usize) -> Result<Self, Wrong> {
        parse::condition(text, from).map(Self)
    }

    /// Reads a condition that stands by itself, without brackets.
    pub(super) fn parse_bare(text: &str) -> Result<Self, Wrong> {
        parse::bare(text).map(Self)
    }

    /// Every path it asks for.
    pub(super) fn paths(&self) -> Vec<&Path> {
        let mut paths = Vec::new();
        self.0.each(&mut |path, _| paths.push(path));
        paths
    }

    pub(super) fn speaks_of_me(&self) -> bool {
        let mut found = false;
        self.0.each(&mut |_, values| found |= values.contains(&Value::Me));
        found
    }

    pub(super) fn resolve_me(&self, id: &str) -> Self {
        Self(self.0.replace(&Value::Me, &Value::Text(id.to_owned())))
    }

    pub(super) fn with_me(&self, id: &str) -> Self {
        Self(self.0.replace(&Value::Text(id.to_owned()), &Value::Me))
    }

    pub(super) fn holds(&self, payload: &Payload<'_>) -> bool {
        self.0.holds(payload)
    }
}

impl Expr {
    /// Calls `each` with every comparison's path and values.
    fn each<'e>(&'e self, each: &mut impl FnMut(&'e Path, &'e [Value])) {
        match self {
            Self::Or(parts) | Self::And(parts) => parts.iter().for_each(|part| part.each(each)),
            Self::Not(inner) => inner.each(each),
            Self::Exists(path) => each(path, &[]),
            Self::Is(path, value) | Self::IsNot(path, value) => each(path, std::slice::from_ref(value)),
            Self::In(path, values) => each(path, values),
        }
    }

    /// The same with `new` wherever `old` is compared with.
    fn replace(&self, old: &Value, new: &Value) -> Self {
        let value = |value: &Value| if value == old { new.clone() } else { value.clone() };
        let parts = |parts: &[Self]| parts.iter().map(|part| part.replace(old, new)).collect();
        match self {
            Self::Or(all) => Self::Or(parts(all)),
            Self::And(all) => Self::And(parts(all)),
            Self::Not(inner) => Self::Not(Box::new(inner.replace(old, new))),
            Self::Exists(path) => Self::Exists(path.clone()),
            Self::Is(path, one) => Self::Is(path.clone(), value(one)),
            Self::IsNot(path, one) => Self::IsNot(path.clone(), value(one)),
            Self::In(path, all) => Self::In(path.clone(), all.iter().map(value).collect()),
        }
    }

    fn holds(&self, payload: &Payload<'_>) -> bool {
        let equals = |path: &Path, values: &[Value]| {
            payload.at(path).is_some_and(|found| values.iter().any(|v| v.is(found)))
        };
        match self {
            Self::Or(parts) => parts.iter().any(|part| part.holds(payload)),
            Self::And(parts) => parts.iter().all(|part| part.holds(payload)),
            Self::Not(inner) => !inner.holds(payload),
            Self::Exists(path) => payload.at(path).is_some(),
            Self::Is(path, value) => equals(path, std::slice::from_ref(value)),
            Self::IsNot(path, value) => {
                *value != Value::Me && payload.at(path).is_some_and(|found| !value.is(found))
            }
            Self::In(path, values) => equals(path, values),
        }
    }
}

impl Value {
    fn is(&self, found: &Found) -> bool {
        match (self, found) {
            (Self::Null, Found::Null) => true,
            (Self::Bool(value), Found::Bool(found)) => value == found,
            (Self::Number(value), Found::Number(found)) => value == found,
            (Self::Text(value), Found::Text(found)) => value == found,
            _ => false,
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Or(parts) => list(f, parts, " || "),
            Self::And(parts) => {
                for (at, part) in parts.iter().enumerate() {
                    f.write_str(if at > 0 { " && " } else { "" })?;
                    match part {
                        Self::Or(_) => write!(f, "({part})")?,
                        _ => write!(f, "{part}")?,
                    }
                }
                Ok(())
            }
            Self::Not(inner) => match **inner {
                Self::Not(_) | Self::Exists(_) => write!(f, "!{inner}"),
                _ => write!(f, "!({inner})"),
            },
            Self::Exists(path) => write!(f, "exists({path})"),
            Self::Is(path, value) => write!(f, "{path} == {value}"),
            Self::IsNot(path, value) => write!(f, "{path} != {value}"),
            Self::In(path, values) => {
                write!(f, "{path} in [")?;
                list(f, values, ", ")?;
                f.write_str("]")
            }
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, parts: &[impl fmt::Display], between: &str) -> fmt::Result {
    for (at, part) in parts.iter().enumerate() {
        f.write_str(if at > 0 { between } else { "" })?;
        part.fmt(f)?;
    }
    Ok(())
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Member(name) if parse::is_plain(name) => {
                    write!(f, "{}{name}", if at > 0 { "." } else { "" })?;
                }
                Step::Member(name) => write!(f, "[{}]", quoted(name))?,
                Step::Item(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => value.fmt(f),
            Self::Number(Number::Integer(value)) => value.fmt(f),
            // With a point or an exponent, so that it is read as it was.
            Self::Number(Number::Float(value)) => fmt::Debug::fmt(value, f),
            Self::Text(text) => f.write_str(&quoted(text)),
            Self::Me => f.write_str("me"),
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests;
