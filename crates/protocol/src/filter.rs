//! Capability filters: which events a worker asks for.
//!
//! `Issue` · `Comment.create` · `github:pull_request.*` · `!Issue.remove` ·
//! `*` · `Issue.update[data.team.key == "ENG" && data.priority in [1, 2]]`. A
//! list takes an event when one of its positive terms does (or it has none) and
//! none of its negative terms does.
//!
//! A term is `[!][provider:]type[.action]`, and may end with a condition on the
//! payload in square brackets. Types and actions are written as the provider
//! writes them, case and all; `*` stands for any of them, and a term without
//! action, or with `.*`, also takes events that have none. The type ends at the
//! first dot; what follows is the action, dots included.
//!
//! Postern's own events (`postern:worker.away`) are for those who ask for them:
//! only a positive term that names the provider takes one, neither `*` nor an
//! empty list does.
//!
//! A condition ([`condition`]) combines comparisons with `&&`, `||`, `!` and
//! parentheses: `path == value`, `path != value`, `path in [value, …]`,
//! `exists(path)`. A path is `data.labels[0].name` or `data["a key"]`; a value
//! a JSON string, number, `true`, `false`, `null`, or `me`, the user who
//! registered. Where the path leads nowhere every comparison is false, `!=`
//! included; `exists` is true of a member that is null.

use crate::event::{Described, Provider};
use condition::Condition;
use payload::Payload;
use serde::{Deserialize, Serialize};
use std::fmt;

mod condition;
mod parse;
mod payload;
mod predicate;

pub use predicate::{InvalidPredicate, Predicate};

/// A list of capability terms, parsed. Serialises as the list of texts, in one
/// way of writing them. Empty takes everything but Postern's own events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Filter {
    terms: Vec<Term>,
}

/// One term: `[!][provider:]type[.action]`, `*` standing for any, and what it
/// asks of the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    negative: bool,
    provider: Option<Provider>,
    event_type: Name,
    action: Option<Name>,
    condition: Option<Condition>,
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

/// The filters, each with what it stands for, that take an event from
/// `provider`, described so: the way to ask for many workers. The body is read
/// at most once, and only where a condition decides.
pub fn takers<'f, T>(
    provider: Provider,
    event: &Described,
    body: &[u8],
    filters: impl IntoIterator<Item = (T, &'f Filter)>,
) -> Vec<T> {
    let asked: Vec<_> = filters
        .into_iter()
        .map(|(who, filter)| (who, filter, filter.by_name(provider, event)))
        .filter(|(.., answer)| *answer != Answer::No)
        .collect();
    let conditions = asked
        .iter()
        .filter(|(.., answer)| *answer == Answer::Depends)
        .flat_map(|(_, filter, _)| filter.terms.iter())
        .filter(|term| term.names(provider, event))
        .filter_map(|term| term.condition.as_ref());
    let payload = Payload::read(provider, body, conditions.flat_map(Condition::paths));
    let takes = |filter: &Filter, answer| match answer {
        Answer::Yes => true,
        Answer::No => false,
        Answer::Depends => filter.decide(provider, |term| {
            term.names(provider, event) && term.condition.as_ref().is_none_or(|c| c.holds(&payload))
        }),
    };
    asked.into_iter().filter(|(_, filter, answer)| takes(filter, *answer)).map(|(who, ..)| who).collect()
}

/// How a filter stands to an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stand {
    /// It takes it.
    Takes,
    /// This negative term refuses it.
    Refuses(String),
    /// None of the positive terms, which are these, takes it.
    Misses(Vec<String>),
}

/// What the names alone say.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Yes,
    No,
    Depends,
}

impl Filter {
    /// Reads a list of at most 200 terms. A term has at most 200 characters
    /// before its condition, and at most 1000 in all.
    ///
    /// # Errors
    /// For the first term that cannot be read, with the place.
    pub fn parse<S: AsRef<str>>(terms: &[S]) -> Result<Self, InvalidFilter> {
        if let Some(excess) = terms.get(parse::MOST_TERMS) {
            let reason = format!("a filter has at most {} terms", parse::MOST_TERMS);
            return Err(InvalidFilter { term: parse::shown(excess.as_ref()), at: 1, reason });
        }
        Ok(Self { terms: terms.iter().map(|t| parse::term(t.as_ref())).collect::<Result<_, _>>()? })
    }

    /// Whether an event from `provider`, described so, is asked for. The body
    /// is read only where a condition decides; for many filters there is
    /// [`takers`].
    #[must_use]
    pub fn takes(&self, provider: Provider, event: &Described, body: &[u8]) -> bool {
        !takers(provider, event, body, [((), self)]).is_empty()
    }

    /// How it stands to an event from `provider`, described so, and by which of
    /// its terms.
    #[must_use]
    pub fn stand(&self, provider: Provider, event: &Described, body: &[u8]) -> Stand {
        let conditions = self.terms.iter().filter_map(|term| term.condition.as_ref());
        let payload = Payload::read(provider, body, conditions.flat_map(Condition::paths));
        let applies = |term: &&Term| {
            term.names(provider, event) && term.condition.as_ref().is_none_or(|c| c.holds(&payload))
        };
        if let Some(term) = self.terms.iter().filter(|term| term.negative).find(applies) {
            return Stand::Refuses(term.to_string());
        }
        if self.decide(provider, |term| applies(&term)) {
            return Stand::Takes;
        }
        Stand::Misses(self.terms.iter().filter(|term| !term.negative).map(Term::to_string).collect())
    }

    /// Whether any term has a condition on the payload, so that an event
    /// cannot be judged without its body.
    #[must_use]
    pub fn has_conditions(&self) -> bool {
        self.terms.iter().any(|term| term.condition.is_some())
    }

    /// Whether a condition speaks of `me`, which [`Filter::resolve_me`] must
    /// fill in before it can hold.
    #[must_use]
    pub fn speaks_of_me(&self) -> bool {
        self.terms.iter().filter_map(|term| term.condition.as_ref()).any(Condition::speaks_of_me)
    }

    /// The filter with `me` replaced by the user's id as the provider writes
    /// it. Until then a comparison with `me` is false.
    ///
    /// # Errors
    /// For a term that becomes too long with it.
    pub fn resolve_me(&self, id: &str) -> Result<Self, InvalidFilter> {
        let resolve = |term: &Term| {
            let condition = term.condition.as_ref().map(|condition| condition.resolve_me(id));
            let term = Term { condition, ..term.clone() };
            parse::check_length(&term, &term.to_string()).map(|()| term)
        };
        Ok(Self { terms: self.terms.iter().map(resolve).collect::<Result<_, _>>()? })
    }

    /// The filter with `me` in place of the user's id: what
    /// [`Filter::resolve_me`] was given, to be shown.
    #[must_use]
    pub fn with_me(&self, id: &str) -> Self {
        let shown = |term: &Term| {
            let condition = term.condition.as_ref().map(|condition| condition.with_me(id));
            Term { condition, ..term.clone() }
        };
        Self { terms: self.terms.iter().map(shown).collect() }
    }

    /// Whether the terms together take an event that each `applies` to or not.
    fn decide(&self, provider: Provider, applies: impl Fn(&Term) -> bool) -> bool {
        let refused = self.terms.iter().any(|term| term.negative && applies(term));
        let mut positive = self.terms.iter().filter(|term| !term.negative).peekable();
        let everything = positive.peek().is_none() && provider != Provider::Postern;
        !refused && (everything || positive.any(applies))
    }

    fn by_name(&self, provider: Provider, event: &Described) -> Answer {
        let named = |term: &Term| term.names(provider, event);
        let surely = |term: &Term| term.condition.is_none() && named(term);
        // The best case and the worst: conditions hold where that helps.
        let best = self.decide(provider, |term| if term.negative { surely(term) } else { named(term) });
        if !best {
            return Answer::No;
        }
        let worst = || self.decide(provider, |term| if term.negative { named(term) } else { surely(term) });
        if !self.has_conditions() || worst() { Answer::Yes } else { Answer::Depends }
    }
}

/// Whether a type or an action may contain `c`. Described events contain
/// nothing else, dots in actions apart, so that a filter can name them all (a
/// type with a colon after its provider's name).
pub(crate) fn in_names(c: char) -> bool {
    c.is_alphanumeric() || "_-/#@+~$:".contains(c)
}

impl Term {
    /// Whether it names the event, whatever the payload holds.
    fn names(&self, provider: Provider, event: &Described) -> bool {
        let action = match (&self.action, &event.action) {
            (None | Some(Name::Any), _) => true,
            (Some(Name::Is(_)), None) => false,
            (Some(name), Some(action)) => name.is(action),
        };
        let from = match self.provider {
            Some(named) => named == provider,
            None => self.negative || provider != Provider::Postern,
        };
        from && self.event_type.is(&event.event_type) && action
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
        if let Some(action) = &self.action {
            write!(f, ".{action}")?;
        }
        match &self.condition {
            Some(condition) => write!(f, "[{condition}]"),
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
