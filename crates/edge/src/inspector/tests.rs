use super::*;
use crate::api::{ExchangeKind, TunnelRequest};
use http::HeaderMap;
use postern_protocol::UnixMillis;
use std::time::Duration;

fn exchange(inspector: &Inspector, path: &str, body: &[u8]) -> Stored {
    let mut capture = Capture::new(Arc::clone(&inspector.budget));
    let headers: HeaderMap = [("X-Mark".parse().unwrap(), "Needle".parse().unwrap())].into_iter().collect();
    capture.asked(&headers);
    capture.piece(Side::Visitor, body, 0);
    capture.answered(ExchangeKind::Http, &HeaderMap::new());
    let summary = TunnelRequest {
        id: inspector.next(),
        tunnel: "app".parse().unwrap(),
        at: UnixMillis(0),
        method: "POST".into(),
        path: path.into(),
        replay_of: None,
        kind: ExchangeKind::Http,
        status: Some(200),
        open: false,
        connect_micros: None,
        first_byte_micros: Some(1),
        micros: 2,
        request_bytes: body.len() as u64,
        response_bytes: 0,
        error: None,
    };
    Stored { profile: 1, summary, capture }
}

async fn paths(inspector: &Inspector, look: Look) -> Vec<String> {
    let look = Look { profile: 1, limit: 500, ..look };
    let found = inspector.ask(move |store| store.look(&look)).await.unwrap();
    found.rows.into_iter().map(|row| row.path).collect()
}

#[tokio::test]
async fn what_is_kept_is_found_by_what_it_holds() {
    let dir = tempfile::tempdir().unwrap();
    let inspector = Inspector::open(dir.path());
    inspector.keep(exchange(&inspector, "/one?q=1", b"{\"name\":\"Ada\"}"));
    inspector.keep(exchange(&inspector, "/two", b"\xff\x00Grace"));
    let text = |text: &str| Look { text: Some(text.into()), ..Look::default() };
    assert_eq!(paths(&inspector, Look::default()).await, ["/two", "/one?q=1"]);
    assert_eq!(paths(&inspector, text("ada")).await, ["/one?q=1"]);
    assert_eq!(paths(&inspector, text("needle")).await.len(), 2);
    assert_eq!(paths(&inspector, text("post /two")).await, ["/two"]);
    assert_eq!(paths(&inspector, text("50% off")).await, [""; 0]);
    let of = |look: Look| paths(&inspector, look);
    assert_eq!(of(Look { status: Some((400, 499)), ..Look::default() }).await, [""; 0]);
    let header = |name: &str, value: &str| Look {
        header: Some((name.to_owned(), value.to_owned())),
        ..Look::default()
    };
    assert_eq!(of(header("X-Mark", "")).await.len(), 2);
    assert_eq!(of(header("x-mark", "NEED")).await.len(), 2);
    assert_eq!(of(header("x-mark", "q=1")).await, [""; 0]);
    assert_eq!(of(header("x-other", "")).await, [""; 0]);
    assert_eq!(of(Look { path: Some("/ONE".into()), ..Look::default() }).await, ["/one?q=1"]);
    assert_eq!(of(Look { least_bytes: Some(10), ..Look::default() }).await, ["/one?q=1"]);
    assert_eq!(of(Look { tunnel: Some("web".into()), ..Look::default() }).await, [""; 0]);
    let page = Look { profile: 1, limit: 1, ..Look::default() };
    let first = inspector.ask(move |store| store.look(&page)).await.unwrap();
    assert_eq!(of(Look { before: first.next, ..Look::default() }).await, ["/one?q=1"]);

    // Numbers go on where they stood, also in another process.
    let again = Inspector::open(dir.path());
    assert_eq!(again.next(), 3);
    again.forget(1, Some("app".into())).await.unwrap();
    assert_eq!(paths(&again, Look::default()).await, [""; 0]);
}

#[tokio::test]
async fn what_cannot_be_written_in_time_is_dropped_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let inspector = Inspector::open(dir.path());
    let other = rusqlite::Connection::open(dir.path().join("inspector.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    for _ in 0..10_000 {
        inspector.keep(exchange(&inspector, "/", b""));
    }
    // So many wait, and as many again while those before them are written.
    assert!(inspector.dropped() >= 10_000 - 2 * queue::MOST as u64, "{}", inspector.dropped());
    other.execute_batch("ROLLBACK").unwrap();
    let kept = paths(&inspector, Look::default()).await.len();
    assert!(kept > 0);
}

#[tokio::test]
async fn of_one_that_began_and_ended_meanwhile_the_end_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let inspector = Inspector::open(dir.path());
    let began = exchange(&inspector, "/began", b"");
    let id = began.summary.id;
    inspector.keep(began);
    inspector.keep(exchange(&inspector, "/other", b""));
    let mut ended = exchange(&inspector, "/ended", b"");
    ended.summary.id = id;
    inspector.keep(ended);
    // What waits is written before the end.
    drop(inspector);
    let again = Inspector::open(dir.path());
    assert_eq!(paths(&again, Look::default()).await, ["/other", "/ended"]);
}

#[tokio::test]
async fn only_the_newest_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let inspector = Inspector::open(dir.path());
    for n in 0..5_200 {
        inspector.keep(exchange(&inspector, &format!("/{n}"), b""));
        if n % 256 == 0 {
            // Nothing is to be dropped here.
            inspector.ask(|_| Ok(())).await.unwrap();
        }
    }
    assert_eq!(inspector.dropped(), 0);
    assert_eq!(paths(&inspector, Look { limit: 1, ..Look::default() }).await[0], "/5199");
    let path = |path: &str| Look { path: Some(path.into()), ..Look::default() };
    assert_eq!(paths(&inspector, path("/17")).await.iter().filter(|path| *path == "/17").count(), 0);
}

#[test]
fn bodies_are_cut_at_their_bound_and_at_the_one_of_all() {
    let budget = Arc::<Budget>::default();
    let piece = vec![7; 768 << 10];
    let mut capture = Capture::new(Arc::clone(&budget));
    capture.piece(Side::Visitor, &piece, 0);
    assert!(!capture.request.truncated);
    capture.piece(Side::Visitor, &piece, 0);
    assert_eq!((capture.request.body.len(), capture.request.truncated), (1 << 20, true));
    let mut all: Vec<_> = (0..200).map(|_| Capture::new(Arc::clone(&budget))).collect();
    all.iter_mut().for_each(|capture| capture.piece(Side::Local, &piece, 0));
    assert!(all[199].response.truncated && all[199].response.body.is_empty());
    drop(all);
    drop(capture);
    let mut fresh = Capture::new(budget);
    fresh.piece(Side::Local, &piece, 0);
    assert!(!fresh.response.truncated);
}

#[test]
fn a_damaged_file_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("inspector.db"), [1; 8192]).unwrap();
    assert!(Inspector::open(dir.path()).file.is_some());
}

#[test]
fn of_a_flood_the_first_are_kept_and_some_a_second() {
    let began = Instant::now();
    let mut pace = Pace { left: BURST, at: began };
    let mut kept = |at: Instant| (0..2 * BURST).filter(|_| pace.take(at)).count();
    assert_eq!(kept(began), BURST as usize);
    assert_eq!(kept(began + Duration::from_secs(1)), A_SECOND as usize);
    assert_eq!(kept(began + Duration::from_secs(3)), 2 * A_SECOND as usize);
    assert_eq!(kept(began + Duration::from_secs(3600)), BURST as usize);
}
