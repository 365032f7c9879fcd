//! Nothing that a provider was told had arrived is ever lost: the proxy, the
//! edge or both are killed at random, as a power cut would, while senders go
//! on posting. At the end every event answered 200 is in the edge's history
//! exactly once, the forward target got each at least once, and nothing is
//! left waiting or given up on.
//!
//! `POSTERN_ROUNDS` and `POSTERN_SEED` set how many kills there are and which;
//! `make soak` runs it so for hours.

#![expect(clippy::print_stdout, reason = "the seed is told, to run it again")]

use postern_protocol::dedupe::LINEAR_DELIVERY;
use postern_testkit::invariants::Books;
use postern_testkit::{Machine, ProxyHome, Receiver, Sender, leftovers, setting};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeSet;

const ROUNDS: u64 = 20;
/// Senders at a time, each on a connection of its own.
const SENDERS: usize = 24;
/// How many events are accepted between two kills.
const BETWEEN: std::ops::Range<usize> = 10..160;
/// Another seed kills at other moments.
const SEED: u64 = 0x706f_7374_6572_6e00;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_200_is_in_the_history_exactly_once() {
    soak(ProxyHome::new(), setting("POSTERN_ROUNDS", ROUNDS), 0).await;
}

/// What was sent and not committed comes again as another event: at each kill
/// of the proxy, what its senders had under way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_early_dispatch_it_is_there_at_least_once() {
    let home = ProxyHome::new().with("POSTERN_DELIVERY__EARLY_DISPATCH", "true");
    soak(home, setting("POSTERN_ROUNDS", ROUNDS) / 2, SENDERS).await;
}

/// `repeated`: how many events may be in the history more than once for each
/// kill of the proxy.
async fn soak(home: ProxyHome, rounds: u64, repeated: usize) {
    let mut proxy = home.dev().await;
    let target = Receiver::start().await;
    let machine = Machine::new().signed_in(proxy.url(), proxy.token());
    let mut edge = machine.serve().await;
    edge.live().await;
    machine.ask(&["forward", "set", &target.url("/hooks")]).await;

    let load = Sender::linear(proxy.source_url(), proxy.source_secret()).load(SENDERS);
    let seed = setting("POSTERN_SEED", SEED);
    println!("POSTERN_ROUNDS={rounds} POSTERN_SEED={seed}");
    let (mut random, mut kills) = (StdRng::seed_from_u64(seed), 0);
    for _ in 0..rounds {
        load.reaches(load.count() + random.random_range(BETWEEN)).await;
        let victim = random.random_range(0..5);
        if victim < 3 {
            kills += 1;
            proxy.kill_9().await;
            proxy = home.dev().await;
        }
        if victim > 1 {
            edge.kill_9().await;
            edge = machine.serve().await;
        }
    }
    load.reaches(load.count() + BETWEEN.end).await;
    let accepted = load.stop().await;

    println!("{} events were answered 200 around {rounds} kills", accepted.len());

    let mut missing: BTreeSet<_> = accepted.iter().map(String::as_str).collect();
    target
        .until("every accepted event at the forward target", |request| {
            request.headers.get(LINEAR_DELIVERY).is_some_and(|id| missing.remove(id)) && missing.is_empty()
        })
        .await;
    let books = Books::open(&machine.data_dir(), &home.data_dir());
    books.settled().await;
    assert!(edge.stop().await.success());
    assert!(proxy.stop().await.success());
    books.balance_but_for(&accepted, kills * repeated);
    assert_eq!(books.workers(), 1, "an edge that came back is the same worker");
    leftovers::no_process(home.folder());
    leftovers::no_process(machine.folder());
}
