//! Capability filters: which events a worker asks for.
//!
//! `Issue` · `Comment.create` · `github:pull_request.*` · `!Issue.remove` ·
//! `*`. A list takes an event when one of its positive terms does (or it has
//! none) and none of its negative terms does.

use crate::event::{Described, Provider};
use serde::{Deserialize, Serialize};

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
    // TODO by the protocol's author
    text: String,
}

/// A term that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("capability `{term}`, character {at}: {reason}")]
pub struct InvalidFilter {
    /// The term as given.
    pub term: String,
    /// Where it goes wrong, in characters from 1.
    pub at: usize,
    /// What is wrong there.
    pub reason: String,
}

impl Filter {
    /// Reads a list of terms.
    pub fn parse<S: AsRef<str>>(terms: &[S]) -> Result<Self, InvalidFilter> {
        todo!()
    }

    /// Whether an event from `provider`, described so, is asked for.
    #[must_use]
    pub fn takes(&self, provider: Provider, event: &Described) -> bool {
        todo!()
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
        todo!()
    }
}
