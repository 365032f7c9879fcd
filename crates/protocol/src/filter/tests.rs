use super::*;
use proptest::prelude::*;

pub(super) fn event(name: &str) -> Described {
    let (event_type, action) = name.split_once('.').map_or((name, None), |(t, a)| (t, Some(a.to_owned())));
    Described {
        event_type: event_type.into(),
        action,
        entity: None,
        subject: String::new(),
        detail: String::new(),
    }
}

fn takes(terms: &[&str], provider: Provider, name: &str) -> bool {
    Filter::parse(terms).unwrap().takes(provider, &event(name), b"")
}

#[test]
fn terms_take_what_they_name() {
    use Provider::{Github, Linear, Postern};
    let cases: &[(&[&str], Provider, &str, bool)] = &[
        (&[], Linear, "Issue.create", true),
        (&["*"], Github, "push", true),
        (&["Issue"], Linear, "Issue.update", true),
        (&["Issue"], Linear, "IssueLabel.update", false),
        (&["issue"], Linear, "Issue.update", false),
        (&["Comment.create"], Linear, "Comment.create", true),
        (&["Comment.create"], Linear, "Comment.update", false),
        (&["Comment.create"], Linear, "Comment", false),
        (&["*.create"], Linear, "Issue.create", true),
        (&["push.*"], Github, "push", true),
        (&["github:pull_request.*"], Github, "pull_request.opened", true),
        (&["github:pull_request.*"], Linear, "pull_request.opened", false),
        (&["github:*"], Linear, "Issue.create", false),
        (&["Issue", "Comment"], Linear, "Comment.create", true),
        (&["!Issue.remove"], Linear, "Issue.remove", false),
        (&["!Issue.remove"], Linear, "Issue.update", true),
        (&["Issue", "!Issue.remove"], Linear, "Issue.remove", false),
        (&["!Issue.remove", "Issue"], Linear, "Issue.remove", false),
        (&["Issue", "!Issue.remove"], Linear, "Comment.create", false),
        (&["!*"], Linear, "Issue.create", false),
        (&["!linear:*"], Github, "push", true),
        (&["user.email.changed"], Provider::None, "user.email.changed", true),
        (&["none:order/paid"], Provider::None, "order/paid", true),
        (&[], Postern, "worker.away", false),
        (&["*"], Postern, "worker.away", false),
        (&["worker.away"], Postern, "worker.away", false),
        (&["!Issue"], Postern, "worker.away", false),
        (&["github:*"], Postern, "worker.away", false),
        (&["postern:worker.away"], Postern, "worker.away", true),
        (&["postern:worker.away"], Postern, "delivery.exhausted", false),
        (&["postern:*"], Postern, "delivery.exhausted", true),
        (&["*", "postern:*"], Postern, "worker.away", true),
        (&["*", "postern:*"], Linear, "Issue.create", true),
        (&["postern:*", "!worker"], Postern, "worker.away", false),
        (&["postern:*", "!postern:worker.away"], Postern, "worker.away", false),
        (&["postern:*"], Linear, "worker.away", false),
    ];
    for (terms, provider, name, taken) in cases {
        assert_eq!(takes(terms, *provider, name), *taken, "{terms:?} {provider} {name}");
    }
}

#[test]
fn a_term_that_cannot_be_read_is_pointed_at() {
    let providers =
        "known are linear, github, standard_webhooks, stripe, slack, hmac, timestamped, none, postern";
    let cases = [
        ("", 1, "expected the type of an event, or `*`".to_owned()),
        ("!", 2, "expected the type of an event, or `*`".to_owned()),
        ("github:", 8, "expected the type of an event, or `*`".to_owned()),
        (".create", 1, "expected the type of an event, or `*`".to_owned()),
        ("Issue.", 7, "expected the action of an event, or `*`".to_owned()),
        ("!!Issue", 2, "`!` may only begin a term".to_owned()),
        ("Issue.!x", 7, "`!` may only begin a term".to_owned()),
        ("gitlab:push", 1, format!("unknown provider `gitlab`; {providers}")),
        ("!GitHub:push", 2, format!("unknown provider `GitHub`; {providers}")),
        ("Issue*", 6, "`*` stands for the whole type, not for a part of it".to_owned()),
        ("Issue.up*", 9, "`*` stands for the whole action, not for a part of it".to_owned()),
        (" Issue", 1, "a term has no spaces".to_owned()),
        ("Issue, Comment", 6, "unexpected `,`".to_owned()),
        ("Café.é\n", 7, "a term has no spaces".to_owned()),
        ("Is\u{0}", 3, "unexpected `\\0`".to_owned()),
        ("Issue]", 6, "unexpected `]`".to_owned()),
    ];
    for (term, at, reason) in cases {
        let error = Filter::parse(&["Comment", term]).unwrap_err();
        assert_eq!(error, InvalidFilter { term: term.into(), at, reason });
    }
}

#[test]
fn an_overlong_term_is_refused_and_shown_in_part() {
    let error = Filter::parse(&["é".repeat(201)]).unwrap_err();
    assert_eq!((error.at, error.term.chars().count()), (201, 200));
    Filter::parse(&["é".repeat(200)]).unwrap();
}

#[test]
fn it_crosses_as_a_list_of_texts() {
    let texts = r#"["Issue","!github:push.*","*"]"#;
    let filter: Filter = serde_json::from_str(texts).unwrap();
    assert_eq!(serde_json::to_string(&filter).unwrap(), texts);
    let error = serde_json::from_str::<Filter>(r#"["Issue."]"#).unwrap_err();
    assert!(error.to_string().starts_with("capability `Issue.`, character 7: "), "{error}");
}

fn term() -> impl Strategy<Value = String> {
    let name = || prop_oneof![Just("*".to_owned()), "[A-Za-z_][A-Za-z0-9_/-]{0,12}"];
    let provider =
        prop_oneof![Just(""), Just("linear:"), Just("github:"), Just("standard_webhooks:"), Just("none:")];
    let action = prop_oneof![Just(None), name().prop_map(Some), "[a-z]{1,5}\\.[a-z]{1,5}".prop_map(Some)];
    (any::<bool>(), provider, name(), action).prop_map(|(negative, provider, event_type, action)| {
        let action = action.map(|a| format!(".{a}")).unwrap_or_default();
        format!("{}{provider}{event_type}{action}", if negative { "!" } else { "" })
    })
}

fn any_event() -> impl Strategy<Value = (Provider, Described)> {
    let providers = vec![
        Provider::Linear,
        Provider::Github,
        Provider::StandardWebhooks,
        Provider::None,
        Provider::Postern,
    ];
    (prop::sample::select(providers), "[A-Z][a-z]{0,2}(\\.[a-z]{1,3})?")
        .prop_map(|(p, name)| (p, event(&name)))
}

proptest! {
    #[test]
    fn a_term_reads_as_it_is_written(terms in prop::collection::vec(term(), 0..6)) {
        let filter = Filter::parse(&terms).unwrap();
        let written = Vec::from(filter.clone());
        prop_assert_eq!(&written, &terms);
        prop_assert_eq!(Filter::parse(&written).unwrap(), filter);
    }

    #[test]
    fn a_negative_term_wins_wherever_it_stands(
        terms in prop::collection::vec(term(), 0..6), at: prop::sample::Index, (provider, event) in any_event(),
    ) {
        let mut terms = terms;
        terms.insert(at.index(terms.len() + 1), format!("!{}", event.name()));
        prop_assert!(!Filter::parse(&terms).unwrap().takes(provider, &event, b""));
    }

    #[test]
    fn any_text_is_read_or_refused_within_its_length(text in "\\PC{0,30}") {
        if let Err(error) = Filter::parse(&[&text]) {
            prop_assert!((1..=text.chars().count() + 1).contains(&error.at), "{error}");
        }
    }
}

#[test]
fn a_condition_does_not_make_a_term_name_postern() {
    let away = br#"{"type": "worker.away", "data": {"worker": "laptop"}}"#;
    let takes =
        |terms: &[&str]| Filter::parse(terms).unwrap().takes(Provider::Postern, &event("worker.away"), away);
    assert!(takes(&[r#"postern:worker[data.worker == "laptop"]"#]));
    assert!(!takes(&[r#"worker[data.worker == "laptop"]"#]));
    assert!(!takes(&[r#"!worker[data.worker == "desktop"]"#]), "whatever a negative term lets pass");
    assert!(!takes(&["postern:*", r#"!worker[data.worker == "laptop"]"#]));
}

#[test]
fn a_filter_says_by_which_term_it_stands() {
    let event = event("Issue.update");
    let stand = |terms: &[&str]| Filter::parse(terms).unwrap().stand(Provider::Linear, &event, br#"{"n":1}"#);
    assert_eq!(stand(&[]), Stand::Takes);
    assert_eq!(stand(&["Issue[n == 1]"]), Stand::Takes);
    assert_eq!(
        stand(&["Issue.create", "Issue[n == 2]", "!Comment"]),
        Stand::Misses(vec!["Issue.create".into(), "Issue[n == 2]".into()])
    );
    assert_eq!(stand(&["Issue", "!Issue.*[n == 1]"]), Stand::Refuses("!Issue.*[n == 1]".into()));
}
