//! Random sequences of calls, against a model that keeps a plain list.

use super::*;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Step {
    Accept { repeat: bool },
    Claim { limit: u32, per_worker: u32 },
    Finish { which: usize, outcome: usize },
    Renew { worker: usize },
    Expire,
    Pass { millis: i64 },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => any::<bool>().prop_map(|repeat| Step::Accept { repeat }),
        6 => (1..8u32, 1..4u32).prop_map(|(limit, per_worker)| Step::Claim { limit, per_worker }),
        8 => (any::<usize>(), 0..5usize).prop_map(|(which, outcome)| Step::Finish { which, outcome }),
        2 => any::<usize>().prop_map(|worker| Step::Renew { worker }),
        1 => Just(Step::Expire),
        3 => (1..2_000i64).prop_map(|millis| Step::Pass { millis }),
        1 => Just(Step::Restart),
    ]
}

#[derive(Clone, Debug, PartialEq)]
enum Standing {
    Due(UnixMillis),
    Delivered,
    Dead,
}

#[derive(Default)]
struct Model {
    /// By event and worker.
    deliveries: BTreeMap<(EventId, WorkerId), Standing>,
    flying: Vec<Claimed>,
    unreachable: BTreeMap<WorkerId, (UnixMillis, u32)>,
    away: Vec<WorkerId>,
}

impl Model {
    fn flying_of(&self, worker: WorkerId) -> usize {
        self.flying.iter().filter(|claimed| claimed.worker == worker).count()
    }

    /// How many deliveries of a worker a claim may take.
    fn claimable(&self, worker: WorkerId, now: UnixMillis, per_worker: u32) -> usize {
        let (until, failures) = self.unreachable.get(&worker).copied().unwrap_or((UnixMillis(0), 0));
        if self.away.contains(&worker) || until > now {
            return 0;
        }
        let free = |event: EventId| !self.flying.iter().any(|c| c.event == event && c.worker == worker);
        let due = self.deliveries.iter().filter(|((event, to), standing)| {
            *to == worker && matches!(standing, Standing::Due(at) if *at <= now) && free(*event)
        });
        let room = if failures > 0 { 1 } else { per_worker as usize };
        due.count().min(room.saturating_sub(self.flying_of(worker)))
    }
}

pub(crate) async fn it_does_what_a_simple_model_does(mut world: World) {
    let workers =
        [world.active_worker(&[]).await, world.active_worker(&[]).await, world.active_worker(&[]).await];
    let (mut model, mut now, mut last) = (Model::default(), T0.plus(10_000), None);
    let mut runner = TestRunner::deterministic();
    let steps = proptest::collection::vec(step(), 600).new_tree(&mut runner).unwrap().current();
    for step in steps {
        match step {
            Step::Accept { repeat } => accept(&world, &mut model, &workers, &mut last, repeat, now).await,
            Step::Claim { limit, per_worker } => {
                let expected: usize = workers.iter().map(|w| model.claimable(*w, now, per_worker)).sum();
                let claimed = world.claim_some(now, limit, per_worker).await;
                assert_eq!(claimed.len(), expected.min(limit as usize));
                for one in &claimed {
                    assert!(
                        matches!(model.deliveries[&(one.event, one.worker)], Standing::Due(at) if at <= now)
                    );
                }
                model.flying.extend(claimed);
            }
            Step::Finish { which, outcome } if !model.flying.is_empty() => {
                let claimed = model.flying.swap_remove(which % model.flying.len());
                finish(&world, &mut model, claimed, outcome, now).await;
            }
            Step::Finish { .. } => {}
            Step::Renew { worker } => {
                let id = workers[worker % workers.len()];
                world.store().renew_lease(id, now.plus(3_000), None).await.unwrap().unwrap();
                model.away.retain(|other| *other != id);
                if let Some((until, _)) = model.unreachable.get_mut(&id) {
                    *until = UnixMillis(0);
                }
            }
            Step::Expire => model.away.extend(world.store().expire_leases(now).await.unwrap()),
            Step::Pass { millis } => now = now.plus(millis),
            Step::Restart => {
                world.restart();
                model.flying.clear();
            }
        }
        let count = |standing: fn(&Standing) -> bool| {
            model.deliveries.values().filter(|s| standing(s)).count() as u64
        };
        let depth = world.store().depth().await.unwrap();
        assert_eq!(depth.pending, count(|s| matches!(s, Standing::Due(_))));
        assert_eq!(depth.dead, count(|s| *s == Standing::Dead));
    }
    assert!(model.deliveries.values().any(|s| *s == Standing::Delivered), "the sequence got somewhere");
}

async fn accept(
    world: &World,
    model: &mut Model,
    workers: &[WorkerId],
    last: &mut Option<NewEvent>,
    repeat: bool,
    now: UnixMillis,
) {
    if let (true, Some(event)) = (repeat, last.as_ref()) {
        let again = NewEvent { id: entropy::event_id(now), received_at: now, ..event.clone() };
        let accepted = world.store().accept_event(again).await.unwrap();
        assert_eq!(accepted, Accepted::Duplicate { of: event.id });
        return;
    }
    let event = NewEvent { received_at: now, ..world.event() };
    let Accepted::Stored { workers: got } = world.store().accept_event(event.clone()).await.unwrap() else {
        panic!()
    };
    assert_eq!(got.len(), workers.len());
    model.deliveries.extend(got.into_iter().map(|worker| ((event.id, worker), Standing::Due(now))));
    *last = Some(event);
}

async fn finish(world: &World, model: &mut Model, claimed: Claimed, outcome: usize, now: UnixMillis) {
    let later = now.plus(1_500);
    let (next, standing) = match outcome {
        0 | 1 => (Next::Delivered, Some(Standing::Delivered)),
        2 => (Next::RetryAt(later), Some(Standing::Due(later))),
        3 => (Next::Dead(DeadReason::Exhausted), Some(Standing::Dead)),
        _ => (Next::WorkerUnreachableUntil(later), None),
    };
    world.finish(&claimed, now, next).await;
    match standing {
        Some(standing) => {
            model.deliveries.insert((claimed.event, claimed.worker), standing);
            model.unreachable.remove(&claimed.worker);
        }
        None => {
            let entry = model.unreachable.entry(claimed.worker).or_insert((later, 0));
            *entry = (entry.0.max(later), entry.1.max(claimed.transport_failures + 1));
        }
    }
}
