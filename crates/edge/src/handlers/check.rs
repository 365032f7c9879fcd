//! Whether rules can be as they are given, with the place of what is wrong.

use super::Target;
use super::forward::To;
use super::headers::is_of_the_connection;
use crate::api::{Action, ForwardTo, Rule, RulePart, RuleProblem};
use http::header::{CONTENT_LENGTH, HOST};
use http::{HeaderMap, HeaderName, HeaderValue};
use postern_protocol::filter::Filter;
use std::time::Duration;

/// So many rules at most has a profile.
pub(crate) const MOST_RULES: usize = 100;
/// The longest name, in characters.
const LONGEST_NAME: usize = 80;
/// So many headers at most are added.
const MOST_HEADERS: usize = 32;
/// The longest value of one, in bytes.
const LONGEST_VALUE: usize = 4096;

/// What is wrong with a part of a rule.
#[derive(Debug)]
pub(super) struct Wrong {
    part: RulePart,
    item: Option<usize>,
    at: Option<usize>,
    message: String,
}

impl Wrong {
    fn with(part: RulePart, message: impl Into<String>) -> Self {
        Self { part, item: None, at: None, message: message.into() }
    }
}

/// The rules as they are to be kept: targets written out, filters in one way
/// of writing them, each with a name. `known` are the numbers that exist.
pub(crate) fn check(rules: &[Rule], known: &[u64], own_ports: &[u16]) -> Result<Vec<Rule>, RuleProblem> {
    let place = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let mut checked: Vec<Rule> = Vec::with_capacity(rules.len());
    for (n, rule) in rules.iter().enumerate() {
        let numbered = match rule.id {
            0 => Ok(()),
            id if !known.contains(&id) => {
                Err(Wrong::with(RulePart::Id, format!("there is no rule with the number {id}")))
            }
            id if checked.iter().any(|other| other.id == id) => {
                Err(Wrong::with(RulePart::Id, format!("the number {id} is there twice")))
            }
            _ => Ok(()),
        };
        let rule = numbered.and_then(|()| one(rule, own_ports)).map_err(|wrong| RuleProblem {
            rule: place(n),
            part: wrong.part,
            item: wrong.item.map(place),
            at: wrong.at.map(place),
            message: wrong.message,
        })?;
        checked.push(rule);
    }
    Ok(checked)
}

fn one(rule: &Rule, own_ports: &[u16]) -> Result<Rule, Wrong> {
    let filter = filter(&rule.filter)?;
    let (action, named_after) = match &rule.action {
        Action::Forward(to) => {
            let checked = forward(to, own_ports)?;
            let to = ForwardTo { url: checked.target.url().to_owned(), ..to.clone() };
            (Action::Forward(to), checked.target.authority())
        }
        Action::Notify => (Action::Notify, "Notify".to_owned()),
    };
    let name = match rule.name.trim() {
        "" => named_after.chars().take(LONGEST_NAME).collect(),
        name if name.chars().count() > LONGEST_NAME => {
            let message = format!("the name is longer than {LONGEST_NAME} characters");
            return Err(Wrong::with(RulePart::Name, message));
        }
        name if name.chars().any(char::is_control) => {
            return Err(Wrong::with(RulePart::Name, "the name must be on one line"));
        }
        name => name.to_owned(),
    };
    Ok(Rule { id: rule.id, name, enabled: rule.enabled, filter: filter.into(), action, stop: rule.stop })
}

/// The terms, read. `me` is known at the proxy alone: here it would never hold.
fn filter(terms: &[String]) -> Result<Filter, Wrong> {
    for (n, term) in terms.iter().enumerate() {
        let wrong = |at: usize, message: String| Wrong {
            part: RulePart::Filter,
            item: Some(n),
            at: Some(at),
            message,
        };
        let read = Filter::parse(std::slice::from_ref(term))
            .map_err(|e| wrong(e.at, format!("the filter `{}`, character {}: {}", e.term, e.at, e.reason)))?;
        if read.speaks_of_me() {
            return Err(wrong(
                1,
                format!("the filter `{term}`: `me` is known to the proxy alone, write the id"),
            ));
        }
    }
    Filter::parse(terms).map_err(|e| Wrong::with(RulePart::Filter, e.reason))
}

/// A forward, read.
pub(super) fn forward(to: &ForwardTo, own_ports: &[u16]) -> Result<To, Wrong> {
    let target =
        Target::parse(&to.url, own_ports).map_err(|refused| Wrong::with(RulePart::Url, refused.message))?;
    let timeout = match to.timeout_ms {
        None => None,
        Some(ms @ 100..=300_000) => Some(Duration::from_millis(ms.into())),
        Some(ms) => {
            let message = format!("the timeout is {ms} ms, and must be 100 to 300,000");
            return Err(Wrong::with(RulePart::Timeout, message));
        }
    };
    let repeat = to.retry;
    if repeat.count > 5 {
        let message = format!("{} repetitions are too many: 0 to 5", repeat.count);
        return Err(Wrong::with(RulePart::Retry, message));
    }
    if !(10..=60_000).contains(&repeat.wait_ms) {
        let message = format!("the wait is {} ms, and must be 10 to 60,000", repeat.wait_ms);
        return Err(Wrong::with(RulePart::Retry, message));
    }
    Ok(To { target, timeout, headers: headers(&to.headers)?, host: to.host, repeat })
}

/// The headers that are added. Values may be secrets: none is in a message.
fn headers(given: &[(String, String)]) -> Result<HeaderMap, Wrong> {
    if given.len() > MOST_HEADERS {
        let message = format!("{} headers are too many: at most {MOST_HEADERS}", given.len());
        return Err(Wrong::with(RulePart::Headers, message));
    }
    let mut headers = HeaderMap::with_capacity(given.len());
    for (n, (name, value)) in given.iter().enumerate() {
        let wrong = |message: String| Wrong { item: Some(n), ..Wrong::with(RulePart::Headers, message) };
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else {
            return Err(wrong(format!("`{}` is not a header's name", name.escape_debug())));
        };
        if name == HOST || name == CONTENT_LENGTH || is_of_the_connection(name.as_str()) {
            return Err(wrong(format!("the header {name} belongs to the connection and cannot be set")));
        }
        if value.len() > LONGEST_VALUE {
            return Err(wrong(format!("the value of {name} is longer than {LONGEST_VALUE} bytes")));
        }
        let Ok(mut value) = HeaderValue::from_str(value) else {
            return Err(wrong(format!("the value of {name} has characters that a header cannot have")));
        };
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Repeat;

    fn refused(change: impl Fn(&mut Rule, &mut ForwardTo)) -> (RulePart, Option<u32>, Option<u32>, String) {
        let mut rule = Rule::forward("3000");
        let mut to = ForwardTo::new("http://localhost:3000");
        change(&mut rule, &mut to);
        rule.action = Action::Forward(to);
        let problem = check(&[Rule::forward("3000"), rule], &[7], &[4690]).unwrap_err();
        assert_eq!(problem.rule, 1);
        (problem.part, problem.item, problem.at, problem.message)
    }

    #[test]
    fn rules_are_kept_written_out() {
        let filter = vec!["Issue[data.x==1]".to_owned()];
        let rule = Rule { id: 7, name: "  My app ".into(), filter, ..Rule::forward("localhost:3000/hook") };
        let notify = Rule { action: Action::Notify, ..Rule::forward("") };
        let kept = check(&[rule, Rule::forward("3000"), notify], &[7], &[]).unwrap();
        let names: Vec<_> = kept.iter().map(|rule| (rule.id, rule.name.as_str())).collect();
        assert_eq!(names, [(7, "My app"), (0, "localhost:3000"), (0, "Notify")]);
        assert_eq!(kept[0].filter, ["Issue[data.x == 1]"]);
        assert_eq!(kept[0].action, Action::Forward(ForwardTo::new("http://localhost:3000/hook")));
    }

    #[test]
    fn what_is_wrong_is_pointed_at() {
        let filter = |terms: &[&str]| {
            let terms: Vec<_> = terms.iter().map(|&term| term.to_owned()).collect();
            refused(move |rule, _| rule.filter.clone_from(&terms))
        };
        let (part, item, at, message) = filter(&["Issue", "Comment[data.x = 1]"]);
        assert_eq!((part, item, at), (RulePart::Filter, Some(1), Some(16)), "{message}");
        assert!(message.starts_with("the filter `Comment[data.x = 1]`, character 16: "), "{message}");
        assert!(filter(&["Issue[data.assigneeId == me]"]).3.contains("write the id"));

        let header = |name: &str, value: &str| {
            let given = (name.to_owned(), value.to_owned());
            refused(move |_, to| to.headers = vec![("x-ok".into(), "1".into()), given.clone()])
        };
        for (name, value, why) in [
            ("a b", "", "not a header's name"),
            ("Host", "x", "belongs to the connection"),
            ("transfer-encoding", "x", "belongs to the connection"),
            ("x-a", "line\nbreak", "cannot have"),
            ("x-a", &"v".repeat(4097), "longer than 4096"),
        ] {
            let (part, item, _, message) = header(name, value);
            assert_eq!((part, item), (RulePart::Headers, Some(1)));
            assert!(message.contains(why), "{message}");
        }
        assert!(!header("x-a", "secret\u{1}").3.contains("secret"), "no value is in a message");

        let part = |change: fn(&mut Rule, &mut ForwardTo)| refused(change).0;
        assert_eq!(part(|_, to| to.url = "localhost:4690".into()), RulePart::Url);
        assert_eq!(part(|_, to| to.timeout_ms = Some(99)), RulePart::Timeout);
        assert_eq!(part(|_, to| to.retry = Repeat { count: 6, wait_ms: 10 }), RulePart::Retry);
        assert_eq!(part(|_, to| to.retry = Repeat { count: 1, wait_ms: 9 }), RulePart::Retry);
        assert_eq!(part(|rule, _| rule.name = "x".repeat(81)), RulePart::Name);
        assert_eq!(part(|rule, _| rule.name = "a\nb".into()), RulePart::Name);
        assert_eq!(part(|rule, _| rule.id = 8), RulePart::Id);
        let twice = [Rule { id: 7, ..Rule::forward("1") }, Rule { id: 7, ..Rule::forward("2") }];
        assert_eq!(check(&twice, &[7], &[]).unwrap_err().part, RulePart::Id);
    }
}
