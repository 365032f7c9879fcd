//! `postern rules`: what is done with events.

use crate::args::{DryRun, MoveTo, RuleArgs, Rules};
use crate::backend::{Backend, Settings};
use crate::failure::Failure;
use crate::output::{self, Output};
use postern_edge::api::{self, Action, DryRunQuery, ForwardTo, Rule, RuleList, Status};
use postern_protocol::ErrorCode;
use postern_protocol::span::Span;

/// So often a change is made again on rules that another client has changed.
const TRIES: usize = 3;

/// Does what the subcommand says.
pub(crate) async fn rules(settings: &Settings, command: Rules, output: &Output) -> Result<(), Failure> {
    let edge = Backend::open(settings, settings.edge(None)?).await?;
    edge.unlock().await?;
    match command {
        Rules::List => {
            let list = edge.call("rules", ()).await?;
            show(&edge, list, output).await
        }
        Rules::Add { rule, before, disabled } => {
            if rule.to.is_none() && !rule.notify {
                return Err(Failure::usage("Say what it does: --to URL forwards, --notify tells."));
            }
            let headers = headers(&rule)?;
            let change = |rules: &mut Vec<Rule>| {
                let at = before.as_deref().map(|which| place(rules, which)).transpose()?;
                let mut new = Rule { enabled: !disabled, ..Rule::forward("") };
                apply(&mut new, &rule, &headers)?;
                rules.insert(at.unwrap_or(rules.len()), new);
                Ok(())
            };
            change_and_show(&edge, change, output).await
        }
        Rules::Edit { which, rule } => {
            let headers = headers(&rule)?;
            let change = |rules: &mut Vec<Rule>| apply(found(rules, &which)?, &rule, &headers);
            change_and_show(&edge, change, output).await
        }
        Rules::Move { which, to } => change_and_show(&edge, |rules| moved(rules, &which, &to), output).await,
        Rules::Enable { which } => change_and_show(&edge, |rules| switch(rules, &which, true), output).await,
        Rules::Disable { which } => {
            change_and_show(&edge, |rules| switch(rules, &which, false), output).await
        }
        Rules::Remove { which } => {
            let change = |rules: &mut Vec<Rule>| {
                which.iter().try_for_each(|which| {
                    rules.remove(place(rules, which)?);
                    Ok(())
                })
            };
            change_and_show(&edge, change, output).await
        }
        Rules::DryRun(args) => dry_run(&edge, args, output).await,
    }
}

/// Changes the rules as they are and shows what they have become.
async fn change_and_show(
    edge: &Backend,
    change: impl Fn(&mut Vec<Rule>) -> Result<(), Failure>,
    output: &Output,
) -> Result<(), Failure> {
    let mut tries = 0;
    loop {
        tries += 1;
        let mut list: RuleList = edge.call("rules", ()).await?;
        change(&mut list.rules)?;
        match edge.call("set_rules", list).await {
            Err(failure) if failure.code() == ErrorCode::RulesChanged.as_str() && tries < TRIES => {}
            set => return show(edge, set?, output).await,
        }
    }
}

async fn show(edge: &Backend, list: RuleList, output: &Output) -> Result<(), Failure> {
    let status: Status = edge.call("status", ()).await?;
    output.show(&list, |style| output::rules(style, &list, &status.targets))
}

/// The place of the rule with this number or name.
/// The number of the rule that is named, by number or name.
pub(super) async fn number(edge: &Backend, which: &str) -> Result<u64, Failure> {
    let list: RuleList = edge.call("rules", ()).await?;
    Ok(list.rules[place(&list.rules, which)?].id)
}

fn place(rules: &[Rule], which: &str) -> Result<usize, Failure> {
    let by_id = which.parse::<u64>().ok().and_then(|id| rules.iter().position(|rule| rule.id == id));
    let mut by_name = rules.iter().enumerate().filter(|(_, rule)| rule.name == which).map(|(place, _)| place);
    match (by_id.or_else(|| by_name.next()), by_name.next()) {
        (Some(place), _) if by_id.is_some() => Ok(place),
        (Some(place), None) => Ok(place),
        (Some(_), Some(_)) => {
            Err(Failure::usage(format!("Several rules are named `{which}`: give the number.")))
        }
        (None, _) => Err(Failure::new(
            ErrorCode::NotFound,
            format!("There is no rule `{which}`: `postern rules list` lists them."),
        )),
    }
}

fn found<'r>(rules: &'r mut [Rule], which: &str) -> Result<&'r mut Rule, Failure> {
    let place = place(rules, which)?;
    Ok(&mut rules[place])
}

fn switch(rules: &mut [Rule], which: &[String], enabled: bool) -> Result<(), Failure> {
    which.iter().try_for_each(|which| {
        found(rules, which)?.enabled = enabled;
        Ok(())
    })
}

fn moved(rules: &mut Vec<Rule>, which: &str, to: &MoveTo) -> Result<(), Failure> {
    let rule = rules.remove(place(rules, which)?);
    // Beside itself it stays where it was.
    let beside = |other: &str| {
        place(rules, other).map_err(|failure| {
            let itself = rule.name == other || rule.id.to_string() == other;
            if itself { Failure::usage("A rule cannot be moved beside itself.") } else { failure }
        })
    };
    let at = match to {
        MoveTo { before: Some(other), .. } => beside(other)?,
        MoveTo { after: Some(other), .. } => beside(other)? + 1,
        MoveTo { first: true, .. } => 0,
        MoveTo { .. } => rules.len(),
    };
    rules.insert(at, rule);
    Ok(())
}

/// Makes a rule what the arguments say; what they do not name stays.
fn apply(rule: &mut Rule, args: &RuleArgs, headers: &[(String, String)]) -> Result<(), Failure> {
    if args.notify {
        rule.action = Action::Notify;
    } else if let Some(url) = &args.to {
        match &mut rule.action {
            Action::Forward(to) => to.url.clone_from(url),
            Action::Notify => rule.action = Action::Forward(ForwardTo::new(url)),
        }
    }
    if let Some(name) = &args.name {
        rule.name.clone_from(name);
    }
    if args.everything {
        rule.filter.clear();
    } else if !args.filter.is_empty() {
        rule.filter.clone_from(&args.filter);
    }
    rule.stop = (rule.stop || args.stop) && !args.go_on;
    let forwards = args.timeout.is_some()
        || !headers.is_empty()
        || args.no_headers
        || args.host.is_some()
        || args.retry.is_some()
        || args.retry_wait.is_some();
    match &mut rule.action {
        Action::Notify if forwards => {
            Err(Failure::usage("This rule forwards nothing: --to makes it one that does."))
        }
        Action::Notify => Ok(()),
        Action::Forward(to) => {
            if let Some(timeout) = args.timeout {
                to.timeout_ms = Some(millis(timeout));
            }
            if args.no_headers {
                to.headers.clear();
            } else if !headers.is_empty() {
                to.headers = headers.to_vec();
            }
            if let Some(host) = args.host {
                to.host = host.into();
            }
            to.retry.count = args.retry.unwrap_or(to.retry.count);
            to.retry.wait_ms = args.retry_wait.map_or(to.retry.wait_ms, millis);
            Ok(())
        }
    }
}

/// What is too long for a number is too long for the edge as well.
fn millis(span: Span) -> u32 {
    u32::try_from(span.duration().as_millis()).unwrap_or(u32::MAX)
}

/// The headers that the arguments and the files that they name say.
fn headers(args: &RuleArgs) -> Result<Vec<(String, String)>, Failure> {
    let mut headers = Vec::new();
    for given in &args.header {
        match given.strip_prefix('@') {
            None => headers.push(header(given)?),
            Some(file) => {
                let text = std::fs::read_to_string(file)
                    .map_err(|error| Failure::usage(format!("The file {file} cannot be read: {error}.")))?;
                let lines = text.lines().filter(|line| !line.trim().is_empty());
                headers.extend(lines.map(header).collect::<Result<Vec<_>, _>>()?);
            }
        }
    }
    Ok(headers)
}

/// `Name: value`. The value may be a secret: no message holds it.
fn header(text: &str) -> Result<(String, String), Failure> {
    let (name, value) = text
        .split_once(':')
        .ok_or_else(|| Failure::usage("Write a header as `Name: value`, or `@FILE` to read some."))?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

async fn dry_run(edge: &Backend, args: DryRun, output: &Output) -> Result<(), Failure> {
    let drafts = (!args.filter.is_empty())
        .then(|| vec![Rule { filter: args.filter, action: Action::Notify, ..Rule::forward("") }]);
    let list: RuleList = match &drafts {
        Some(rules) => RuleList { version: 0, rules: rules.clone() },
        None => edge.call("rules", ()).await?,
    };
    let query = DryRunQuery { rules: drafts, limit: Some(args.limit) };
    let run: api::DryRun = edge.call("dry_run", query).await?;
    if let Some(problem) = run.problem {
        return Err(Failure::new(ErrorCode::BadRequest, output::sentence(&problem.message)));
    }
    output.show(&run, |style| output::dry_run(style, &list, &run))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[&str]) -> Vec<Rule> {
        let rule = |(id, name): (u64, &&str)| Rule { id, name: (*name).to_owned(), ..Rule::forward("1") };
        (1..).zip(names).map(rule).collect()
    }

    fn order(rules: &[Rule]) -> String {
        rules.iter().map(|rule| rule.name.as_str()).collect()
    }

    fn to(before: Option<&str>, after: Option<&str>, first: bool) -> MoveTo {
        let text = |text: Option<&str>| text.map(ToOwned::to_owned);
        MoveTo { before: text(before), after: text(after), first, last: !first }
    }

    #[test]
    fn a_rule_is_found_by_number_and_by_name() {
        let rules = named(&["a", "b", "b", "1"]);
        assert_eq!(place(&rules, "a").unwrap(), 0);
        assert_eq!(place(&rules, "3").unwrap(), 2);
        assert_eq!(place(&rules, "1").unwrap(), 0, "a number counts before a name");
        assert_eq!(place(&rules, "b").unwrap_err().code(), "usage");
        assert_eq!(place(&rules, "c").unwrap_err().code(), "not_found");
    }

    #[test]
    fn a_rule_is_moved_to_its_place() {
        for (which, place, expected) in [
            ("c", to(Some("a"), None, false), "cabd"),
            ("a", to(None, Some("c"), false), "bcad"),
            ("a", to(Some("d"), None, false), "bcad"),
            ("d", to(None, None, true), "dabc"),
            ("a", to(None, None, false), "bcda"),
        ] {
            let mut rules = named(&["a", "b", "c", "d"]);
            moved(&mut rules, which, &place).unwrap();
            assert_eq!(order(&rules), expected);
        }
        let refused = moved(&mut named(&["a"]), "a", &to(Some("a"), None, false)).unwrap_err();
        assert_eq!(refused.code(), "usage");
    }

    #[test]
    fn an_edit_changes_what_it_names() {
        let mut rule = named(&["a"]).remove(0);
        let filter = vec!["Issue".to_owned()];
        let args = RuleArgs { filter, stop: true, retry: Some(2), ..RuleArgs::default() };
        apply(&mut rule, &args, &[("x-a".into(), "1".into())]).unwrap();
        apply(&mut rule, &RuleArgs { name: Some("b".into()), ..RuleArgs::default() }, &[]).unwrap();
        let Action::Forward(to) = &rule.action else { panic!() };
        assert_eq!((rule.name.as_str(), rule.stop, rule.filter.len()), ("b", true, 1));
        assert_eq!((to.url.as_str(), to.retry.count, to.headers.len()), ("1", 2, 1));
        let back = RuleArgs { everything: true, go_on: true, no_headers: true, ..RuleArgs::default() };
        apply(&mut rule, &back, &[]).unwrap();
        let Action::Forward(to) = &rule.action else { panic!() };
        assert!(!rule.stop && rule.filter.is_empty() && to.headers.is_empty());
        apply(&mut rule, &RuleArgs { notify: true, ..RuleArgs::default() }, &[]).unwrap();
        assert_eq!(rule.action, Action::Notify);
        let refused = apply(&mut rule, &RuleArgs { retry: Some(1), ..RuleArgs::default() }, &[]);
        assert_eq!(refused.unwrap_err().code(), "usage");
    }
}
