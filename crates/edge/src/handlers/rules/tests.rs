use super::*;
use proptest::prelude::*;

const LINEAR: Provider = Provider::Linear;

fn event(event_type: &str, action: &str) -> Described {
    Described {
        event_type: event_type.into(),
        action: Some(action.into()),
        entity: None,
        subject: String::new(),
        detail: String::new(),
    }
}

fn forward(url: &str, filter: &[&str]) -> Rule {
    let filter = filter.iter().map(|&term| term.to_owned()).collect();
    Rule { name: url.into(), filter, ..Rule::forward(url) }
}

fn notify(name: &str, filter: &[&str]) -> Rule {
    Rule { name: name.into(), action: Action::Notify, ..forward("http://x", filter) }
}

fn rules(list: Vec<Rule>) -> Rules {
    Rules::new(RuleList { version: 1, rules: list })
}

#[test]
fn every_rule_that_takes_an_event_acts_until_one_says_stop() {
    let mut all = vec![
        forward("http://a", &["Issue"]),
        notify("told", &["Issue.update"]),
        forward("http://b", &["Comment"]),
        forward("http://c", &[]),
    ];
    let issue = event("Issue", "update");
    assert_eq!(rules(all.clone()).places(LINEAR, &issue, b""), [0, 1, 3]);
    assert_eq!(rules(all.clone()).places(LINEAR, &event("Comment", "create"), b""), [2, 3]);
    all[0].stop = true;
    assert_eq!(rules(all.clone()).places(LINEAR, &issue, b""), [0]);
    assert_eq!(rules(all.clone()).places(LINEAR, &event("Comment", "create"), b""), [2, 3]);
    all[0].enabled = false;
    assert_eq!(rules(all).places(LINEAR, &issue, b""), [1, 3], "what is off stops nothing");
}

#[test]
fn a_rule_without_a_filter_takes_posterns_own_events_too() {
    let all = rules(vec![forward("http://a", &[]), forward("http://b", &["*"]), notify("n", &["postern:*"])]);
    assert_eq!(all.places(Provider::Postern, &event("worker", "away"), b""), [0, 2]);
}

#[test]
fn at_arrival_notify_rules_count_where_there_are_any() {
    let (issue, comment) = (event("Issue", "update"), event("Comment", "create"));
    let none = rules(vec![forward("http://a", &["Issue"])]);
    assert_eq!(none.at_arrival(LINEAR, &issue, b""), (true, None));
    assert_eq!(none.at_arrival(LINEAR, &comment, b""), (false, None));
    let some = rules(vec![forward("http://a", &["Issue"]), notify("urgent", &["Issue[data.priority == 1]"])]);
    let urgent = br#"{"data":{"priority":1}}"#;
    assert_eq!(some.at_arrival(LINEAR, &issue, urgent), (true, Some(vec!["urgent".into()])));
    assert_eq!(some.at_arrival(LINEAR, &issue, b"{}"), (true, Some(vec![])));
    assert_eq!(some.at_arrival(LINEAR, &comment, urgent), (false, Some(vec![])));
}

#[test]
fn the_short_way_minds_the_rule_that_forwards_everything_alone() {
    let target = |text: &str| Target::parse(text, &[]).unwrap();
    let set = |rules: Vec<Rule>, text: Option<&str>| {
        set_plain(RuleList { version: 1, rules }, text.map(target).as_ref())
    };
    let url = |rule: &Rule| forwarding(rule).unwrap().url.clone();

    let some = vec![forward("http://filtered/", &["Issue"]), notify("told", &[])];
    let added = set(some.clone(), Some("3000"));
    assert_eq!(added[..2], some[..]);
    assert_eq!(
        (added[2].name.as_str(), url(&added[2]).as_str()),
        ("localhost:3000", "http://localhost:3000/")
    );

    let mut off = added.clone();
    off[2].enabled = false;
    let changed = set(off, Some("4000/hook"));
    let changed: Vec<_> = changed.iter().map(|rule| (rule.name.as_str(), rule.enabled)).collect();
    assert_eq!(changed, [("http://filtered/", true), ("told", true), ("localhost:4000", true)]);

    let mut named = added.clone();
    named[2].name = "My app".into();
    assert_eq!(set(named, Some("4000"))[2].name, "My app", "a name of one's own stays");

    assert_eq!(set(added, None), some);
    assert_eq!(set(some.clone(), None), some);
}

#[test]
fn a_rule_that_cannot_be_read_does_not_act() {
    let broken =
        vec![forward("no url at all", &[]), forward("http://a", &["Issue."]), forward("http://b", &[])];
    let rules = rules(broken.clone());
    assert_eq!(rules.places(LINEAR, &event("Issue", "create"), b""), [2]);
    assert_eq!(rules.list().rules, broken);
}

/// A rule as the model knows it: which types it takes, whether it acts, stops.
fn any_rule() -> impl Strategy<Value = (Vec<usize>, bool, bool, bool)> {
    (prop::collection::vec(0..4_usize, 0..3), any::<bool>(), any::<bool>(), any::<bool>())
}

proptest! {
    /// What acts is what a walk down the list finds, one rule after the other.
    #[test]
    fn the_rules_act_as_a_walk_down_the_list(
        model in prop::collection::vec(any_rule(), 0..8), taken in 0..4_usize,
    ) {
        let types = ["A", "B", "C", "D"];
        let list = model.iter().map(|(takes, enabled, stop, tells)| {
            let terms: Vec<_> = takes.iter().map(|n| types[*n]).collect();
            let rule = if *tells { notify("n", &terms) } else { forward("http://a", &terms) };
            Rule { enabled: *enabled, stop: *stop, ..rule }
        });
        let rules = rules(list.collect());
        let mut wanted = Vec::new();
        for (place, (takes, enabled, stop, _)) in model.iter().enumerate() {
            if *enabled && (takes.is_empty() || takes.contains(&taken)) {
                wanted.push(place as u32);
                if *stop {
                    break;
                }
            }
        }
        prop_assert_eq!(rules.places(LINEAR, &event(types[taken], "x"), b""), wanted);
    }
}
