use super::*;
use crate::api::{EventPage, EventQuery, Outcome, OutcomeKind, RunRule};
use bytes::Bytes;
use postern_protocol::{Described, HeaderList, Provider, UnixMillis};
use std::time::Duration;
use tempfile::TempDir;

const NOW: UnixMillis = UnixMillis(1_795_341_420_000);

async fn history(dir: &TempDir) -> (History, Profile) {
    let history = History::open(dir.path(), NOW).unwrap();
    let profile = history.enter_profile(profile("ws_a")).await.unwrap();
    (history, profile)
}

fn profile(workspace: &str) -> NewProfile {
    NewProfile {
        hook_key: format!("key-{workspace}"),
        proxy_url: "https://postern.example".into(),
        workspace_id: workspace.into(),
        workspace_name: "Acme".into(),
        name: "laptop".into(),
        named: true,
        token_digest: None,
        now: NOW,
    }
}

fn event(profile: &Profile, id: &str) -> NewEvent {
    NewEvent {
        claim: None,
        profile: profile.id,
        webhook_id: id.into(),
        received_at: NOW,
        stored_at: NOW,
        signed_at: NOW,
        secret: 0,
        attempt: 1,
        source: "linear-main".into(),
        provider: Provider::Linear,
        described: Described {
            event_type: "Issue".into(),
            action: Some("update".into()),
            entity: None,
            subject: format!("ENG-42 Fix login {id}"),
            detail: "by Ada".into(),
        },
        synthetic: false,
        headers: r#"[["linear-event","Issue"]]"#.into(),
        body: Bytes::from_static(b"{\"title\":\"Caf\xc3\xa9\"}"),
        pending: false,
        notify: None,
    }
}

fn began(event: i64, replay: bool) -> Began {
    Began {
        event,
        target: "http://x/".into(),
        rule: None,
        replay,
        attempt: 1,
        at: NOW,
        headers: HeaderList::new(),
        altered: None,
    }
}

fn settled(status: Option<u16>) -> Option<Settled> {
    let outcome = Outcome { kind: OutcomeKind::Failed, label: "refused".into() };
    Some(Settled { outcome, status, done: true })
}

fn search(text: &str) -> EventQuery {
    EventQuery { search: Some(text.into()), ..EventQuery::default() }
}

async fn page(
    history: &History,
    profile: &Profile,
    query: EventQuery,
    before: Option<&str>,
    limit: u32,
    look: Duration,
) -> EventPage {
    let selection = Selection::new(profile.id, &query).unwrap().unwrap();
    history.page(selection, before.map(|before| before.parse().unwrap()), limit, look).await.unwrap()
}

async fn ids(history: &History, profile: &Profile, query: EventQuery) -> Vec<String> {
    let page = page(history, profile, query, None, 100, LOOK).await;
    assert_eq!(page.total, Some(page.rows.len() as u64));
    page.rows.into_iter().map(|row| row.id).collect()
}

#[tokio::test]
async fn pages_are_unaffected_by_arrivals() {
    let dir = tempfile::tempdir().unwrap();
    let (history, profile) = history(&dir).await;
    for n in 0..10 {
        history.accept(event(&profile, &format!("e{n}"))).await.unwrap();
    }
    let mut seen = Vec::new();
    let mut before: Option<String> = None;
    loop {
        let page = page(&history, &profile, EventQuery::default(), before.as_deref(), 4, LOOK).await;
        seen.extend(page.rows.into_iter().map(|row| row.id));
        history.accept(event(&profile, &format!("late{}", seen.len()))).await.unwrap();
        match page.next {
            Some(next) => before = Some(next),
            None => break,
        }
    }
    let wanted: Vec<_> = (0..10).rev().map(|n| format!("e{n}")).collect();
    assert_eq!(seen, wanted);
}

#[tokio::test]
async fn filters_narrow_and_count() {
    let dir = tempfile::tempdir().unwrap();
    let (history, profile) = history(&dir).await;
    history.accept(event(&profile, "a")).await.unwrap();
    let mut other = event(&profile, "b");
    other.provider = Provider::Github;
    other.source = "github".into();
    other.described.event_type = "push".into();
    other.pending = true;
    history.accept(other).await.unwrap();
    let only = |query| ids(&history, &profile, query);
    assert_eq!(only(EventQuery { provider: Some(Provider::Github), ..EventQuery::default() }).await, ["b"]);
    assert_eq!(only(EventQuery { source: Some("linear-main".into()), ..EventQuery::default() }).await, ["a"]);
    assert_eq!(only(EventQuery { event_type: Some("push".into()), ..EventQuery::default() }).await, ["b"]);
    assert_eq!(only(EventQuery { outcome: Some(OutcomeKind::None), ..EventQuery::default() }).await, ["a"]);
    history.indexed().await;
    let both = EventQuery { provider: Some(Provider::Linear), ..search("eng") };
    assert_eq!(only(both).await, ["a"]);
    assert_eq!(only(search("eng")).await, ["b", "a"]);
    assert_eq!(only(search("cafe")).await, ["b", "a"], "accents do not matter");
    assert_eq!(only(search("linear-ev")).await, ["b", "a"], "headers too");
}

#[tokio::test]
async fn what_no_index_knows_is_looked_for_row_by_row() {
    let dir = tempfile::tempdir().unwrap();
    let (history, profile) = history(&dir).await;
    for (n, key) in [(0, "OPS"), (1, "ENG"), (2, "ENG")] {
        let mut event = event(&profile, &format!("e{n}"));
        event.body = format!(r#"{{"data":{{"team":{{"key":"{key}"}}}}}}"#).into();
        event.received_at = NOW.plus(n * 60_000);
        event.stored_at = NOW.plus(n * 60_000);
        event.described.action = Some(if n == 2 { "create" } else { "update" }.into());
        history.accept(event).await.unwrap();
    }
    for (id, status) in [("e1", Some(503)), ("e2", None)] {
        let event = history.payload_of(profile.id, id.into()).await.unwrap().unwrap().id;
        let rule = (id == "e1").then(|| RunRule { id: 3, name: "app".into() });
        let run = history.begin_run(Began { rule, ..began(event, false) }).await.unwrap();
        let end = RunEnd { status, ..RunEnd::failed(5, "no", "why") };
        history.finish_run(event, run, end, settled(status)).await.unwrap();
    }
    history.indexed().await;
    let only = |query| ids(&history, &profile, query);
    let all = EventQuery::default;
    let eng = Some(r#"data.team.key == "ENG""#.to_owned());
    assert_eq!(only(EventQuery { payload: eng.clone(), ..all() }).await, ["e2", "e1"]);
    assert_eq!(only(EventQuery { payload: eng.clone(), ..search("eng-42") }).await, ["e2", "e1"]);
    assert_eq!(only(EventQuery { payload: eng, action: Some("create".into()), ..all() }).await, ["e2"]);
    assert_eq!(only(EventQuery { action: Some("update".into()), ..all() }).await, ["e1", "e0"]);
    assert_eq!(only(EventQuery { since: Some(NOW.plus(60_000)), ..all() }).await, ["e2", "e1"]);
    assert_eq!(only(EventQuery { until: Some(NOW.plus(60_000)), ..all() }).await, ["e0"]);
    assert_eq!(only(EventQuery { status: Some("5xx".into()), ..all() }).await, ["e1"]);
    assert_eq!(only(EventQuery { status: Some("503".into()), ..search("fix") }).await, ["e1"]);
    assert_eq!(only(EventQuery { status: Some("none".into()), ..all() }).await, ["e2"]);
    assert_eq!(only(EventQuery { status: Some("2xx".into()), ..all() }).await.len(), 0);
    assert_eq!(only(EventQuery { rule: Some(3), ..all() }).await, ["e1"]);
    assert_eq!(only(EventQuery { rule: Some(3), ..search("fix") }).await, ["e1"]);
    assert_eq!(only(EventQuery { rule: Some(4), ..all() }).await.len(), 0);
}

#[tokio::test]
async fn a_page_that_takes_too_long_says_how_far_it_came_and_goes_on_there() {
    let dir = tempfile::tempdir().unwrap();
    let (history, profile) = history(&dir).await;
    for n in 0..5 {
        let mut event = event(&profile, &format!("e{n}"));
        event.stored_at = NOW.plus(n);
        history.accept(event).await.unwrap();
    }
    let rare = EventQuery { payload: Some("exists(nothing)".into()), ..EventQuery::default() };
    let (mut before, mut looks) = (None::<String>, Vec::new());
    loop {
        let page = page(&history, &profile, rare.clone(), before.as_deref(), 100, Duration::ZERO).await;
        assert!(page.rows.is_empty());
        looks.push(page.searched_to);
        match page.next {
            Some(next) => before = Some(next),
            None => break,
        }
    }
    let wanted: Vec<_> = (0..5).rev().map(|n| Some(NOW.plus(n))).chain([None]).collect();
    assert_eq!(looks, wanted);
}

#[tokio::test]
async fn profiles_do_not_see_one_another() {
    let dir = tempfile::tempdir().unwrap();
    let (history, one) = history(&dir).await;
    let two = history.enter_profile(profile("ws_b")).await.unwrap();
    assert_eq!(history.accept(event(&one, "same")).await.unwrap(), Accepted::Stored);
    assert_eq!(history.accept(event(&two, "same")).await.unwrap(), Accepted::Stored);
    assert_eq!(history.accept(event(&two, "same")).await.unwrap(), Accepted::Known);
    history.indexed().await;
    assert_eq!(ids(&history, &one, EventQuery::default()).await, ["same"]);
    assert_eq!(ids(&history, &two, search("eng")).await, ["same"]);
    assert_eq!(history.since(two.id, 0).await.unwrap().rows.len(), 0, "a new profile resets");
    let committed = history.committed().borrow().clone();
    assert_eq!((committed.events[&one.id], committed.events[&two.id]), (1, 1));
}

#[tokio::test]
async fn the_cursor_moves_with_every_change_and_over_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let (history, profile) = history(&dir).await;
    history.accept(event(&profile, "a")).await.unwrap();
    let at = history.since(profile.id, history.committed().borrow().seq.unsigned_abs()).await.unwrap();
    assert!(at.rows.is_empty());
    let payload = history.payload_of(profile.id, "a".into()).await.unwrap().unwrap();
    let run = history.begin_run(began(payload.id, false)).await.unwrap();
    let begun = history.since(profile.id, at.cursor).await.unwrap();
    assert_eq!((begun.rows.len(), begun.rows[0].outcome.kind), (1, OutcomeKind::Running));
    history.finish_run(payload.id, run, RunEnd::failed(5, "refused", "why"), settled(None)).await.unwrap();
    let ended = history.since(profile.id, begun.cursor).await.unwrap();
    assert_eq!(ended.rows[0].outcome.label, "refused");
    assert!(ended.cursor > begun.cursor && ended.rows[0].seq == ended.cursor);
    drop(history);

    let history = History::open(dir.path(), NOW).unwrap();
    let again = history.since(profile.id, begun.cursor).await.unwrap();
    assert_eq!((again.cursor, again.reset), (ended.cursor, false));
    history.accept(event(&profile, "b")).await.unwrap();
    assert!(history.committed().borrow().seq.unsigned_abs() > ended.cursor);
}

#[tokio::test]
async fn changes_come_in_parts_without_loss() {
    let dir = tempfile::tempdir().unwrap();
    let (history, profile) = history(&dir).await;
    let start = history.committed().borrow().seq.unsigned_abs();
    let accepted = (0..450).map(|n| history.accept(event(&profile, &format!("e{n}"))));
    futures_util::future::join_all(accepted).await;
    let (mut cursor, mut seen) = (start, Vec::new());
    loop {
        let changes = history.since(profile.id, cursor).await.unwrap();
        assert!(changes.rows.len() <= 200);
        seen.extend(changes.rows.iter().map(|row| row.seq));
        cursor = changes.cursor;
        if !changes.more {
            break;
        }
    }
    assert_eq!(seen.len(), 450);
    assert!(seen.is_sorted());
}

#[tokio::test]
async fn one_bad_write_fails_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (history, profile) = history(&dir).await;
    let mut foreign = event(&profile, "x");
    foreign.profile = 99;
    let good: Vec<_> = (0..20).map(|n| event(&profile, &format!("e{n}"))).collect();
    let (bad, good) = tokio::join!(
        history.accept(foreign),
        futures_util::future::join_all(good.into_iter().map(|event| history.accept(event)))
    );
    assert!(bad.is_err(), "its profile does not exist");
    assert!(good.into_iter().all(|answer| answer.unwrap() == Accepted::Stored));
    assert_eq!(history.committed().borrow().events[&profile.id], 20);
}

#[tokio::test]
async fn the_search_index_is_built_anew_when_missing_damaged_or_foreign() {
    let dir = tempfile::tempdir().unwrap();
    let (history, profile) = history(&dir).await;
    history.accept(event(&profile, "a")).await.unwrap();
    history.indexed().await;
    assert_eq!(ids(&history, &profile, search("eng-42")).await, ["a"]);
    drop(history);

    let index = dir.path().join("search.db");
    let reopened = async |what: &str| {
        let history = History::open(dir.path(), NOW).unwrap();
        history.indexed().await;
        assert_eq!(ids(&history, &profile, search("eng-42")).await, ["a"], "{what}");
    };
    let _ = std::fs::remove_file(dir.path().join("search.db-wal"));
    std::fs::remove_file(&index).unwrap();
    reopened("missing").await;
    let _ = std::fs::remove_file(dir.path().join("search.db-wal"));
    std::fs::write(&index, b"this is no database, and long enough to be read as one: ".repeat(200)).unwrap();
    reopened("damaged").await;
    rusqlite::Connection::open(&index).unwrap().execute("UPDATE progress SET history = 'other'", []).unwrap();
    reopened("foreign").await;
}

#[tokio::test]
async fn a_run_cut_off_by_a_crash_is_noted_and_its_event_still_waits() {
    let dir = tempfile::tempdir().unwrap();
    let (history, profile) = history(&dir).await;
    let mut waiting = event(&profile, "a");
    waiting.pending = true;
    history.accept(waiting).await.unwrap();
    history.accept(event(&profile, "b")).await.unwrap();
    for id in ["a", "b"] {
        let payload = history.payload_of(profile.id, id.into()).await.unwrap().unwrap();
        history.begin_run(began(payload.id, id == "b")).await.unwrap();
    }
    drop(history);

    let history = History::open(dir.path(), NOW.plus(1_000)).unwrap();
    let (a, b) = (
        history.detail(profile.id, "a".into()).await.unwrap().unwrap(),
        history.detail(profile.id, "b".into()).await.unwrap().unwrap(),
    );
    for detail in [&a, &b] {
        assert_eq!(
            (detail.runs[0].outcome.label.as_str(), detail.runs[0].micros),
            ("interrupted", Some(1_000_000))
        );
    }
    assert_eq!(a.summary.outcome.kind, OutcomeKind::Running, "it will be forwarded again");
    assert_eq!(b.summary.outcome.label, "interrupted", "a replay is not repeated");
    assert_eq!(history.pending(profile.id, 0, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn refused_requests_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let (history, profile) = history(&dir).await;
    let rejection = |n: i64, ip: String| Rejection {
        profile: Some(profile.id),
        at: NOW.plus(n),
        status: 401,
        code: "signature.mismatch",
        reason: "why".into(),
        failure: None,
        guess: (n == 2_000).then(|| "it is another's".to_owned()),
        peer_ip: ip.clone(),
        peer: format!("{ip}:1"),
        request: "POST /hook".into(),
        size: 3,
        count: 1,
    };
    let many = (0..1_500).map(|n| rejection(n, format!("10.0.{}.{}", n / 250, n % 250))).collect();
    assert_eq!(history.record_rejections(many).await.unwrap(), 1_000);
    let again = (0..5).map(|n| rejection(2_000 + n, "10.0.5.249".into())).collect();
    assert_eq!(history.record_rejections(again).await.unwrap(), 1_000);
    let page = history.rejected(Some(profile.id), None, 2).await.unwrap();
    assert_eq!((page.rows[0].count, page.rows[0].peer.as_str()), (6, "10.0.5.249:1"));
    assert_eq!(page.rows[0].guess.as_deref(), Some("it is another's"), "those after it were not guessed at");
    let later = rejection(600_000 + 3_000, "10.0.5.249".into());
    history.record_rejections(vec![later]).await.unwrap();
    let page = history.rejected(Some(profile.id), None, 2).await.unwrap();
    assert_eq!((page.rows[0].count, page.rows[1].count), (1, 6), "ten minutes later it is another");
    let rest = history.rejected(Some(profile.id), Some(page.rows[1].id), 500).await.unwrap();
    assert!(rest.rows.iter().all(|row| row.id < page.rows[1].id));
}

/// An event with a body of 20 kB, stored so many milliseconds later.
fn large(profile: &Profile, n: i64) -> NewEvent {
    NewEvent { stored_at: NOW.plus(n), body: vec![b'x'; 20_000].into(), ..event(profile, &format!("e{n}")) }
}

#[tokio::test]
async fn old_events_are_forgotten_piece_by_piece_and_their_room_is_given_back() {
    let dir = tempfile::tempdir().unwrap();
    let (history, profile) = history(&dir).await;
    for n in 0..450 {
        let mut event = large(&profile, n);
        event.pending = n == 3;
        history.accept(event).await.unwrap();
    }
    let cutoff = NOW.plus(440);
    let mut pieces = 0;
    while history.forget_before(cutoff).await.unwrap() {
        pieces += 1;
    }
    assert!(pieces > 2, "{pieces}");
    let left = ids(&history, &profile, EventQuery::default()).await;
    assert_eq!(left.len(), 11);
    assert_eq!((left[0].as_str(), left[10].as_str()), ("e449", "e3"), "what waits stays");
    assert_eq!(history.committed().borrow().events[&profile.id], 11);
    assert_eq!(history.accept(large(&profile, 7)).await.unwrap(), Accepted::Known, "its id is remembered");
    assert!(history.detail(profile.id, "e7".into()).await.unwrap().is_none());
    while history.give_back(8).await.unwrap() {}
    drop(history);
    let file = rusqlite::Connection::open(dir.path().join("history.db")).unwrap();
    let pages: i64 = file.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    assert!(pages < 200, "{pages} pages are left of some 2500");
}

#[tokio::test]
async fn a_history_that_grows_too_large_forgets_its_oldest() {
    let dir = tempfile::tempdir().unwrap();
    let (history, profile) = history(&dir).await;
    for n in 0..100 {
        history.accept(large(&profile, n)).await.unwrap();
    }
    assert!(!history.forget_beyond(50 << 20).await.unwrap(), "it fits");
    while history.forget_beyond(1 << 20).await.unwrap() {}
    let left = ids(&history, &profile, EventQuery::default()).await;
    assert!(left.len() < 60, "{}", left.len());
}

#[tokio::test]
async fn a_file_that_cannot_give_room_back_is_built_anew_when_it_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("history.db");
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch("PRAGMA auto_vacuum = NONE; CREATE TABLE early (n); INSERT INTO early VALUES (7)")
        .unwrap();
    drop(old);
    let (history, _) = history(&dir).await;
    drop(history);
    let file = rusqlite::Connection::open(&path).unwrap();
    let mode: i64 = file.query_row("PRAGMA auto_vacuum", [], |row| row.get(0)).unwrap();
    let kept: i64 = file.query_row("SELECT n FROM early", [], |row| row.get(0)).unwrap();
    assert_eq!((mode, kept), (2, 7));
}

#[tokio::test]
async fn ids_are_remembered_for_their_time() {
    let dir = tempfile::tempdir().unwrap();
    let (history, profile) = history(&dir).await;
    for n in 0..501 {
        history.accept(event(&profile, &format!("e{n}"))).await.unwrap();
    }
    assert!(!history.forget_seen(NOW).await.unwrap(), "nothing is old yet");
    assert_eq!(history.accept(event(&profile, "e0")).await.unwrap(), Accepted::Known);
    assert!(!history.forget_seen(NOW.plus(1)).await.unwrap(), "the events are still here");
    while history.forget_before(NOW.plus(1)).await.unwrap() {}
    assert!(history.forget_seen(NOW.plus(1)).await.unwrap());
    assert!(!history.forget_seen(NOW.plus(1)).await.unwrap());
    assert_eq!(history.accept(event(&profile, "e0")).await.unwrap(), Accepted::Stored);
}
