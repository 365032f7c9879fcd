use super::*;
use proptest::prelude::*;

const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

fn breaker() -> Breaker {
    Breaker {
        window: Duration::from_secs(60),
        min_attempts: 10,
        failure_ratio: 0.8,
        open_min: Duration::from_secs(1),
        open_max: Duration::from_secs(300),
        jitter: 0.2,
    }
}

fn report(observed: Observed, by: Observer, at: UnixMillis) -> Observation {
    Observation { observed, by, error: Some("why".into()), at, random: 0.5, breaker: breaker() }
}

fn attempt(observed: Observed, at: UnixMillis) -> Observation {
    report(observed, Observer::Attempt(at), at)
}

fn ping(observed: Observed, taken: bool, at: UnixMillis) -> Observation {
    report(observed, Observer::Ping { taken }, at)
}

fn unreachable() -> Circuit {
    after(&Circuit::closed(NOW), &attempt(Observed::Unreached, NOW), false).unwrap()
}

fn failing() -> Circuit {
    after(&Circuit::closed(NOW), &attempt(Observed::Badly, NOW), true).unwrap()
}

#[test]
fn an_unreached_worker_is_left_alone_ever_longer_until_a_ping_is_taken() {
    let mut circuit = unreachable();
    assert_eq!((circuit.state, circuit.cause), (CircuitState::Open, Some(CircuitCause::Unreachable)));
    let (mut now, mut waits) = (NOW, vec![circuit.until.unwrap().since(NOW) / 1000]);
    for _ in 0..10 {
        now = circuit.until.unwrap();
        circuit = after(&circuit, &ping(Observed::Unreached, false, now), false).unwrap();
        waits.push(circuit.until.unwrap().since(now) / 1000);
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    assert_eq!((circuit.trips, circuit.since), (11, NOW), "open since it opened");
    let closed = after(&circuit, &ping(Observed::Well, true, now), false).unwrap();
    assert_eq!(closed, Circuit::closed(now));
}

#[test]
fn a_worker_that_knows_no_pings_is_tried_with_one_delivery() {
    let half = after(&unreachable(), &ping(Observed::Well, false, NOW.plus(1)), false).unwrap();
    assert_eq!(half.state, CircuitState::HalfOpen);
    for answered in [Observed::Well, Observed::Badly] {
        let next = after(&half, &attempt(answered, NOW.plus(2)), false).unwrap();
        assert_eq!(next.state, CircuitState::Closed, "any answer says that it is reached");
    }
    let again = after(&half, &attempt(Observed::Unreached, NOW.plus(2)), false).unwrap();
    assert_eq!((again.state, again.trips), (CircuitState::Open, 2));
}

#[test]
fn a_failing_worker_must_take_a_delivery() {
    let open = failing();
    assert_eq!((open.state, open.cause), (CircuitState::Open, Some(CircuitCause::Failing)));
    for observed in [Observed::Well, Observed::Badly, Observed::Unreached] {
        assert_eq!(after(&open, &attempt(observed, NOW), false), None, "what was under way says nothing new");
    }
    let sick = after(&open, &ping(Observed::Badly, false, NOW.plus(1)), false).unwrap();
    assert_eq!((sick.state, sick.trips, sick.cause), (CircuitState::Open, 2, Some(CircuitCause::Failing)));
    let half = after(&sick, &ping(Observed::Well, true, NOW.plus(2)), false).unwrap();
    assert_eq!(half.state, CircuitState::HalfOpen);
    let worse = after(&half, &attempt(Observed::Badly, NOW.plus(3)), false).unwrap();
    assert_eq!((worse.state, worse.trips), (CircuitState::Open, 3));
    let well = after(&half, &attempt(Observed::Well, NOW.plus(3)), false).unwrap();
    assert_eq!(well, Circuit::closed(NOW.plus(3)));
}

#[test]
fn an_old_attempts_failure_is_not_held_against_a_worker_that_is_back() {
    let closed = Circuit::closed(NOW.plus(1_000));
    let late = report(Observed::Unreached, Observer::Attempt(NOW), NOW.plus(15_000));
    assert_eq!(after(&closed, &late, false), None);
    let new = report(Observed::Unreached, Observer::Attempt(NOW.plus(1_000)), NOW.plus(15_000));
    assert!(after(&closed, &new, false).is_some());
}

#[test]
fn a_worker_that_is_heard_of_is_pinged_at_once() {
    assert_eq!(heard_of(&Circuit::closed(NOW)), None);
    let due = heard_of(&unreachable()).unwrap();
    assert_eq!((due.until, due.trips), (Some(NOW), 1));
    assert_eq!(heard_of(&due), None, "it is due already");
}

#[test]
fn the_window_wants_enough_of_them_and_forgets() {
    let mut window = Window::default();
    let count = |window: &mut Window, observed, at| window.count(&attempt(observed, at));
    for _ in 0..9 {
        assert!(!count(&mut window, Observed::Badly, NOW), "too few to tell");
    }
    assert!(count(&mut window, Observed::Badly, NOW));
    for _ in 0..2 {
        count(&mut window, Observed::Well, NOW);
    }
    assert!(count(&mut window, Observed::Badly, NOW), "11 of 13");
    count(&mut window, Observed::Well, NOW);
    assert!(!count(&mut window, Observed::Well, NOW), "11 of 15");
    assert!(!count(&mut window, Observed::Badly, NOW.plus(61_000)), "all that is forgotten");
}

fn any_observation() -> impl Strategy<Value = (Observed, bool, bool, i64, bool)> {
    let observed = prop_oneof![Just(Observed::Well), Just(Observed::Badly), Just(Observed::Unreached)];
    // Whether a ping, whether taken, how long after the one before, failing.
    (observed, any::<bool>(), any::<bool>(), 0i64..400_000, any::<bool>())
}

proptest! {
    #[test]
    fn it_always_has_a_way_back(steps in proptest::collection::vec(any_observation(), 0..60), random in 0.0f64..=1.0) {
        let (mut circuit, mut now) = (Circuit::closed(NOW), NOW);
        for (observed, is_ping, taken, pass, failing) in steps {
            now = now.plus(pass);
            let by = if is_ping { Observer::Ping { taken } } else { Observer::Attempt(now) };
            let report = Observation { random, ..report(observed, by, now) };
            if let Some(next) = after(&circuit, &report, failing) {
                prop_assert_ne!(&next, &circuit);
                circuit = next;
            }
            prop_assert!(circuit.since <= now);
            match circuit.state {
                CircuitState::Closed => prop_assert_eq!(&circuit, &Circuit::closed(circuit.since)),
                CircuitState::HalfOpen => prop_assert!(circuit.cause.is_some() && circuit.until.is_none()),
                CircuitState::Open => {
                    prop_assert!(circuit.cause.is_some() && circuit.trips > 0);
                    // A ping falls due, within the longest pause and its jitter.
                    let until = circuit.until.unwrap();
                    prop_assert!(until > circuit.since && until <= now.plus(360_000));
                }
            }
        }
        // Whatever came: one good ping and one good delivery later all flows.
        for good in [ping(Observed::Well, true, now), attempt(Observed::Well, now)] {
            circuit = after(&circuit, &good, false).unwrap_or(circuit);
        }
        prop_assert_eq!(circuit.state, CircuitState::Closed);
    }

    #[test]
    fn good_news_never_opens(state in 0..3usize, taken: bool, failing: bool) {
        let circuits = [Circuit::closed(NOW), unreachable(), self::failing()];
        for by in [Observer::Attempt(NOW), Observer::Ping { taken }] {
            let next = after(&circuits[state], &report(Observed::Well, by, NOW), failing);
            prop_assert!(next.is_none_or(|next| next.state != CircuitState::Open));
        }
    }
}
