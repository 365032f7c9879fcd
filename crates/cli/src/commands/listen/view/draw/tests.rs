use super::super::model::Model;
use super::lines;
use crate::output::tests::{coloured, event, plain, session};
use crate::view::Act;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use postern_edge::api::{EventSummary, Outcome, OutcomeKind};
use unicode_width::UnicodeWidthStr;

const TARGET: &str = "http://localhost:3000/webhooks";

fn numbered(n: u32) -> EventSummary {
    EventSummary { id: format!("evt_{n}"), subject: format!("ENG-{n} Fix login"), ..event() }
}

/// A view with so many events.
fn model(events: u32) -> Model {
    let mut model = Model::new(session(), Some(TARGET.into()));
    (1..=events).for_each(|n| model.list.put(numbered(n)));
    model
}

fn screen(model: &mut Model, width: usize, height: usize) -> String {
    lines(model, width, height, &plain()).join("\n")
}

fn press(model: &mut Model, code: KeyCode) -> Option<Act<String>> {
    model.list.key(KeyEvent::new(code, KeyModifiers::NONE))
}

#[test]
fn screens() {
    insta::assert_snapshot!(screen(&mut model(0), 100, 7));
    let mut some = model(2);
    some.list.put(EventSummary {
        id: "evt_3".into(),
        name: "pull_request.opened".into(),
        subject: "acme/web#12 日本語のタイトル".into(),
        detail: "fix-login → main · a very long remark that no screen of this width has room for at all"
            .into(),
        outcome: Outcome { kind: OutcomeKind::Failed, label: "localhost:3000 refused".into() },
        ..event()
    });
    insta::assert_snapshot!(screen(&mut some, 100, 9));
    insta::assert_snapshot!(screen(&mut some, 50, 9));
    press(&mut some, KeyCode::Char('/'));
    "日本".chars().for_each(|c| assert_eq!(press(&mut some, KeyCode::Char(c)), None));
    insta::assert_snapshot!(screen(&mut some, 100, 7));
    some.list.open("Issue.update\n\n{\n\t\"a\": 1\n}");
    insta::assert_snapshot!(screen(&mut some, 100, 7));
}

#[test]
fn every_line_fits_whatever_the_size() {
    let mut model = model(30);
    model.list.note = "x".repeat(300);
    for style in [plain(), coloured()] {
        for width in 0..130 {
            for height in [0, 1, 3, 10, 50] {
                let lines = lines(&mut model, width, height, &style);
                assert!(lines.len() <= height, "{width}×{height}");
                for line in lines.iter().map(|line| without_colours(line)) {
                    assert!(line.width() <= width, "{width}×{height}: {line}");
                }
            }
        }
    }
}

fn without_colours(line: &str) -> String {
    let mut parts = line.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |line, part| line + part.split_once('m').unwrap().1)
}

#[test]
fn keys_select_open_and_replay() {
    let mut model = model(30);
    model.list.fit(10);
    assert_eq!((model.list.at(), model.list.top), (Some(29), 20));
    assert_eq!(press(&mut model, KeyCode::Enter), Some(Act::Open("evt_30".into())));
    press(&mut model, KeyCode::Up);
    assert_eq!(press(&mut model, KeyCode::Char('r')), Some(Act::Replay("evt_29".into())));
    // What arrives does not move the selection.
    model.list.put(numbered(31));
    assert_eq!(press(&mut model, KeyCode::Enter), Some(Act::Open("evt_29".into())));
    press(&mut model, KeyCode::Home);
    model.list.fit(10);
    assert_eq!((model.list.at(), model.list.top), (Some(0), 0));
    press(&mut model, KeyCode::PageDown);
    assert_eq!(model.list.at(), Some(10));
    // At the end the newest is followed again.
    press(&mut model, KeyCode::End);
    model.list.put(numbered(32));
    assert_eq!(press(&mut model, KeyCode::Enter), Some(Act::Open("evt_32".into())));
    assert_eq!(press(&mut model, KeyCode::Char('q')), Some(Act::Quit));
}

#[test]
fn a_filter_takes_the_keys_until_it_is_done() {
    let mut model = model(30);
    for c in "/eng-17 ".chars() {
        assert_eq!(press(&mut model, KeyCode::Char(c)), None);
    }
    assert_eq!(press(&mut model, KeyCode::Char('q')), None, "a letter like others");
    assert_eq!(model.list.shown().len(), 0);
    press(&mut model, KeyCode::Backspace);
    press(&mut model, KeyCode::Enter);
    assert_eq!(press(&mut model, KeyCode::Enter), Some(Act::Open("evt_17".into())));
    press(&mut model, KeyCode::Esc);
    assert_eq!(model.list.shown().len(), 30);
}

#[test]
fn a_pager_scrolls_within_its_text_and_closes() {
    let mut model = model(1);
    model.list.open(&(0..100).map(|n| format!("line {n}\n")).collect::<String>());
    for code in [KeyCode::End, KeyCode::Down, KeyCode::PageDown] {
        press(&mut model, code);
        model.list.fit(10);
    }
    assert!(screen(&mut model, 80, 14).contains("line 99"));
    press(&mut model, KeyCode::Home);
    assert!(screen(&mut model, 80, 14).contains("line 0\n"));
    press(&mut model, KeyCode::Esc);
    assert!(model.list.pager.is_none());
}

#[test]
fn an_event_is_one_row_in_its_newest_state_and_old_ones_leave() {
    let mut model = model(2_100);
    assert_eq!(model.list.count(), 2_000);
    let mut again = numbered(2_100);
    again.subject = "changed".into();
    model.list.put(again);
    assert_eq!((model.list.count(), model.list.shown()[1_999].subject.as_str()), (2_000, "changed"));
}
