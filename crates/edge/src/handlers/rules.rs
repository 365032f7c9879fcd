//! The rules in force: filters and targets read once, asked for every event.
//!
//! Every enabled rule that takes an event acts on it, whatever becomes of the
//! others: a notification beside a forward, or a second target, is one more
//! rule, and its place matters only after one that says `stop`. Had the first
//! rule alone counted, a notify rule on top would silently keep events from
//! the target below.

use super::forward::To;
use super::run::Handler;
use super::{Target, check};
use crate::api::{Action, ForwardTo, Rule, RuleList, RunRule};
use crate::history::StoredPayload;
use postern_protocol::filter::{self, Filter};
use postern_protocol::{Described, Provider};
use std::sync::Arc;

/// A profile's rules, in order.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    list: RuleList,
    /// The enabled ones.
    acting: Vec<Acting>,
}

/// An enabled rule.
#[derive(Debug)]
pub(crate) struct Acting {
    /// Where it stands in the list.
    place: usize,
    pub(crate) id: u64,
    pub(crate) name: String,
    filter: Filter,
    pub(crate) act: Act,
    stop: bool,
}

/// What it does.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Forward(Arc<To>),
    Notify,
}

impl Rules {
    /// A rule that was kept by another version, and that this one cannot read,
    /// stays in the list and does not act.
    pub(crate) fn new(list: RuleList) -> Self {
        let acting = list.rules.iter().enumerate().filter_map(|(place, rule)| Acting::read(place, rule));
        Self { acting: acting.collect(), list }
    }

    pub(crate) fn list(&self) -> RuleList {
        self.list.clone()
    }

    pub(crate) fn version(&self) -> u64 {
        self.list.version
    }

    /// Whether any of them forwards.
    pub(crate) fn forwards(&self) -> bool {
        self.targets().next().is_some()
    }

    /// Whether an event cannot be judged without its body.
    pub(crate) fn look_into_payloads(&self) -> bool {
        self.acting.iter().any(|rule| rule.filter.has_conditions())
    }

    /// The enabled rules that forward, in order.
    pub(crate) fn targets(&self) -> impl Iterator<Item = (&Acting, &Arc<To>)> {
        self.acting.iter().filter_map(|rule| match &rule.act {
            Act::Forward(to) => Some((rule, to)),
            Act::Notify => None,
        })
    }

    /// How a rule forwards now; `None` when it is gone, disabled, or does
    /// something else.
    pub(crate) fn target(&self, id: u64) -> Option<&Arc<To>> {
        self.targets().find(|(rule, _)| rule.id == id).map(|(_, to)| to)
    }

    /// Who sends as a rule does, whichever events it takes.
    pub(crate) fn handler(&self, id: u64) -> Option<Handler> {
        let (rule, to) = self.targets().find(|(rule, _)| rule.id == id)?;
        Some(Handler { rule: Some(RunRule { id, name: rule.name.clone() }), to: Arc::clone(to) })
    }

    /// The rules that act on an event, in order.
    pub(crate) fn taking(&self, provider: Provider, event: &Described, body: &[u8]) -> Vec<&Acting> {
        let asked = self.acting.iter().filter(|rule| !rule.takes_all());
        let by_filter = asked.map(|rule| (rule.place, &rule.filter));
        let taken = filter::takers(provider, event, body, by_filter);
        // What has come here was asked for: without a filter Postern's own too.
        let takes = |rule: &&Acting| rule.takes_all() || taken.contains(&rule.place);
        let mut taking: Vec<_> = self.acting.iter().filter(takes).collect();
        if let Some(last) = taking.iter().position(|rule| rule.stop) {
            taking.truncate(last + 1);
        }
        taking
    }

    /// How the rules forward an event that they take, in order.
    pub(crate) fn handlers(&self, event: &StoredPayload) -> impl Iterator<Item = Handler> + use<> {
        let taking = self.taking(event.provider, &event.described, &event.body);
        let forwards = taking.into_iter().filter_map(|rule| match &rule.act {
            Act::Forward(to) => {
                let rule = RunRule { id: rule.id, name: rule.name.clone() };
                Some(Handler { rule: Some(rule), to: Arc::clone(to) })
            }
            Act::Notify => None,
        });
        forwards.collect::<Vec<_>>().into_iter()
    }

    /// The places in the list of the rules that act on an event.
    pub(crate) fn places(&self, provider: Provider, event: &Described, body: &[u8]) -> Vec<u32> {
        let taking = self.taking(provider, event, body);
        taking.iter().map(|rule| u32::try_from(rule.place).unwrap_or(u32::MAX)).collect()
    }

    /// What becomes of an event that arrives: whether it is forwarded, and the
    /// names of the notify rules that take it, where there are such rules.
    pub(crate) fn at_arrival(
        &self,
        provider: Provider,
        event: &Described,
        body: &[u8],
    ) -> (bool, Option<Vec<String>>) {
        let taking = self.taking(provider, event, body);
        let tells = self.acting.iter().any(|rule| matches!(rule.act, Act::Notify));
        let told = taking.iter().filter(|rule| matches!(rule.act, Act::Notify));
        let told = tells.then(|| told.map(|rule| rule.name.clone()).collect());
        (taking.iter().any(|rule| matches!(rule.act, Act::Forward(_))), told)
    }
}

impl Acting {
    fn read(place: usize, rule: &Rule) -> Option<Self> {
        if !rule.enabled {
            return None;
        }
        let act = match &rule.action {
            Action::Forward(to) => Act::Forward(Arc::new(check::forward(to, &[]).ok()?)),
            Action::Notify => Act::Notify,
        };
        let filter = Filter::parse(&rule.filter).ok()?;
        Some(Self { place, id: rule.id, name: rule.name.clone(), filter, act, stop: rule.stop })
    }

    /// Whether it takes every event.
    pub(crate) fn takes_all(&self) -> bool {
        self.filter == Filter::default()
    }
}

/// The rules with the one that forwards everything sent to `target`: enabled,
/// added at the end where there is none, or without one, removed.
pub(crate) fn set_plain(list: RuleList, target: Option<&Target>) -> Vec<Rule> {
    let mut rules = list.rules;
    let place = rules.iter().position(|rule| rule.filter.is_empty() && forwarding(rule).is_some());
    match (place.and_then(|place| rules.get_mut(place)), target) {
        (Some(rule), Some(target)) => {
            if let Action::Forward(to) = &mut rule.action {
                // One named after its target is so after the next one too.
                let old = Target::parse(&to.url, &[]).map(|old| old.authority());
                if old.is_ok_and(|old| old == rule.name) {
                    rule.name = target.authority();
                }
                to.url = target.url().to_owned();
            }
            rule.enabled = true;
        }
        (None, Some(target)) => {
            rules.push(Rule { name: target.authority(), ..Rule::forward(target.url()) });
        }
        (_, None) => {
            if let Some(place) = place {
                rules.remove(place);
            }
        }
    }
    rules
}

fn forwarding(rule: &Rule) -> Option<&ForwardTo> {
    match &rule.action {
        Action::Forward(to) => Some(to),
        Action::Notify => None,
    }
}

#[cfg(test)]
mod tests;
