//! Random sequences of calls on a claim group against a model that keeps, for
//! each event, whose it is by which number: of an entity one event at a time is
//! with one member, in the order of acceptance; a report counts exactly when
//! its grant stands; nothing is lost, stuck or done twice.

use super::groups::number;
use super::*;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::collections::BTreeMap;

/// How many sequences, and how long each is.
const SEQUENCES: u8 = 12;
const STEPS: usize = 200;
const FAR: UnixMillis = UnixMillis(T0.0 + 1_000_000_000_000);

#[derive(Clone, Debug)]
enum Step {
    Accept {
        entity: usize,
    },
    Claim {
        limit: u32,
    },
    Answer {
        which: usize,
        outcome: usize,
    },
    /// By whoever was ever granted one: the holder, or a former one.
    Report {
        which: usize,
        step: usize,
    },
    Expire,
    Pause {
        member: usize,
        paused: bool,
    },
    Leave {
        member: usize,
    },
    Redeliver {
        which: usize,
    },
    Pass {
        millis: i64,
    },
    SetBack {
        millis: i64,
    },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let n = || any::<usize>();
    prop_oneof![
        8 => (0..4usize).prop_map(|entity| Step::Accept { entity }),
        8 => (1..8u32).prop_map(|limit| Step::Claim { limit }),
        10 => (n(), 0..8usize).prop_map(|(which, outcome)| Step::Answer { which, outcome }),
        12 => (n(), 0..7usize).prop_map(|(which, step)| Step::Report { which, step }),
        3 => Just(Step::Expire),
        2 => (n(), any::<bool>()).prop_map(|(member, paused)| Step::Pause { member, paused }),
        1 => n().prop_map(|member| Step::Leave { member }),
        1 => n().prop_map(|which| Step::Redeliver { which }),
        3 => (1..40_000i64).prop_map(|millis| Step::Pass { millis }),
        1 => (1..20_000i64).prop_map(|millis| Step::SetBack { millis }),
        1 => Just(Step::Restart),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Standing {
    /// It waits, or is on its way.
    Waits,
    /// A member has it.
    Held,
    Done,
    Dead,
}

struct Event {
    id: EventId,
    entity: Option<usize>,
    standing: Standing,
    due: UnixMillis,
    /// To whom it is granted, by which number.
    grant: Option<(WorkerId, u32)>,
    /// The number of its last grant.
    last: u32,
    /// Outside the order.
    redriven: bool,
}

#[derive(Default)]
struct Model {
    events: Vec<Event>,
    /// Whether it is paused.
    members: BTreeMap<WorkerId, bool>,
    flights: Vec<Claimed>,
    /// Everything ever granted.
    granted: Vec<Claimed>,
    now: UnixMillis,
}

impl Model {
    fn event(&mut self, id: EventId) -> &mut Event {
        self.events.iter_mut().find(|event| event.id == id).unwrap()
    }

    /// Whether it is the first of its entity that is not at its end.
    fn is_first(&self, id: EventId) -> bool {
        let place = self.events.iter().position(|event| event.id == id).unwrap();
        let event = &self.events[place];
        let before = |other: &Event| {
            other.entity == event.entity
                && !other.redriven
                && matches!(other.standing, Standing::Waits | Standing::Held)
        };
        event.redriven || event.entity.is_none() || !self.events[..place].iter().any(before)
    }
}

pub(crate) async fn no_sequence_of_calls_breaks_a_group(mut world: World) {
    for sequence in 0..SEQUENCES {
        let config = Config { failure_persistence: None, ..Config::default() };
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[sequence; 32]);
        let mut runner = TestRunner::new_with_rng(config, rng);
        let steps = proptest::collection::vec(step(), STEPS).new_tree(&mut runner).unwrap().current();
        let mut model = Model { now: T0.plus(10_000), ..Model::default() };
        for _ in 0..3 {
            model.members.insert(world.member(&[]).await, false);
        }
        for (n, step) in steps.into_iter().enumerate() {
            let told = format!("sequence {sequence}, step {n}: {step:?}");
            take(&mut world, &mut model, step, &told).await;
            agree(&world, &model, &told).await;
        }
        run_dry(&world, &mut model, sequence).await;
        for worker in model.members.keys() {
            world.store().remove_worker(*worker, DeadReason::WorkerLeft, FAR).await.unwrap();
        }
        while world.store().prune(FAR.plus(1_000_000), Duration::from_secs(1), 1_000).await.unwrap() > 0 {}
    }
}

async fn agree(world: &World, model: &Model, told: &str) {
    let waits =
        model.events.iter().filter(|e| matches!(e.standing, Standing::Waits | Standing::Held)).count();
    let dead = model.events.iter().filter(|e| e.standing == Standing::Dead).count();
    let depth = world.store().depth().await.unwrap();
    assert_eq!((depth.pending, depth.dead), (waits as u64, dead as u64), "{told}");
    assert_eq!(depth.oldest.is_some(), waits > 0, "{told}");
}

async fn take(world: &mut World, model: &mut Model, step: Step, told: &str) {
    let members: Vec<_> = model.members.keys().copied().collect();
    let now = model.now;
    match step {
        Step::Accept { entity } => {
            let entity = Some(entity).filter(|entity| *entity > 0);
            let mut event = NewEvent { received_at: now, ..world.event() };
            event.described.entity = entity.map(|entity| format!("linear:Issue:{entity}"));
            let id = event.id;
            let Accepted::Stored { workers } = world.store().accept_event(event).await.unwrap() else {
                panic!("{told}: a duplicate")
            };
            assert_eq!(workers.len(), 1, "{told}");
            let standing = Standing::Waits;
            let event = Event { id, entity, standing, due: now, grant: None, last: 0, redriven: false };
            model.events.push(event);
        }
        Step::Claim { limit } => claim(world, model, limit, told).await,
        Step::Answer { which, outcome } => {
            if !model.flights.is_empty() {
                let claimed = model.flights.swap_remove(which % model.flights.len());
                answer(world, model, &claimed, outcome).await;
            }
        }
        Step::Report { which, step } => {
            if !model.granted.is_empty() {
                let claimed = model.granted[which % model.granted.len()].clone();
                let step = match step {
                    0..=2 => GrantStep::Complete,
                    3 | 4 => GrantStep::Renew,
                    5 => GrantStep::Fail(Next::RetryAt(now.plus(1_500))),
                    _ => GrantStep::Fail(Next::Dead(DeadReason::Exhausted)),
                };
                report(world, model, &claimed, step, told).await;
            }
        }
        Step::Expire => {
            for grant in world.store().expired_grants(now).await.unwrap() {
                let event = model.event(grant.event);
                assert_eq!(
                    (event.standing, event.grant),
                    (Standing::Held, Some((grant.worker, grant.number)))
                );
                let known = |one: &&Claimed| one.event == grant.event && number(one) == grant.number;
                let claimed = model.granted.iter().find(known).unwrap().clone();
                report(world, model, &claimed, GrantStep::Fail(Next::RetryAt(now)), told).await;
            }
            forget_idle(world, model).await;
        }
        Step::Pause { member, paused } => {
            let id = members[member % members.len()];
            world.store().renew_lease(id, FAR, Some(paused)).await.unwrap().unwrap();
            world.answer_ping(id, now).await;
            model.members.insert(id, paused);
        }
        Step::Leave { member } => {
            let id = members[member % members.len()];
            world.store().set_group(id, None, now).await.unwrap();
            world.store().set_group(id, groups::claim_group("builders"), now).await.unwrap();
            for event in &mut model.events {
                if event.grant.is_some_and(|(worker, _)| worker == id) {
                    event.grant = None;
                    if event.standing == Standing::Held {
                        event.standing = Standing::Waits;
                    }
                }
            }
        }
        Step::Redeliver { which } => {
            let dead: Vec<_> =
                model.events.iter().filter(|e| e.standing == Standing::Dead).map(|e| e.id).collect();
            if let Some(id) = dead.get(which % dead.len().max(1)) {
                assert_eq!(
                    world.store().redeliver(members[0], *id, now).await.unwrap(),
                    Redelivery::Due,
                    "{told}"
                );
                let event = model.event(*id);
                (event.standing, event.redriven, event.due) = (Standing::Waits, true, UnixMillis(0));
            }
        }
        Step::Pass { millis } => model.now = now.plus(millis),
        Step::SetBack { millis } => {
            model.now = now.plus(-millis);
            world.store().set_back(model.now, Duration::from_millis(millis.unsigned_abs())).await.unwrap();
            for event in &mut model.events {
                event.due = if event.due > model.now { event.due.plus(-millis) } else { event.due };
            }
        }
        Step::Restart => {
            world.restart();
            model.flights.clear();
        }
    }
}

/// Grants of which nothing is at a member end by themselves, when their time is
/// over: whether they have is read off the store.
async fn forget_idle(world: &World, model: &mut Model) {
    for event in &mut model.events {
        if let (Standing::Waits, Some((worker, number))) = (event.standing, event.grant) {
            let found = world.store().find_grant(worker, event.id, 0, Some(number)).await.unwrap();
            if matches!(found, GrantSought::Lost) {
                event.grant = None;
            }
        }
    }
}

async fn claim(world: &World, model: &mut Model, limit: u32, told: &str) {
    for claimed in world.claim_some(model.now, limit, 16).await {
        let number = number(&claimed);
        assert!(model.is_first(claimed.event), "{told}: not its turn");
        assert!(!model.members[&claimed.worker], "{told}: it is paused");
        let now = model.now;
        let event = model.event(claimed.event);
        assert_eq!(event.standing, Standing::Waits, "{told}");
        assert!(event.due <= now, "{told}: before its time");
        match event.grant {
            Some((worker, before)) if worker == claimed.worker => assert_eq!(number, before, "{told}"),
            _ => assert_eq!(number, event.last + 1, "{told}"),
        }
        (event.grant, event.last) = (Some((claimed.worker, number)), number);
        let entity = event.entity;
        if entity.is_some() && claimed.entity.is_some() {
            let others =
                model.flights.iter().filter(|f| f.entity == claimed.entity && f.event != claimed.event);
            assert_eq!(others.count(), 0, "{told}: two of an entity on their way");
        }
        model.granted.push(claimed.clone());
        model.flights.push(claimed);
    }
}

async fn answer(world: &World, model: &mut Model, claimed: &Claimed, outcome: usize) {
    let later = model.now.plus(1_500);
    let next = match outcome {
        0..=4 => Next::Delivered,
        5 => Next::RetryAt(later),
        6 => Next::NotReached,
        _ => Next::Dead(DeadReason::Exhausted),
    };
    world.finish(claimed, model.now, next.clone()).await;
    if next == Next::NotReached {
        world.answer_ping(claimed.worker, model.now).await;
    }
    let mine = Some((claimed.worker, number(claimed)));
    let event = model.event(claimed.event);
    if event.standing != Standing::Waits || event.grant != mine {
        return;
    }
    match next {
        Next::Delivered => event.standing = Standing::Held,
        Next::RetryAt(then) => (event.grant, event.due) = (None, then),
        Next::Dead(_) => (event.grant, event.standing) = (None, Standing::Dead),
        _ => event.grant = None,
    }
}

async fn report(world: &World, model: &mut Model, claimed: &Claimed, step: GrantStep, told: &str) {
    let counted = world.report(claimed, model.now, step.clone()).await;
    let event = model.event(claimed.event);
    let stands = event.grant == Some((claimed.worker, number(claimed)))
        && matches!(event.standing, Standing::Waits | Standing::Held);
    assert_eq!(counted, stands, "{told}: {step:?} of {:?} by {}", claimed.event, claimed.worker);
    if !stands {
        return;
    }
    match step {
        GrantStep::Renew => {}
        GrantStep::Complete => event.standing = Standing::Done,
        GrantStep::Fail(Next::RetryAt(then)) => {
            (event.standing, event.grant, event.due) = (Standing::Waits, None, then);
        }
        GrantStep::Fail(_) => (event.standing, event.grant) = (Standing::Dead, None),
    }
}

/// Everyone is there, every attempt is answered and every work completed.
async fn run_dry(world: &World, model: &mut Model, sequence: u8) {
    let told = format!("sequence {sequence}, at its end");
    for member in model.members.keys().copied().collect::<Vec<_>>() {
        world.store().renew_lease(member, FAR.plus(1_000_000_000), Some(false)).await.unwrap().unwrap();
        world.answer_ping(member, FAR).await;
        model.members.insert(member, false);
    }
    while let Some(claimed) = model.flights.pop() {
        answer(world, model, &claimed, 0).await;
    }
    model.now = FAR;
    loop {
        take_expired(world, model, &told).await;
        claim(world, model, 1_000, &told).await;
        if model.flights.is_empty() {
            break;
        }
        while let Some(claimed) = model.flights.pop() {
            answer(world, model, &claimed, 0).await;
            report(world, model, &claimed, GrantStep::Complete, &told).await;
        }
    }
    agree(world, model, &told).await;
    for event in &model.events {
        assert!(matches!(event.standing, Standing::Done | Standing::Dead), "{told}: {:?} is stuck", event.id);
    }
}

async fn take_expired(world: &World, model: &mut Model, told: &str) {
    for grant in world.store().expired_grants(FAR).await.unwrap() {
        let known = |one: &&Claimed| one.event == grant.event && number(one) == grant.number;
        let claimed = model.granted.iter().find(known).unwrap().clone();
        report(world, model, &claimed, GrantStep::Fail(Next::RetryAt(FAR)), told).await;
    }
    forget_idle(world, model).await;
}
