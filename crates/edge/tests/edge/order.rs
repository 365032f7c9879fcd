//! The order of entities, kept where events are forwarded.

use crate::proxy::FakeProxy;
use crate::support::{Delivery, TestClock, TestEdge, config};
use crate::target::Target;
use postern_edge::api::{self, EventKey, SetForward, Settings};
use postern_protocol::api::Ordering;
use std::sync::Arc;

async fn deliver(edge: &TestEdge, proxy: &FakeProxy, id: &str, entity: &str) {
    let delivery = Delivery::new(id, edge, proxy).header("postern-entity", entity);
    assert_eq!(delivery.post(&edge.hook().await).await.status(), 200);
}

#[tokio::test]
async fn of_an_entity_one_is_forwarded_at_a_time() {
    let proxy = FakeProxy::new().await;
    let (dir, clock) = (Arc::new(tempfile::tempdir().unwrap()), TestClock::new());
    let mut config = config(dir.path(), &clock);
    config.ordering = Some(Ordering::Entity);
    let edge = TestEdge::run(config, clock, dir).await;
    edge.sign_in(&proxy).await;
    proxy.until("the order is told", |book| book.ordering == Some(Ordering::Entity)).await;
    let (mut target, permits) = Target::held().await;
    api::set_forward(&edge.handle, SetForward { url: Some(target.url()) }).await.unwrap();

    for (id, entity) in [("evt_a1", "a"), ("evt_a2", "a"), ("evt_a3", "a"), ("evt_b1", "b")] {
        deliver(&edge, &proxy, id, entity).await;
    }
    let mut first = [target.next().await, target.next().await];
    first.sort_by_key(|seen| seen.header("postern-event-id").map(str::to_owned));
    assert_eq!(
        first.each_ref().map(|seen| seen.header("postern-event-id")),
        [Some("evt_a1"), Some("evt_b1")]
    );
    // The second of the entity came before what has been forwarded already.
    let second = api::event(&edge.handle, EventKey { id: "evt_a2".into() }).await.unwrap();
    assert!(second.runs.is_empty());
    permits.add_permits(2);
    for expected in ["evt_a2", "evt_a3"] {
        assert_eq!(target.next().await.header("postern-event-id"), Some(expected));
        permits.add_permits(1);
    }
}

#[tokio::test]
async fn the_order_is_changed_by_a_setting() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    assert_eq!(proxy.book().ordering, Some(Ordering::None));
    let settings = Settings { ordering: Ordering::Entity, ..Settings::default() };
    api::set_settings(&edge.handle, settings).await.unwrap();
    proxy.until("the order is told", |book| book.ordering == Some(Ordering::Entity)).await;
}
