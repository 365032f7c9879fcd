//! Capability filters: which events a worker asks for.
//!
//! `Issue` · `Comment.create` · `github:pull_request.*` · `!Issue.remove` ·
//! `*`. A list takes an event when one of its positive terms does (or it has
//! none) and none of its negative terms does.
//!
//! A term is `[!][provider:]type[.action]`. Types and actions are written as
//! the provider writes them, case and all; `*` stands for any of them, and a
//! term without action, or with `.*`, also takes events that have none. The
//! type ends at the first dot; what follows is the action, dots included.
//! Square brackets are kept for conditions on the payload.

use crate::event::{Described, Provider};
use serde::{Deserialize, Serialize};
use std::fmt;

mod parse;

/// A list of capability terms, parsed. Serialises as the list of texts.
/// Empty takes everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Filter {
    terms: Vec<Term>,
}

/// One term: `[!][provider:]type[.action]`, `*` standing for any.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    negative: bool,
    provider: Option<Provider>,
    event_type: Name,
    action: Option<Name>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    Any,
    Is(String),
}

/// A term that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("capability `{term}`, character {at}: {reason}")]
pub struct InvalidFilter {
    /// The term as given, its beginning only where it is overlong.
    pub term: String,
    /// Where it goes wrong, in characters from 1.
    pub at: usize,
    /// What is wrong there.
    pub reason: String,
}

impl Filter {
    /// Reads a list of terms, each at most 200 characters long.
    ///
    /// # Errors
    /// For the first term that cannot be read, with the place.
    pub fn parse<S: AsRef<str>>(terms: &[S]) -> Result<Self, InvalidFilter> {
        Ok(Self { terms: terms.iter().map(|t| parse::term(t.as_ref())).collect::<Result<_, _>>()? })
    }

    /// Whether an event from `provider`, described so, is asked for.
    #[must_use]
    pub fn takes(&self, provider: Provider, event: &Described) -> bool {
        let applies = |term: &&Term| term.applies(provider, event);
        let refused = self.terms.iter().filter(|t| t.negative).any(|t| applies(&t));
        let mut positive = self.terms.iter().filter(|t| !t.negative).peekable();
        !refused && (positive.peek().is_none() || positive.any(|t| applies(&t)))
    }
}

/// Whether a type or an action may contain `c`. Described events contain
/// nothing else, dots in actions apart, so that a filter can name them all (a
/// type with a colon after its provider's name).
pub(crate) fn in_names(c: char) -> bool {
    c.is_alphanumeric() || "_-/#@+~$:".contains(c)
}

impl Term {
    fn applies(&self, provider: Provider, event: &Described) -> bool {
        let action = match (&self.action, &event.action) {
            (None | Some(Name::Any), _) => true,
            (Some(Name::Is(_)), None) => false,
            (Some(name), Some(action)) => name.is(action),
        };
        self.provider.is_none_or(|p| p == provider) && self.event_type.is(&event.event_type) && action
    }
}

impl Name {
    fn is(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Is(name) => name == text,
        }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.negative {
            f.write_str("!")?;
        }
        if let Some(provider) = self.provider {
            write!(f, "{provider}:")?;
        }
        write!(f, "{}", self.event_type)?;
        match &self.action {
            Some(action) => write!(f, ".{action}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "*",
            Self::Is(name) => name,
        })
    }
}

impl TryFrom<Vec<String>> for Filter {
    type Error = InvalidFilter;
    fn try_from(terms: Vec<String>) -> Result<Self, InvalidFilter> {
        Self::parse(&terms)
    }
}

impl From<Filter> for Vec<String> {
    fn from(filter: Filter) -> Self {
        filter.terms.iter().map(Term::to_string).collect()
    }
}

#[cfg(test)]
mod tests;
