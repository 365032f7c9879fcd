//! Random sequences of calls against a model that keeps the order in a plain
//! list: of one worker and entity, the first deliveries begin in the order of
//! acceptance, never two are under way, and nothing is lost or stuck.

use super::*;
use postern_protocol::api::Ordering;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::collections::BTreeMap;

/// How many sequences, and how long each is.
const SEQUENCES: u8 = 16;
const STEPS: usize = 160;
const KEEP: Duration = Duration::from_secs(5);
const FAR: UnixMillis = UnixMillis(T0.0 + 1_000_000_000_000);

#[derive(Clone, Debug)]
enum Step {
    Accept { entity: usize },
    Claim { limit: u32, per_worker: u32 },
    ClaimAll,
    Finish { which: usize, outcome: usize },
    Redeliver { which: usize },
    Pause { worker: usize, paused: bool },
    Leave { worker: usize },
    Return { worker: usize },
    Choose { worker: usize, choice: usize, which: usize },
    Register { worker: usize, ordering: Ordering },
    Pass { millis: i64 },
    SetBack { millis: i64 },
    Prune,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let n = || any::<usize>();
    prop_oneof![
        8 => (0..4usize).prop_map(|entity| Step::Accept { entity }),
        4 => (1..8u32, 1..4u32).prop_map(|(limit, per_worker)| Step::Claim { limit, per_worker }),
        4 => Just(Step::ClaimAll),
        12 => (n(), 0..8usize).prop_map(|(which, outcome)| Step::Finish { which, outcome }),
        1 => n().prop_map(|which| Step::Redeliver { which }),
        1 => (n(), any::<bool>()).prop_map(|(worker, paused)| Step::Pause { worker, paused }),
        1 => n().prop_map(|worker| Step::Leave { worker }),
        2 => n().prop_map(|worker| Step::Return { worker }),
        2 => (n(), 0..4usize, n()).prop_map(|(worker, choice, which)| Step::Choose { worker, choice, which }),
        1 => (n(), prop_oneof![3 => Just(Ordering::Entity), 1 => Just(Ordering::None)])
            .prop_map(|(worker, ordering)| Step::Register { worker, ordering }),
        3 => (1..3_000i64).prop_map(|millis| Step::Pass { millis }),
        1 => (1..8_000i64).prop_map(|millis| Step::SetBack { millis }),
        1 => Just(Step::Prune),
        1 => Just(Step::Restart),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Standing {
    Due,
    Held,
    Delivered,
    Dead,
    Skipped,
}

#[derive(Clone, Debug)]
struct Delivery {
    standing: Standing,
    due: UnixMillis,
    /// Whether it keeps the order.
    in_order: bool,
    /// Whether it was asked for by itself.
    redriven: bool,
}

struct Event {
    id: EventId,
    at: UnixMillis,
    kept_from: UnixMillis,
    entity: Option<usize>,
    to: BTreeMap<WorkerId, Delivery>,
}

struct Flight {
    claimed: Claimed,
    in_order: bool,
}

#[derive(Default)]
struct Member {
    ordered: bool,
    paused: bool,
    leased_until: UnixMillis,
    away_since: Option<UnixMillis>,
    /// Whether its circuit is open.
    unreachable: bool,
    catch_up: CatchUp,
}

/// In the order of acceptance.
struct Model {
    events: Vec<Event>,
    members: BTreeMap<WorkerId, Member>,
    flights: Vec<Flight>,
    now: UnixMillis,
}

impl Model {
    /// Whether an unfinished one of its entity stands before it.
    fn queued(&self, place: usize, worker: WorkerId) -> bool {
        let event = &self.events[place];
        let unfinished = |other: &Event| {
            other.entity == event.entity
                && other
                    .to
                    .get(&worker)
                    .is_some_and(|d| d.in_order && matches!(d.standing, Standing::Due | Standing::Held))
        };
        event.to[&worker].in_order && event.entity.is_some() && self.events[..place].iter().any(unfinished)
    }

    fn place(&self, event: EventId) -> Option<usize> {
        self.events.iter().position(|known| known.id == event)
    }

    /// What may be claimed for a worker now.
    fn claimable(&self, worker: WorkerId) -> Vec<EventId> {
        let member = &self.members[&worker];
        if member.away_since.is_some() || member.paused || member.unreachable {
            return Vec::new();
        }
        let may = |place: usize, event: &Event| {
            let Some(delivery) = event.to.get(&worker) else { return false };
            let flying = |f: &Flight| f.claimed.worker == worker && f.claimed.event == event.id;
            let entity_flies = |f: &Flight| {
                f.in_order
                    && f.claimed.worker == worker
                    && self.place(f.claimed.event).is_none_or(|p| self.events[p].entity == event.entity)
            };
            let keeps = delivery.in_order && event.entity.is_some();
            delivery.standing == Standing::Due
                && delivery.due <= self.now
                && !self.flights.iter().any(flying)
                && !(keeps && (self.queued(place, worker) || self.flights.iter().any(entity_flies)))
        };
        self.events
            .iter()
            .enumerate()
            .filter(|(place, event)| may(*place, event))
            .map(|(_, e)| e.id)
            .collect()
    }

    fn deliveries(&mut self, worker: WorkerId) -> impl Iterator<Item = (&Event, Delivery)> {
        self.events.iter().filter_map(move |event| Some((event, event.to.get(&worker)?.clone())))
    }

    fn come_back(&mut self, worker: WorkerId) {
        let member = self.members.get_mut(&worker).unwrap();
        let catch_up = member.catch_up;
        let Some(since) = member.away_since.take() else { return };
        for event in &mut self.events {
            let at = event.at;
            if let Some(delivery) = event.to.get_mut(&worker)
                && delivery.standing == Standing::Due
                && catch_up != CatchUp::All
                && at >= since
            {
                delivery.standing = Standing::Held;
            }
        }
        match catch_up {
            CatchUp::Ask => {}
            CatchUp::All => self.choose(worker, &CatchUpChoice::All),
            CatchUp::NewestPerEntity => self.choose(worker, &CatchUpChoice::NewestPerEntity),
            CatchUp::None => self.choose(worker, &CatchUpChoice::None),
        }
    }

    fn choose(&mut self, worker: WorkerId, choice: &CatchUpChoice) {
        let mut newest: BTreeMap<usize, usize> = BTreeMap::new();
        let mut chosen: BTreeMap<usize, usize> = BTreeMap::new();
        for (place, event) in self.events.iter().enumerate() {
            let held = event.to.get(&worker).is_some_and(|d| d.standing == Standing::Held);
            if let (true, Some(entity)) = (held, event.entity) {
                newest.insert(entity, place);
                if matches!(choice, CatchUpChoice::Events(events) if events.contains(&event.id))
                    && event.to[&worker].in_order
                {
                    chosen.insert(entity, place);
                }
            }
        }
        for (place, event) in self.events.iter_mut().enumerate() {
            let (entity, id) = (event.entity, event.id);
            let Some(delivery) = event.to.get_mut(&worker).filter(|d| d.standing == Standing::Held) else {
                continue;
            };
            delivery.standing = match choice {
                CatchUpChoice::All => Standing::Due,
                CatchUpChoice::None => Standing::Skipped,
                CatchUpChoice::NewestPerEntity if entity.is_none_or(|e| newest[&e] == place) => Standing::Due,
                CatchUpChoice::NewestPerEntity => Standing::Skipped,
                CatchUpChoice::Events(events) if events.contains(&id) => Standing::Due,
                CatchUpChoice::Events(_) => {
                    if entity.is_some_and(|e| chosen.get(&e).is_some_and(|last| place < *last)) {
                        delivery.in_order = false;
                    }
                    Standing::Held
                }
            };
        }
    }
}

pub(crate) async fn no_sequence_of_calls_breaks_the_order(mut world: World) {
    for sequence in 0..SEQUENCES {
        let config = Config { failure_persistence: None, ..Config::default() };
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[sequence; 32]);
        let mut runner = TestRunner::new_with_rng(config, rng);
        let steps = proptest::collection::vec(step(), STEPS).new_tree(&mut runner).unwrap().current();
        let mut model =
            Model { events: Vec::new(), members: BTreeMap::new(), flights: Vec::new(), now: T0.plus(10_000) };
        let policies = [CatchUp::Ask, CatchUp::NewestPerEntity, CatchUp::All];
        for catch_up in policies {
            let id = world.ordered_worker(Ordering::Entity).await;
            world.store().set_catch_up(id, catch_up).await.unwrap();
            let leased_until = T0.plus(1_000_000_000);
            let member = Member { ordered: true, catch_up, leased_until, ..Member::default() };
            model.members.insert(id, member);
        }
        for (n, step) in steps.into_iter().enumerate() {
            let told = format!("sequence {sequence}, step {n}: {step:?}");
            take(&mut world, &mut model, step, &told).await;
            agree(&world, &mut model, &told).await;
        }
        run_dry(&world, &mut model, sequence).await;
        for worker in model.members.keys() {
            world.store().remove_worker(*worker, DeadReason::WorkerLeft, FAR).await.unwrap();
        }
        while world.store().prune(FAR.plus(1_000_000), Duration::from_secs(1), 1_000).await.unwrap() > 0 {}
    }
}

/// What the store says of each delivery is what the model says.
async fn agree(world: &World, model: &mut Model, told: &str) {
    let pending = model.events.iter().flat_map(|e| e.to.values()).filter(|d| d.standing == Standing::Due);
    let depth = world.store().depth().await.unwrap();
    assert_eq!(depth.pending, pending.count() as u64, "{told}");
    for worker in model.members.keys().copied().collect::<Vec<_>>() {
        let waiting = world.store().waiting(worker).await.unwrap();
        let count = |standing: Standing| {
            model.events.iter().filter_map(|e| e.to.get(&worker)).filter(|d| d.standing == standing).count()
        };
        assert_eq!(waiting.count, count(Standing::Due) as u64, "{told}");
        assert_eq!(waiting.held.map_or(0, |held| held.count), count(Standing::Held) as u64, "{told}");
        assert_eq!(waiting.oldest.is_some(), waiting.count > 0, "{told}");
    }
}

/// Everyone is back, everything is chosen, every attempt succeeds: what was
/// accepted is delivered to the last, unless it was skipped or given up.
async fn run_dry(world: &World, model: &mut Model, sequence: u8) {
    let told = format!("sequence {sequence}, at its end");
    model.now = FAR;
    for worker in model.members.keys().copied().collect::<Vec<_>>() {
        world.store().end_absence(worker, FAR).await.unwrap();
        model.come_back(worker);
        world.store().renew_lease(worker, FAR.plus(1_000_000), Some(false)).await.unwrap().unwrap();
        world.answer_ping(worker, FAR).await;
        let member = model.members.get_mut(&worker).unwrap();
        (member.paused, member.unreachable) = (false, false);
        world.store().catch_up(worker, CatchUpChoice::All, FAR).await.unwrap();
        model.choose(worker, &CatchUpChoice::All);
    }
    loop {
        while let Some(flight) = model.flights.pop() {
            finish(world, model, flight, 0).await;
        }
        claim(world, model, 1_000, 1_000, &told).await;
        if model.flights.is_empty() {
            break;
        }
    }
    agree(world, model, &told).await;
    for event in &model.events {
        for delivery in event.to.values() {
            assert!(!matches!(delivery.standing, Standing::Due | Standing::Held), "{told}: stuck");
        }
    }
}

async fn take(world: &mut World, model: &mut Model, step: Step, told: &str) {
    let workers: Vec<_> = model.members.keys().copied().collect();
    let of = |worker: usize| workers[worker % workers.len()];
    let now = model.now;
    match step {
        Step::Accept { entity } => {
            let entity = Some(entity).filter(|entity| *entity > 0);
            let mut event = NewEvent { received_at: now, ..world.event() };
            event.described.entity = entity.map(|entity| format!("linear:Issue:{entity}"));
            let id = event.id;
            let Accepted::Stored { workers: got } = world.store().accept_event(event).await.unwrap() else {
                panic!("{told}: a duplicate")
            };
            let to = got.into_iter().map(|worker| {
                let in_order = model.members[&worker].ordered;
                (worker, Delivery { standing: Standing::Due, due: now, in_order, redriven: false })
            });
            let to = to.collect();
            model.events.push(Event { id, at: now, kept_from: now, entity, to });
        }
        Step::Claim { limit, per_worker } => claim(world, model, limit, per_worker, told).await,
        Step::ClaimAll => claim(world, model, 1_000, 1_000, told).await,
        Step::Finish { which, outcome } => {
            if !model.flights.is_empty() {
                let flight = model.flights.swap_remove(which % model.flights.len());
                finish(world, model, flight, outcome).await;
            }
        }
        Step::Redeliver { which } => redeliver(world, model, which, told).await,
        Step::Pause { worker, paused } => {
            let id = of(worker);
            if model.members[&id].away_since.is_none() {
                let until = model.members[&id].leased_until;
                world.store().renew_lease(id, until, Some(paused)).await.unwrap().unwrap();
                world.answer_ping(id, now).await;
                let member = model.members.get_mut(&id).unwrap();
                (member.paused, member.unreachable) = (paused, false);
            }
        }
        Step::Leave { worker } => {
            let id = of(worker);
            if model.members[&id].away_since.is_none() && !model.members[&id].paused {
                world.store().renew_lease(id, now.plus(-1), None).await.unwrap().unwrap();
                assert!(world.store().expire_leases(now).await.unwrap().contains(&id), "{told}");
                let member = model.members.get_mut(&id).unwrap();
                member.away_since = Some(now.plus(-1));
            }
        }
        Step::Return { worker } => {
            let id = of(worker);
            world.store().end_absence(id, now).await.unwrap();
            world.store().renew_lease(id, T0.plus(1_000_000_000), None).await.unwrap().unwrap();
            world.answer_ping(id, now).await;
            model.come_back(id);
            model.members.get_mut(&id).unwrap().unreachable = false;
        }
        Step::Choose { worker, choice, which } => {
            let id = of(worker);
            let some = model.deliveries(id).filter(|(_, d)| d.standing == Standing::Held);
            let some: Vec<_> = some.map(|(event, _)| event.id).collect();
            let some = some.iter().enumerate().filter(|(n, _)| which >> (n % 20) & 1 == 1).map(|(_, e)| *e);
            let choice = match choice {
                0 => CatchUpChoice::All,
                1 => CatchUpChoice::NewestPerEntity,
                2 => CatchUpChoice::None,
                _ => CatchUpChoice::Events(some.rev().collect()),
            };
            world.store().catch_up(id, choice.clone(), now).await.unwrap();
            model.choose(id, &choice);
        }
        Step::Register { worker, ordering } => register(world, model, of(worker), ordering).await,
        Step::Pass { millis } => model.now = now.plus(millis),
        Step::SetBack { millis } => set_back(world, model, millis).await,
        Step::Prune => prune(world, model).await,
        Step::Restart => {
            world.restart();
            model.flights.clear();
        }
    }
}

async fn claim(world: &World, model: &mut Model, limit: u32, per_worker: u32, told: &str) {
    let mut may: BTreeMap<WorkerId, Vec<EventId>> =
        model.members.keys().map(|worker| (*worker, model.claimable(*worker))).collect();
    let claimed = world.claim_some(model.now, limit, per_worker).await;
    for one in claimed {
        let candidates = may.get_mut(&one.worker).unwrap();
        let place = candidates.iter().position(|event| *event == one.event);
        candidates.remove(place.unwrap_or_else(|| panic!("{told}: not its turn")));
        let event = &model.events[model.place(one.event).unwrap()];
        let in_order = event.to[&one.worker].in_order && event.entity.is_some();
        assert_eq!(one.entity.is_some(), in_order, "{told}");
        model.flights.push(Flight { claimed: one, in_order });
    }
    if limit >= 1_000 {
        for (worker, left) in may {
            assert_eq!(left, [], "{told}: its turn, and not claimed, by {worker}");
        }
    }
}

async fn finish(world: &World, model: &mut Model, flight: Flight, outcome: usize) {
    let (claimed, now) = (flight.claimed, model.now);
    let later = now.plus(1_500);
    let (next, standing, due) = match outcome {
        0..=2 => (Next::Delivered, Some(Standing::Delivered), later),
        3 | 4 => (Next::RetryAt(later), Some(Standing::Due), later),
        5 => (Next::Dead(DeadReason::Exhausted), Some(Standing::Dead), later),
        6 => (Next::HoldUntil(later), Some(Standing::Due), later),
        _ => (Next::NotReached, None, later),
    };
    world.finish(&claimed, now, next).await;
    let place = model.place(claimed.event);
    let queued = place.is_some_and(|place| model.queued(place, claimed.worker));
    let delivery = place.map(|place| model.events[place].to.get_mut(&claimed.worker).unwrap());
    match (standing, delivery) {
        (Some(standing), Some(delivery)) => {
            if standing == Standing::Delivered || (delivery.standing == Standing::Due && !queued) {
                (delivery.standing, delivery.due) = (standing, due);
            }
            model.members.get_mut(&claimed.worker).unwrap().unreachable = false;
        }
        // Of an event that was pruned meanwhile nothing is recorded.
        (_, None) => {}
        (None, Some(_)) => {
            model.members.get_mut(&claimed.worker).unwrap().unreachable = true;
        }
    }
}

async fn redeliver(world: &World, model: &mut Model, which: usize, told: &str) {
    let all = model.events.iter().enumerate();
    let all: Vec<_> = all.flat_map(|(place, e)| e.to.keys().map(move |worker| (place, *worker))).collect();
    if all.is_empty() {
        return;
    }
    let (place, worker) = all[which % all.len()];
    let queued = model.queued(place, worker);
    let (id, at, now) = (model.events[place].id, model.events[place].at, model.now);
    let done = world.store().redeliver(worker, id, now).await.unwrap();
    let delivery = model.events[place].to.get_mut(&worker).unwrap();
    let expected = match delivery.standing {
        Standing::Due if queued => Redelivery::Already(DeliveryState::Queued),
        Standing::Due => Redelivery::Already(DeliveryState::Pending),
        Standing::Delivered => Redelivery::Already(DeliveryState::Delivered),
        Standing::Dead | Standing::Held | Standing::Skipped => {
            // Ahead of what waits.
            let due = at.min(now);
            *delivery = Delivery { standing: Standing::Due, due, in_order: false, redriven: true };
            Redelivery::Due
        }
    };
    assert_eq!(done, expected, "{told}");
}

async fn register(world: &World, model: &mut Model, id: WorkerId, ordering: Ordering) {
    let worker = world.store().worker(id).await.unwrap().unwrap();
    world.store().update_worker(Worker { ordering, ..worker }).await.unwrap();
    world.store().end_absence(id, model.now).await.unwrap();
    world.store().settle_challenge(id, Ok(T0.plus(1_000_000_000))).await.unwrap();
    let (before, wanted) = (model.members[&id].ordered, ordering == Ordering::Entity);
    if before != wanted {
        for delivery in model.events.iter_mut().filter_map(|event| event.to.get_mut(&id)) {
            delivery.in_order = wanted && !delivery.redriven;
        }
    }
    model.come_back(id);
    let member = model.members.get_mut(&id).unwrap();
    (member.ordered, member.unreachable) = (wanted, false);
}

async fn set_back(world: &World, model: &mut Model, millis: i64) {
    let now = model.now.plus(-millis);
    world.store().set_back(now, Duration::from_millis(millis.unsigned_abs())).await.unwrap();
    let earlier = |at: UnixMillis| if at > now { at.plus(-millis) } else { at };
    for delivery in model.events.iter_mut().flat_map(|event| event.to.values_mut()) {
        if matches!(delivery.standing, Standing::Due | Standing::Held) {
            delivery.due = earlier(delivery.due);
        }
    }
    for member in model.members.values_mut() {
        member.leased_until = earlier(member.leased_until);
    }
    model.now = now;
}

async fn prune(world: &World, model: &mut Model) {
    let now = model.now;
    let before = now.plus(-(KEEP.as_millis() as i64));
    world.store().prune(now, KEEP, 10_000).await.unwrap();
    for event in &mut model.events {
        if event.kept_from >= before {
            continue;
        }
        let mut undelivered = false;
        for delivery in event.to.values_mut() {
            if matches!(delivery.standing, Standing::Due | Standing::Held) {
                delivery.standing = Standing::Dead;
                undelivered = true;
            }
        }
        if undelivered {
            event.kept_from = now;
        }
    }
    model.events.retain(|event| event.kept_from >= before);
}
