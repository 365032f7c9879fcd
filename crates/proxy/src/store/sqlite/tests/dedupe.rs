//! Keys on their way from memory to the table: few are enough here
//! ([`super::super::dedupe`]).

use super::*;
use std::time::Duration;

const WINDOW: i64 = 1_000;

/// The same key at a later time.
fn again(event: &NewEvent, later: i64) -> NewEvent {
    let received_at = event.received_at.plus(later);
    let dedupe_since = received_at.plus(-WINDOW);
    NewEvent { id: entropy::event_id(received_at), received_at, dedupe_since, ..event.clone() }
}

async fn is_duplicate(world: &World, event: &NewEvent) -> Option<EventId> {
    match world.store().accept_event(event.clone()).await.unwrap() {
        Accepted::Duplicate { of } => Some(of),
        _ => None,
    }
}

async fn accept(world: &World, events: usize) -> Vec<NewEvent> {
    let mut accepted = Vec::new();
    for _ in 0..events {
        accepted.push(world.accept().await);
    }
    accepted
}

fn rows(path: &Path) -> (i64, i64) {
    let count = "SELECT (SELECT count(*) FROM dedupe), (SELECT count(*) FROM events)";
    Connection::open(path).unwrap().query_row(count, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

#[tokio::test]
async fn wherever_a_key_is_its_repetitions_are_told() {
    let sqlite = Sqlite::new();
    let path = sqlite.path();
    let mut world = World::new(Box::new(sqlite)).await;
    let mut events = Vec::new();
    for n in 0..70 {
        events.push(world.accept().await);
        if n % 13 == 0 {
            world.restart();
        }
        for event in &events {
            assert_eq!(is_duplicate(&world, &again(event, 1)).await, Some(event.id), "after {n}");
        }
    }
    let (moved, all) = rows(&path);
    assert!(moved >= 40 && moved < all, "{moved} of {all}: some are in the table, some are not");
}

#[tokio::test]
async fn a_key_that_was_taken_over_stays_so() {
    let mut world = World::new(Box::new(Sqlite::new())).await;
    let first = world.accept().await;
    for between in [1, 6, 30] {
        accept(&world, between).await;
        let late = again(&first, between as i64 * 10 * WINDOW);
        assert_eq!(is_duplicate(&world, &late).await, None);
        for later in [1, 5, 30] {
            accept(&world, later).await;
            assert_eq!(is_duplicate(&world, &again(&late, 1)).await, Some(late.id));
            world.restart();
        }
    }
}

#[tokio::test]
async fn keys_go_with_their_events_and_numbers_are_not_used_again() {
    let sqlite = Sqlite::new();
    let path = sqlite.path();
    let mut world = World::new(Box::new(sqlite)).await;
    for _ in 0..3 {
        let gone = accept(&world, 30).await;
        world.store().prune(T0.plus(100_000), Duration::ZERO, 1_000).await.unwrap();
        world.restart();
        for event in &gone {
            assert_eq!(is_duplicate(&world, &again(event, 1)).await, None);
        }
        world.restart();
        for event in &gone {
            assert!(is_duplicate(&world, &again(event, 1)).await.is_some());
        }
    }
    world.store().prune(T0.plus(100_000), Duration::ZERO, 1_000).await.unwrap();
    accept(&world, 5).await;
    let (moved, all) = rows(&path);
    assert!(moved <= all, "{moved} keys of {all} events");
}
