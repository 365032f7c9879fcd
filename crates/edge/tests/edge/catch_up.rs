//! Coming back: after a sleep, to another network, to what was held meanwhile.

use crate::proxy::FakeProxy;
use crate::support::{TestClock, TestEdge, config};
use postern_edge::api::{self, Connection, EventKey, HeldQuery, Settings};
use postern_protocol::UnixMillis;
use postern_protocol::api::{CatchUp, CatchUpChoice, CatchUpRequest, CaughtUp, Held};
use std::sync::Arc;
use std::time::Duration;

fn held() -> Held {
    Held { count: 38, oldest: UnixMillis(1), newest: UnixMillis(2), entities: 12, newest_per_entity: 12 }
}

fn shows_held(connection: &Connection) -> bool {
    matches!(connection, Connection::Live { waiting, .. } if waiting.held.is_some())
}

#[tokio::test]
async fn a_jump_of_the_clock_renews_the_lease_at_once() {
    let proxy = FakeProxy::new().await;
    let (dir, clock) = (Arc::new(tempfile::tempdir().unwrap()), TestClock::new());
    let mut config = config(dir.path(), &clock);
    config.timing.awake = Duration::from_millis(5);
    let edge = TestEdge::run(config, clock, dir).await;
    edge.sign_in(&proxy).await;
    let before = proxy.book().leases;
    // The next renewal by the timer would be in twenty seconds.
    edge.clock.turn(3_600_000);
    proxy.until("a renewal", |book| book.leases > before).await;
}

#[tokio::test]
async fn waking_up_ends_the_wait_for_a_proxy_that_was_out_of_reach() {
    let proxy = FakeProxy::new().await;
    let (dir, clock) = (Arc::new(tempfile::tempdir().unwrap()), TestClock::new());
    let mut config = config(dir.path(), &clock);
    config.timing.awake = Duration::from_millis(5);
    // Without the wake-up it would be minutes.
    config.timing.backoff = (Duration::from_secs(300), Duration::from_secs(600));
    let edge = TestEdge::run(config, clock, dir).await;
    edge.sign_in(&proxy).await;
    proxy.crash().await;
    edge.clock.turn(3_600_000);
    edge.until("reconnecting", |s| matches!(s.connection, Connection::Reconnecting { .. })).await;
    proxy.come_back().await;
    edge.clock.turn(3_600_000);
    edge.until("live", |s| matches!(s.connection, Connection::Live { .. })).await;
}

#[tokio::test]
async fn the_proxy_is_told_what_becomes_of_held_events() {
    let proxy = FakeProxy::new().await;
    let (dir, clock) = (Arc::new(tempfile::tempdir().unwrap()), TestClock::new());
    let mut config = config(dir.path(), &clock);
    config.catch_up = CatchUp::Ask;
    let edge = TestEdge::run(config, clock, dir).await;
    edge.sign_in(&proxy).await;
    assert_eq!(proxy.book().catch_up, Some(CatchUp::Ask), "the shell's default");
    let settings = Settings { catch_up: Some(CatchUp::NewestPerEntity), ..Settings::default() };
    api::set_settings(&edge.handle, settings).await.unwrap();
    proxy.until("the new setting", |book| book.catch_up == Some(CatchUp::NewestPerEntity)).await;
    assert_eq!(proxy.book().registrations, 1, "a renewal says it");
}

#[tokio::test]
async fn what_is_held_is_shown_until_it_is_chosen() {
    let proxy = FakeProxy::new().await;
    proxy.book().held = Some(held());
    let edge = TestEdge::live(&proxy).await;
    let status = edge.until("what is held", |status| shows_held(&status.connection)).await;
    let Connection::Live { waiting, .. } = status.connection else { panic!("not live") };
    assert_eq!(waiting.held, Some(held()));
    let request = CatchUpRequest { choice: CatchUpChoice::NewestPerEntity };
    let caught_up = api::catch_up(&edge.handle, request).await.unwrap();
    assert_eq!(caught_up, CaughtUp { delivering: 38, skipped: 0, held: 0 });
    assert_eq!(proxy.book().chosen, [CatchUpChoice::NewestPerEntity]);
    edge.until("nothing held", |status| !shows_held(&status.connection)).await;
}

#[tokio::test]
async fn what_is_held_is_listed_to_choose_among() {
    let proxy = FakeProxy::new().await;
    proxy.book().held = Some(Held { count: 3, ..held() });
    let edge = TestEdge::live(&proxy).await;
    let page = async |cursor: Option<String>| {
        api::held_events(&edge.handle, HeldQuery { cursor, limit: Some(2) }).await.unwrap()
    };
    let first = page(None).await;
    let subjects: Vec<_> = first.events.iter().map(|event| event.subject.as_str()).collect();
    assert_eq!(subjects, ["ENG-0", "ENG-1"]);
    let last = page(first.next.clone()).await;
    assert_eq!((last.events.len(), last.next), (1, None));
    let events = vec![first.events[1].id.parse().unwrap()];
    let choice = CatchUpChoice::Events(events);
    api::catch_up(&edge.handle, CatchUpRequest { choice: choice.clone() }).await.unwrap();
    assert_eq!(proxy.book().chosen, [choice]);
    proxy.crash().await;
    let refused = api::held_events(&edge.handle, HeldQuery::default()).await.unwrap_err();
    assert_eq!(refused.code, "proxy.unreachable");
}

#[tokio::test]
async fn redelivery_is_asked_of_the_proxy_for_the_event_itself() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let event = "evt_01JD3Q0000000000000000000A";
    let refused = api::redeliver(&edge.handle, EventKey { id: format!("{event}.r2") }).await.unwrap_err();
    assert_eq!(refused.code, "request.unsupported");
    assert_eq!(proxy.book().redelivered, [event]);
    let unknown = api::redeliver(&edge.handle, EventKey { id: "evt_x".into() }).await.unwrap_err();
    assert_eq!(unknown.code, "not_found");
}
