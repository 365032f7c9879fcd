//! Deliveries: each is stored once, or refused for a reason.

use crate::proxy::FakeProxy;
use crate::support::{Delivery, TestEdge, client, config, soon};
use postern_edge::Timing;
use postern_edge::api::{self, Body, EventKey, EventQuery, Rejected, RejectedQuery};
use postern_protocol::Secret;
use postern_protocol::signature::Failure;
use serde_json::Value;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn code(response: reqwest::Response) -> (u16, String) {
    let status = response.status().as_u16();
    let body: Value = response.json().await.unwrap();
    (status, body["error"]["code"].as_str().unwrap().to_owned())
}

async fn rejected(edge: &TestEdge, n: u64) -> Vec<Rejected> {
    edge.until("the refusal's record", |status| status.rejected >= n).await;
    api::rejected(&edge.handle, RejectedQuery::default()).await.unwrap().rows
}

#[tokio::test]
async fn a_delivery_is_stored_as_it_came() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    edge.clock.turn(250);
    let mut delivery = Delivery::new("evt_1", &edge, &proxy).header("x-twice", "a").header("x-twice", "b");
    delivery.at = delivery.at.plus(-2_000);
    let body = delivery.body.clone();
    assert_eq!(delivery.post(&edge.hook().await).await.status(), 200);

    let event = api::event(&edge.handle, EventKey { id: "evt_1".into() }).await.unwrap();
    assert_eq!(event.body, Body::Utf8 { text: String::from_utf8(body).unwrap() });
    let twice: Vec<_> = event.headers.iter().filter(|(n, _)| *n == "x-twice").map(|(_, v)| v).collect();
    assert_eq!(twice, [b"a", b"b"]);
    let row = &event.summary;
    assert_eq!((row.name.as_str(), row.source.as_str()), ("Issue.update", "linear-main"));
    assert!(row.subject.starts_with("ENG-42"), "{}", row.subject);
    assert_eq!((row.outcome.label.as_str(), row.latency_ms), ("no handler", 0));
    assert!(event.verification.checks[1].reason.starts_with("signed 2."), "{:?}", event.verification);
    assert_eq!(edge.status().await.events, 1);
}

#[tokio::test]
async fn bytes_that_are_no_text_survive() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let delivery = Delivery::new("evt_1", &edge, &proxy).body(vec![0xff, 0x00, 0xfe]).header("x-b", [0xe9]);
    assert_eq!(delivery.post(&edge.hook().await).await.status(), 200);
    let event = api::event(&edge.handle, EventKey { id: "evt_1".into() }).await.unwrap();
    assert_eq!(event.body, Body::Base64 { base64: "/wD+".into() });
    assert!(event.headers.iter().any(|(n, v)| n == "x-b" && v == [0xe9]));
    assert_eq!(event.summary.event_type, "unknown");
}

#[tokio::test]
async fn a_known_id_is_answered_200_and_stored_once() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let hook = edge.hook().await;
    let delivery = Delivery::new("evt_1", &edge, &proxy);
    for _ in 0..3 {
        assert_eq!(delivery.post(&hook).await.status(), 200);
    }
    assert_eq!(Delivery::new("evt_1.r1", &edge, &proxy).post(&hook).await.status(), 200);
    let page = api::events(&edge.handle, EventQuery::default()).await.unwrap();
    let ids: Vec<_> = page.rows.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(ids, ["evt_1.r1", "evt_1"], "a deliberate replay is another event");

    // Also by the next process.
    let edge = edge.restart().await;
    edge.until("live", |s| matches!(s.connection, api::Connection::Live { .. })).await;
    assert_eq!(Delivery::new("evt_1", &edge, &proxy).post(&hook).await.status(), 200);
    assert_eq!(edge.status().await.events, 2);
}

#[tokio::test]
async fn a_flood_with_repetitions_is_stored_exactly_once_each() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let hook = edge.hook().await;
    let client = client();
    let posts = (0..300).map(|n| {
        let delivery = Delivery::new(&format!("evt_{}", n % 100), &edge, &proxy);
        let request = delivery.request(&hook).build().unwrap();
        client.execute(request)
    });
    for answer in soon("all answers", futures_util::future::join_all(posts)).await {
        assert_eq!(answer.unwrap().status(), 200);
    }
    let page =
        api::events(&edge.handle, EventQuery { limit: Some(500), ..EventQuery::default() }).await.unwrap();
    let mut ids: Vec<_> = page.rows.iter().map(|row| row.id.clone()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!((ids.len(), page.rows.len(), page.total), (100, 100, Some(100)));
}

#[tokio::test]
async fn what_was_answered_200_is_on_the_disk() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    assert_eq!(Delivery::new("evt_1", &edge, &proxy).post(&edge.hook().await).await.status(), 200);
    // Another process sees it at once, from the files alone.
    let copy = tempfile::tempdir().unwrap();
    for file in ["history.db", "history.db-wal"] {
        std::fs::copy(edge.dir.path().join(file), copy.path().join(file)).unwrap();
    }
    let file = rusqlite::Connection::open(copy.path().join("history.db")).unwrap();
    let n: i64 =
        file.query_row("SELECT count(*) FROM event WHERE webhook_id = 'evt_1'", [], |r| r.get(0)).unwrap();
    assert_eq!(n, 1);
}

#[tokio::test]
async fn each_bad_request_has_its_answer_and_its_record() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let hook = edge.hook().await;
    let good = Delivery::new("evt_1", &edge, &proxy);

    let get = client().get(&hook).send().await.unwrap();
    assert_eq!(get.headers()["allow"], "POST");
    assert_eq!(code(get).await, (405, "method_not_allowed".into()));

    let unsigned = client().post(&hook).body("{}").send().await.unwrap();
    assert_eq!(code(unsigned).await, (400, "signature.missing".into()));

    let malformed = client()
        .post(&hook)
        .header("webhook-id", "x")
        .header("webhook-timestamp", "soon")
        .header("webhook-signature", "v1,AAAA");
    assert_eq!(code(malformed.send().await.unwrap()).await, (400, "signature.malformed".into()));

    let forged = Delivery { secret: Secret::new("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), ..good.clone() };
    assert_eq!(code(forged.post(&hook).await).await, (401, "signature.mismatch".into()));

    let altered = good.request(&hook).body("{}").send().await.unwrap();
    assert_eq!(code(altered).await, (401, "signature.mismatch".into()));

    let stale = Delivery { at: good.at.plus(-301_000), ..good.clone() };
    assert_eq!(code(stale.post(&hook).await).await, (401, "signature.stale".into()));
    let early = Delivery { at: good.at.plus(301_000), ..good.clone() };
    assert_eq!(code(early.post(&hook).await).await, (401, "signature.future".into()));

    let elsewhere = format!("{}/hook/0000", edge.handle.receiver_url());
    assert_eq!(code(good.post(&elsewhere).await).await, (404, "not_found".into()));

    let long = Delivery { id: "x".repeat(300), ..good.clone() };
    assert_eq!(code(long.post(&hook).await).await, (400, "request.malformed".into()));

    assert_eq!(edge.status().await.events, 0);
    let rows = rejected(&edge, 8).await;
    let stale = rows.iter().find(|row| row.code == "signature.stale").unwrap();
    assert_eq!(stale.failure, Some(Failure::Stale { by_ms: 301_000, tolerance_ms: 300_000 }));
    assert!(stale.peer.starts_with("127.0.0.1:"));
    assert_eq!(stale.request, "POST /hook", "without the secret path");
    let mismatches = rows.iter().find(|row| row.code == "signature.mismatch").unwrap();
    assert_eq!(mismatches.count, 2, "alike ones are one row");
    // The limits of freshness themselves are fresh.
    let just = Delivery { id: "evt_2".into(), at: good.at.plus(-300_000), ..good };
    assert_eq!(just.post(&hook).await.status(), 200);
}

#[tokio::test]
async fn a_ping_is_answered_and_leaves_nothing() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let hook = edge.hook().await;
    let body = postern_protocol::api::Ping::BODY;
    let ping = Delivery { id: "ping_1".into(), body: body.into(), ..Delivery::new("evt_1", &edge, &proxy) };
    let post = async |delivery: &Delivery| delivery.clone().header("postern-kind", "ping").post(&hook).await;
    assert_eq!(post(&ping).await.status(), 204);
    assert_eq!(edge.status().await.events, 0);
    let forged = Delivery { secret: Secret::new("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), ..ping };
    assert_eq!(code(post(&forged).await).await, (401, "signature.mismatch".into()));
    // The header alone makes no ping of an event: nobody signed it.
    assert_eq!(post(&Delivery::new("evt_2", &edge, &proxy)).await.status(), 200);
    assert_eq!(edge.status().await.events, 1);
}

#[tokio::test]
async fn a_flood_of_junk_fills_no_disk() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let hook = edge.hook().await;
    let client = client();
    let posts = (0..500).map(|_| client.post(&hook).body("{}").send());
    for answer in soon("all answers", futures_util::future::join_all(posts)).await {
        assert_eq!(answer.unwrap().status(), 400);
    }
    edge.until("all are noted", |status| status.rejected > 0).await;
    let rows = api::rejected(&edge.handle, RejectedQuery::default()).await.unwrap().rows;
    assert_eq!(rows.len(), 1);
}

async fn with_timing(proxy: &FakeProxy, timing: impl FnOnce(&mut Timing)) -> TestEdge {
    let (clock, dir) = TestEdge::start().await.stop().await;
    let mut config = config(dir.path(), &clock);
    timing(&mut config.timing);
    let edge = TestEdge::run(config, clock, dir).await;
    edge.sign_in(proxy).await;
    edge
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_413_announced_or_not() {
    let proxy = FakeProxy::new().await;
    let edge = with_timing(&proxy, |timing| timing.body_limit = 1000).await;
    let hook = edge.hook().await;
    let large = Delivery::new("evt_1", &edge, &proxy).body(vec![b'x'; 1001]);
    assert_eq!(code(large.post(&hook).await).await, (413, "body.too_large".into()));
    let pieces = futures_util::stream::iter((0..11).map(|_| Ok::<_, std::io::Error>(vec![b'x'; 91])));
    let streamed = large.request(&hook).body(reqwest::Body::wrap_stream(pieces)).send().await.unwrap();
    assert_eq!(code(streamed).await, (413, "body.too_large".into()));
    let fits = Delivery::new("evt_2", &edge, &proxy).body(vec![b'x'; 1000]);
    assert_eq!(fits.post(&hook).await.status(), 200);
}

#[tokio::test]
async fn a_body_in_many_pieces_is_one_body() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let delivery = Delivery::new("evt_1", &edge, &proxy).body(vec![b'7'; 300_000]);
    let pieces: Vec<_> = delivery.body.chunks(997).map(|c| Ok::<_, std::io::Error>(c.to_vec())).collect();
    let body = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
    let answer = delivery.request(&edge.hook().await).body(body).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let event = api::event(&edge.handle, EventKey { id: "evt_1".into() }).await.unwrap();
    assert_eq!(event.summary.size, 300_000);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_given_up_on() {
    let proxy = FakeProxy::new().await;
    let edge = with_timing(&proxy, |timing| timing.body_timeout = Duration::from_millis(50)).await;
    let hook = edge.hook().await;
    let url = hook.parse::<http::Uri>().unwrap();
    let mut stream = tokio::net::TcpStream::connect(url.authority().unwrap().as_str()).await.unwrap();
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: x\r\nwebhook-id: a\r\nwebhook-timestamp: 1\r\nwebhook-signature: v1,a\r\ncontent-length: 5\r\n\r\n{{",
        url.path()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    soon("an answer", stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
}

#[tokio::test]
async fn while_the_store_takes_nothing_it_is_503_and_later_it_is_stored() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let hook = edge.hook().await;
    let delivery = Delivery::new("evt_1", &edge, &proxy);
    // Stands for a full disk: every insertion fails.
    let file = rusqlite::Connection::open(edge.dir.path().join("history.db")).unwrap();
    file.execute_batch(
        "CREATE TRIGGER full BEFORE INSERT ON payload BEGIN SELECT raise(ABORT, 'disk full'); END",
    )
    .unwrap();
    let refused = delivery.post(&hook).await;
    assert_eq!(refused.headers()["retry-after"], "5");
    assert_eq!(code(refused).await, (503, "store.unavailable".into()));
    file.execute_batch("DROP TRIGGER full").unwrap();
    assert_eq!(delivery.post(&hook).await.status(), 200, "the refused attempt has left no trace");
    assert_eq!(edge.status().await.events, 1);
}

#[tokio::test]
async fn without_its_secrets_it_asks_for_patience() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let hook = edge.hook().await;
    let delivery = Delivery::new("evt_1", &edge, &proxy);
    let (clock, dir) = edge.stop().await;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let path = dir.path().join("secrets.json");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let edge = TestEdge::run(config(dir.path(), &clock), clock, dir).await;
        edge.until("what is wrong", |status| {
            matches!(&status.connection, api::Connection::Reconnecting { problem, .. } if problem.contains("chmod 600"))
        })
        .await;
        let refused = delivery.post(&hook).await;
        assert!(refused.headers().contains_key("retry-after"));
        assert_eq!(code(refused).await, (503, "unavailable".into()));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        edge.until("live", |status| matches!(status.connection, api::Connection::Live { .. })).await;
        assert_eq!(delivery.post(&hook).await.status(), 200);
    }
    #[cfg(not(unix))]
    let _ = (hook, delivery, clock, dir);
}

#[tokio::test]
async fn a_providers_request_at_the_wrong_door_is_known_by_its_signature() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let request = client().post(edge.hook().await).header("x-hub-signature-256", "sha256=00").body("{}");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 400);
    assert!(!answer.text().await.unwrap().contains("GitHub"), "the sender is not told");
    let guess = rejected(&edge, 1).await[0].guess.clone().unwrap();
    assert!(guess.starts_with("`x-hub-signature-256` looks like a GitHub signature"), "{guess}");
}
