//! The harness itself: what a test relies on without looking.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use http::StatusCode;
use postern_protocol::signature::{github, linear};
use postern_testkit::invariants::Books;
use postern_testkit::{Answer, FlakyLink, Receiver, Sender, client};

const SECRET: &str = "lin_whs_test";

#[tokio::test]
async fn a_sender_tries_again_until_it_is_answered_200_and_counts_that() {
    let receiver = Receiver::start().await;
    for status in [StatusCode::SERVICE_UNAVAILABLE, StatusCode::CREATED] {
        receiver.answer_next(Answer::status(status));
    }
    let load = Sender::linear(receiver.url("/hooks/x"), SECRET.into()).load(1);
    load.reaches(1).await;
    let accepted = load.stop().await;
    let requests = receiver.requests();
    assert_eq!(requests.len(), accepted.len() + 2, "two tries were not answered 200");
    for request in &requests {
        assert!(linear::verify(&[SECRET.into()], &request.headers, &request.body, None).is_ok());
    }
    let ids: Vec<_> = requests.iter().filter_map(|r| r.headers.get("linear-delivery")).collect();
    assert_eq!(ids[..3], [accepted[0].as_str(); 3], "a retry keeps its delivery id");
}

#[tokio::test]
async fn github_events_are_signed_as_github_signs() {
    let receiver = Receiver::start().await;
    let delivery = Sender::new_delivery();
    Sender::github(receiver.url("/"), SECRET.into()).deliver(&delivery).await;
    let request = receiver.nth(1).await;
    assert_eq!(request.headers.get("x-github-delivery"), Some(delivery.as_str()));
    assert!(github::verify(&[SECRET.into()], &request.headers, &request.body).is_ok());
}

#[tokio::test]
async fn a_link_is_cut_in_the_middle_of_a_body_and_restored() {
    let receiver = Receiver::start().await;
    let link = FlakyLink::to(receiver.address()).await;
    let post = || client().post(format!("http://{}/", link.address())).body(vec![b'x'; 1 << 20]).send();
    link.cut_after(100_000);
    assert!(post().await.is_err());
    link.is_cut().await;
    assert!(post().await.is_err(), "a cut link takes no new connections");
    assert!(receiver.requests().is_empty(), "half a body is no request");
    link.restore();
    assert_eq!(post().await.unwrap().status(), StatusCode::OK);
    assert_eq!(receiver.nth(1).await.body.len(), 1 << 20);
}

#[tokio::test]
async fn a_receiver_answers_as_told_and_hands_out_requests_in_order() {
    let receiver = Receiver::start().await;
    receiver.answer_always(Answer {
        status: StatusCode::IM_A_TEAPOT,
        headers: vec![("retry-after", "7".into())],
        body: "short and stout".into(),
    });
    for path in ["/a?b=c", "/d"] {
        let answer = client().post(receiver.url(path)).body("x").send().await.unwrap();
        assert_eq!(
            (answer.status(), answer.headers()["retry-after"].as_bytes()),
            (StatusCode::IM_A_TEAPOT, &b"7"[..])
        );
        assert_eq!(answer.text().await.unwrap(), "short and stout");
    }
    assert_eq!(receiver.nth(1).await.target, "/a?b=c");
    let mut targets = Vec::new();
    receiver
        .until("both requests", |request| {
            targets.push(request.target.clone());
            targets.len() == 2
        })
        .await;
    assert_eq!(targets, ["/a?b=c", "/d"]);
}

/// Two databases as the programs leave them, as far as the books look.
fn books(rows: &str) -> (tempfile::TempDir, Books) {
    let folder = tempfile::tempdir().unwrap();
    let history = rusqlite::Connection::open(folder.path().join("history.db")).unwrap();
    let proxy = rusqlite::Connection::open(folder.path().join("postern.db")).unwrap();
    history
        .execute_batch(
            "CREATE TABLE event (pending); CREATE TABLE run (micros); CREATE TABLE payload (headers);
             INSERT INTO payload VALUES ('[[\"linear-delivery\",\"one\"]]'), ('[[\"x-github-delivery\",\"two\"]]');",
        )
        .unwrap();
    proxy.execute_batch("CREATE TABLE deliveries (state); INSERT INTO deliveries VALUES (1);").unwrap();
    let (of_edge, of_proxy) = rows.split_once('|').unwrap();
    history.execute_batch(of_edge).unwrap();
    proxy.execute_batch(of_proxy).unwrap();
    let books = Books::open(folder.path(), folder.path());
    (folder, books)
}

#[test]
fn books_that_balance() {
    let (_folder, books) = books("|");
    books.balance(&["one".into(), "two".into()]);
}

#[test]
fn books_that_do_not_balance_say_why() {
    for (rows, accepted, why) in [
        ("|", "three", "1 accepted events are not in the edge's history, such as three"),
        (
            "INSERT INTO payload VALUES ('[[\"linear-delivery\",\"one\"]]');|",
            "one",
            "more than once, such as one",
        ),
        ("INSERT INTO event VALUES (1);|", "one", "1 events wait to be forwarded"),
        ("INSERT INTO run VALUES (NULL);|", "one", "1 handler runs have not ended"),
        ("|INSERT INTO deliveries VALUES (0);", "one", "1 deliveries are pending"),
        ("|INSERT INTO deliveries VALUES (2);", "one", "1 deliveries are dead letters"),
    ] {
        let (_folder, books) = books(rows);
        let balance = std::panic::AssertUnwindSafe(|| books.balance(&[accepted.to_owned()]));
        let complaint = std::panic::catch_unwind(balance).unwrap_err();
        let complaint = complaint.downcast_ref::<String>().unwrap();
        assert!(complaint.contains(why), "{rows}: {complaint}");
    }
}
