//! Pruning beside intake.

use super::*;
use bytes::Bytes;

/// While a large history is deleted, webhooks are committed between the
/// batches; and what it took is used again before the file grows.
#[tokio::test(flavor = "multi_thread")]
async fn intake_goes_on_while_much_is_deleted() {
    let world = World::new(Box::new(Sqlite::new())).await;
    let body = Bytes::from(vec![b'x'; 50_000]);
    let fill = async |events: usize| {
        let posts =
            (0..events).map(|_| world.store().accept_event(NewEvent { body: body.clone(), ..world.event() }));
        for accepted in futures_util::future::join_all(posts).await {
            accepted.unwrap();
        }
    };
    for _ in 0..4 {
        fill(500).await;
    }
    let full = world.store().room().await.unwrap();
    let store = Arc::clone(world.store());
    let mut pruning = tokio::spawn(async move { store.prune_settled(0, 2_000).await.unwrap() });
    let mut meanwhile = 0;
    let deleted = loop {
        tokio::select! {
            biased;
            deleted = &mut pruning => break deleted.unwrap(),
            accepted = world.store().accept_event(world.event()) => {
                accepted.unwrap();
                meanwhile += 1;
            }
        }
    };
    assert_eq!(deleted, 2_000);
    // 20 bodies of 50 kB are 1 MB: 100 transactions, with room between.
    assert!(meanwhile >= 10, "only {meanwhile} webhooks came in");
    let emptied = world.store().room().await.unwrap();
    assert!(emptied.unused > full.database / 10 * 9, "{emptied:?}");
    for _ in 0..3 {
        fill(500).await;
    }
    let again = world.store().room().await.unwrap();
    assert!(again.database <= emptied.database, "{again:?}: freed pages are used first");
}

/// The same of events that went to many workers, and by their age.
#[tokio::test(flavor = "multi_thread")]
async fn intake_goes_on_while_what_many_got_is_deleted() {
    let world = World::new(Box::new(Sqlite::new())).await;
    for _ in 0..100 {
        world.active_worker(&[]).await;
    }
    let posts = (0..100).map(|_| world.store().accept_event(world.event()));
    for accepted in futures_util::future::join_all(posts).await {
        accepted.unwrap();
    }
    let keep = Duration::from_secs(3_600);
    let now = T0.plus(2 * 3_600_000);
    // First they expire, then they go.
    for now in [now, now.plus(2 * 3_600_000)] {
        let store = Arc::clone(world.store());
        let mut pruning = tokio::spawn(async move { store.prune(now, keep, 100).await.unwrap() });
        let mut meanwhile = 0;
        let pruned = loop {
            let (workspace, received_at) = (entropy::workspace_id(T0), T0.plus(100 * 3_600_000));
            let event = NewEvent { workspace, received_at, ..world.event() };
            tokio::select! {
                biased;
                pruned = &mut pruning => break pruned.unwrap(),
                accepted = world.store().accept_event(event) => {
                    accepted.unwrap();
                    meanwhile += 1;
                }
            }
        };
        assert_eq!(pruned, 100);
        // 10,000 deliveries: ten transactions, with room between.
        assert!(meanwhile >= 4, "only {meanwhile} webhooks came in");
    }
}
