//! Random sequences of calls, against a model that keeps a plain list.

use super::*;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug)]
enum Step {
    Accept { repeat: bool },
    Claim { limit: u32, per_worker: u32 },
    Finish { which: usize, outcome: usize },
    Renew { worker: usize },
    Ping { there: bool },
    Choose { worker: usize, choice: usize },
    Redeliver { which: usize },
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
        4 => any::<bool>().prop_map(|there| Step::Ping { there }),
        1 => (any::<usize>(), 0..3usize).prop_map(|(worker, choice)| Step::Choose { worker, choice }),
        1 => any::<usize>().prop_map(|which| Step::Redeliver { which }),
        2 => Just(Step::Expire),
        3 => (1..2_000i64).prop_map(|millis| Step::Pass { millis }),
        1 => Just(Step::Restart),
    ]
}

#[derive(Clone, Debug, PartialEq)]
enum Standing {
    Due(UnixMillis),
    Delivered,
    Dead,
    /// And when it is due once it is released.
    Held(UnixMillis),
    Skipped,
}

/// An event as the model remembers it.
struct Known {
    order: usize,
    at: UnixMillis,
    entity: Option<String>,
}

#[derive(Default)]
struct Model {
    events: BTreeMap<EventId, Known>,
    /// When each lease ends.
    leases: BTreeMap<WorkerId, UnixMillis>,
    /// By event and worker.
    deliveries: BTreeMap<(EventId, WorkerId), Standing>,
    flying: Vec<Claimed>,
    /// Whose circuit is open.
    open: BTreeSet<WorkerId>,
    /// Since when who is away.
    away: BTreeMap<WorkerId, UnixMillis>,
}

impl Model {
    fn flying_of(&self, worker: WorkerId) -> usize {
        self.flying.iter().filter(|claimed| claimed.worker == worker).count()
    }

    /// How many deliveries of a worker a claim may take.
    fn claimable(&self, worker: WorkerId, now: UnixMillis, per_worker: u32) -> usize {
        if self.away.contains_key(&worker) || self.open.contains(&worker) {
            return 0;
        }
        let free = |event: EventId| !self.flying.iter().any(|c| c.event == event && c.worker == worker);
        let due = self.deliveries.iter().filter(|((event, to), standing)| {
            *to == worker && matches!(standing, Standing::Due(at) if *at <= now) && free(*event)
        });
        due.count().min((per_worker as usize).saturating_sub(self.flying_of(worker)))
    }

    /// What a return does.
    fn come_back(&mut self, worker: WorkerId, catch_up: CatchUp) {
        let Some(since) = self.away.remove(&worker) else { return };
        for ((event, to), standing) in &mut self.deliveries {
            let of_absence = *to == worker && self.events[event].at >= since;
            if let Standing::Due(at) = *standing
                && catch_up != CatchUp::All
                && of_absence
            {
                *standing = Standing::Held(at);
            }
        }
        match catch_up {
            CatchUp::Ask => {}
            CatchUp::All => self.choose(worker, &CatchUpChoice::All),
            CatchUp::NewestPerEntity => self.choose(worker, &CatchUpChoice::NewestPerEntity),
            CatchUp::None => self.choose(worker, &CatchUpChoice::None),
        }
    }

    /// What a choice does.
    fn choose(&mut self, worker: WorkerId, choice: &CatchUpChoice) {
        let mut newest: BTreeMap<&str, usize> = BTreeMap::new();
        for ((event, to), standing) in &self.deliveries {
            let known = &self.events[event];
            if let (true, Standing::Held(_), Some(entity)) = (*to == worker, standing, &known.entity) {
                let order = newest.entry(entity).or_default();
                *order = known.order.max(*order);
            }
        }
        for ((event, to), standing) in &mut self.deliveries {
            let Standing::Held(at) = *standing else { continue };
            if *to != worker {
                continue;
            }
            let known = &self.events[event];
            let goes = match choice {
                CatchUpChoice::All => true,
                CatchUpChoice::NewestPerEntity => {
                    known.entity.as_deref().is_none_or(|entity| newest[entity] == known.order)
                }
                _ => false,
            };
            *standing = if goes { Standing::Due(at) } else { Standing::Skipped };
        }
    }
}

pub(crate) async fn it_does_what_a_simple_model_does(mut world: World) {
    let workers =
        [world.active_worker(&[]).await, world.active_worker(&[]).await, world.active_worker(&[]).await];
    let policies = [CatchUp::Ask, CatchUp::NewestPerEntity, CatchUp::All];
    for (id, catch_up) in workers.iter().zip(policies) {
        world.store().set_catch_up(*id, catch_up).await.unwrap();
    }
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
                world.store().end_absence(id, now).await.unwrap();
                world.store().renew_lease(id, now.plus(3_000), None).await.unwrap().unwrap();
                model.come_back(id, policies[worker % workers.len()]);
                model.leases.insert(id, now.plus(3_000));
            }
            Step::Ping { there } => {
                for ping in world.store().pings_due(now, None, 9).await.unwrap() {
                    assert!(model.open.contains(&ping.worker) && !model.away.contains_key(&ping.worker));
                    if there {
                        world.answer_ping(ping.worker, now).await;
                        model.open.remove(&ping.worker);
                    } else {
                        let report = report(Observed::Unreached, Observer::Ping { taken: false }, now, None);
                        world.store().report_ping(ping.worker, report).await.unwrap();
                    }
                }
            }
            Step::Choose { worker, choice } => {
                let id = workers[worker % workers.len()];
                let choice =
                    [CatchUpChoice::All, CatchUpChoice::NewestPerEntity, CatchUpChoice::None][choice].clone();
                world.store().catch_up(id, choice.clone(), now).await.unwrap();
                model.choose(id, &choice);
            }
            Step::Redeliver { which } if !model.deliveries.is_empty() => {
                let which = which % model.deliveries.len();
                let (&(event, worker), standing) = model.deliveries.iter_mut().nth(which).unwrap();
                let done = world.store().redeliver(worker, event, now).await.unwrap();
                match standing {
                    Standing::Due(_) => assert_eq!(done, Redelivery::Already(DeliveryState::Pending)),
                    Standing::Delivered => assert_eq!(done, Redelivery::Already(DeliveryState::Delivered)),
                    Standing::Dead | Standing::Held(_) | Standing::Skipped => {
                        assert_eq!(done, Redelivery::Due);
                        *standing = Standing::Due(now);
                    }
                }
            }
            Step::Redeliver { .. } => {}
            Step::Expire => {
                for id in world.store().expire_leases(now).await.unwrap() {
                    model.away.insert(id, model.leases[&id]);
                }
            }
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
        for id in workers {
            let held = |((_, to), standing): &(&(EventId, WorkerId), &Standing)| {
                *to == id && matches!(standing, Standing::Held(_))
            };
            let waiting = world.store().waiting(id).await.unwrap();
            let held = model.deliveries.iter().filter(held).count() as u64;
            assert_eq!(waiting.held.map_or(0, |held| held.count), held);
        }
    }
    for standing in [Standing::Delivered, Standing::Skipped] {
        assert!(model.deliveries.values().any(|s| *s == standing), "the sequence got somewhere");
    }
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
    let mut event = NewEvent { received_at: now, ..world.event() };
    let order = model.events.len();
    event.described.entity = (!order.is_multiple_of(4)).then(|| format!("linear:Issue:{}", order % 4));
    let known = Known { order, at: now, entity: event.described.entity.clone() };
    model.events.insert(event.id, known);
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
        _ => (Next::NotReached, None),
    };
    world.finish(&claimed, now, next).await;
    match standing {
        Some(standing) => {
            // What was held or skipped meanwhile stays so, unless it arrived.
            let before = &model.deliveries[&(claimed.event, claimed.worker)];
            let changes = matches!(before, Standing::Due(_)) || standing == Standing::Delivered;
            if changes {
                model.deliveries.insert((claimed.event, claimed.worker), standing);
            }
            model.open.remove(&claimed.worker);
        }
        None => {
            model.open.insert(claimed.worker);
        }
    }
}
