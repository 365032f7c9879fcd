use super::{Shown, takes};
use crate::output::tests::event;
use postern_edge::api::OutcomeKind;
use postern_protocol::filter::Filter;

#[test]
fn an_event_is_shown_when_its_handler_ends_and_again_when_it_ran_again() {
    let mut shown = Shown::default();
    let with = |kind| {
        let mut event = event();
        event.outcome.kind = kind;
        event
    };
    let news: Vec<_> = [
        OutcomeKind::Running,
        OutcomeKind::Failed,
        OutcomeKind::Failed,
        OutcomeKind::Running,
        OutcomeKind::Succeeded,
    ]
    .map(with)
    .iter()
    .map(|event| shown.is_news(event))
    .collect();
    assert_eq!(news, [false, true, false, false, true]);
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut shown = Shown::default();
    for n in 0..=Shown::REMEMBERED {
        let mut event = event();
        event.id = format!("evt_{n}");
        assert!(shown.is_news(&event));
    }
    assert_eq!(shown.0.len(), Shown::REMEMBERED);
}

#[test]
fn filters_choose_by_type_and_provider() {
    let body = br#"{"data":{"priority":1}}"#;
    for (terms, expected) in [
        (&["Issue"][..], true),
        (&["Issue.update", "Comment"], true),
        (&["!Issue"], false),
        (&["github:*"], false),
        (&[], true),
        (&["Issue[data.priority in [1, 2]]"], true),
        (&["Issue[data.priority == 3]"], false),
    ] {
        assert_eq!(takes(&Filter::parse(terms).unwrap(), &event(), body), expected, "{terms:?}");
    }
}
