use super::*;
use postern_protocol::span::Span;
use proptest::prelude::*;

const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
const SECOND: i64 = 1000;

fn settings() -> Delivery {
    crate::config::Config::defaults().unwrap().delivery
}

/// By the proxy's own policy.
fn decide(past: Past, outcome: Outcome<'_>, random: f64) -> Next {
    super::decide(Policy::new(&settings(), None), past, outcome, NOW, random)
}

fn answered(status: u16) -> Outcome<'static> {
    Outcome { kind: AttemptOutcome::Refused, status: Some(status), retry_after: None, lively: false }
}

fn without_answer(kind: AttemptOutcome, lively: bool) -> Outcome<'static> {
    Outcome { kind, status: None, retry_after: None, lively }
}

fn after(failures: u32) -> Past {
    Past { failures, ..Past::default() }
}

fn wait(next: Next) -> i64 {
    match next {
        Next::RetryAt(at) | Next::HoldUntil(at) => at.since(NOW),
        other => panic!("{other:?} waits for nothing"),
    }
}

#[test]
fn the_default_schedule() {
    let waits: Vec<_> = (0..10).map(|n| wait(decide(after(n), answered(500), 0.5)) / SECOND).collect();
    assert_eq!(waits, [5, 60, 300, 900, 3600, 14400, 14400, 14400, 14400, 14400]);
    assert_eq!(decide(after(10), answered(500), 0.5), Next::Dead(DeadReason::Exhausted));
    assert_eq!(decide(after(u32::MAX), answered(500), 0.5), Next::Dead(DeadReason::Exhausted));
}

#[test]
fn gives_up_in_time() {
    let past =
        |hours: i64| Past { failures: 5, counts_from: Some(NOW.plus(-hours * 3600 * SECOND)), ..after(5) };
    assert_eq!(wait(decide(past(1), answered(500), 0.5)), 4 * 3600 * SECOND);
    assert_eq!(wait(decide(past(22), answered(500), 0.5)), 2 * 3600 * SECOND, "one last time");
    assert_eq!(decide(past(24), answered(500), 0.5), Next::Dead(DeadReason::Exhausted));
}

#[test]
fn statuses() {
    let delivered = Outcome { kind: AttemptOutcome::Delivered, ..answered(204) };
    assert_eq!(decide(after(3), delivered, 0.0), Next::Delivered);
    assert_eq!(decide(after(0), answered(410), 0.0), Next::WorkerGone);
    for status in [301, 302, 307, 400, 401, 404, 413, 500, 502] {
        assert!(matches!(decide(after(0), answered(status), 0.5), Next::RetryAt(_)), "{status}");
    }
}

#[test]
fn one_that_others_wait_for_is_given_up_after_six_attempts() {
    let settings = settings();
    let policy = Policy::new(&settings, None).at_most(ORDERED_ATTEMPTS);
    let next = |failures| super::decide(policy, after(failures), answered(500), NOW, 0.5);
    assert!(matches!(next(4), Next::RetryAt(_)));
    assert_eq!(next(5), Next::Dead(DeadReason::Exhausted));
}

#[test]
fn retry_after_lengthens_and_never_shortens() {
    let asked = |status, text, failures| {
        let outcome = Outcome { retry_after: Some(text), ..answered(status) };
        wait(decide(after(failures), outcome, 0.5)) / SECOND
    };
    assert_eq!(asked(503, "120", 0), 120);
    assert_eq!(asked(429, " 120 ", 0), 120);
    assert_eq!(asked(503, "1", 1), 60, "the schedule's wait is longer");
    assert_eq!(asked(500, "120", 0), 5, "only 429 and 503 may ask");
    assert_eq!(asked(503, "999999999999999999999999", 0), 4 * 3600, "bounded");
    for unreadable in ["", "soon", "-5", "1.5", "Mon, 99 Foo 2026"] {
        assert_eq!(asked(503, unreadable, 0), 5, "{unreadable}");
    }
}

#[test]
fn retry_after_as_a_date() {
    // 2027-01-15T08:00:00Z is NOW.
    let outcome = Outcome { retry_after: Some("Fri, 15 Jan 2027 08:02:00 GMT"), ..answered(503) };
    assert_eq!(wait(decide(after(0), outcome, 0.5)), 120 * SECOND);
    let past = Outcome { retry_after: Some("Fri, 15 Jan 2027 07:00:00 GMT"), ..answered(503) };
    assert_eq!(wait(decide(after(0), past, 0.5)), 5 * SECOND);
}

#[test]
fn a_worker_out_of_reach_costs_nothing() {
    for kind in [AttemptOutcome::Dns, AttemptOutcome::Connect, AttemptOutcome::Tls, AttemptOutcome::Timeout] {
        assert_eq!(decide(after(10), without_answer(kind, false), 0.5), Next::NotReached);
    }
}

#[test]
fn what_alone_does_not_get_through_is_put_aside_ever_longer() {
    let waits: Vec<_> = [0, 1, 2, 3, 8, 9, 31, u32::MAX]
        .into_iter()
        .map(|unanswered| {
            let past = Past { unanswered, ..after(10) };
            wait(decide(past, without_answer(AttemptOutcome::Connect, true), 0.5)) / SECOND
        })
        .collect();
    assert_eq!(waits, [1, 2, 4, 8, 256, 300, 300, 300]);
}

#[test]
fn an_event_that_never_gets_an_answer_fails_in_the_end() {
    let timeout = |lively, unanswered, failures| {
        let past = Past { unanswered, ..after(failures) };
        decide(past, without_answer(AttemptOutcome::Timeout, lively), 0.5)
    };
    assert_eq!(timeout(false, FORGIVEN - 1, 0), Next::NotReached, "it may be gone to sleep");
    assert!(matches!(timeout(true, FORGIVEN - 1, 0), Next::HoldUntil(_)), "a connection may break");
    for lively in [true, false] {
        assert_eq!(wait(timeout(lively, FORGIVEN, 0)), 5 * SECOND);
        assert_eq!(timeout(lively, FORGIVEN, 10), Next::Dead(DeadReason::Exhausted));
    }
}

#[test]
fn a_wrong_clock_uses_up_nothing() {
    let skewed = Outcome { kind: AttemptOutcome::ClockSkew, ..answered(401) };
    assert_eq!(wait(decide(after(10), skewed, 0.5)), 60 * SECOND);
}

fn transport() -> impl Strategy<Value = AttemptOutcome> {
    prop_oneof![
        Just(AttemptOutcome::Dns),
        Just(AttemptOutcome::Connect),
        Just(AttemptOutcome::Tls),
        Just(AttemptOutcome::Timeout)
    ]
}

/// Any policy a worker may have, or none.
fn own() -> impl Strategy<Value = Option<RetryPolicy>> {
    let span = |most: u64| (1..=most).prop_map(Span::seconds);
    let strategy = prop_oneof![
        Just(RetryStrategy::Classic),
        (span(100), 1.0..=10.0f64, span(100_000), 1..=50u32).prop_map(|(initial, factor, max, attempts)| {
            RetryStrategy::Exponential { initial, factor, max: max.max(initial), attempts }
        }),
        (span(1_000), span(100_000), 1..=50u32).prop_map(|(step, max, attempts)| {
            RetryStrategy::Linear { step, max: max.max(step), attempts }
        }),
        proptest::collection::vec(span(100_000), 0..49).prop_map(|waits| RetryStrategy::List { waits }),
    ];
    let policy = (strategy, proptest::option::of(0.0..=0.5f64), proptest::option::of(span(2_000_000)));
    proptest::option::of(policy.prop_map(|(strategy, jitter, give_up_after)| RetryPolicy {
        strategy,
        jitter,
        give_up_after,
    }))
}

proptest! {
    #[test]
    fn a_failure_is_retried_in_time_or_dead(
        own in own(), cap in proptest::option::of(1..8u32), failures in 0u32..60, random in 0.0f64..=1.0,
        age in 0i64..2_000_000 * SECOND,
    ) {
        let settings = settings();
        let policy = Policy::new(&settings, own.as_ref());
        let policy = cap.map_or(policy, |cap| policy.at_most(cap));
        let attempts = own.as_ref().map_or(11, |own| own.strategy.attempts()).min(cap.unwrap_or(u32::MAX));
        let give_up = own.as_ref().and_then(|own| own.give_up_after).map_or(86_400_000, |age| millis(age.duration()));
        let past = Past { counts_from: Some(NOW.plus(-age)), ..after(failures) };
        match super::decide(policy, past, answered(500), NOW, random) {
            Next::RetryAt(at) => {
                prop_assert!(failures + 1 < attempts, "no more attempts than the policy has");
                prop_assert!(at > NOW && at <= NOW.plus(give_up - age), "and none past the deadline");
            }
            Next::Dead(DeadReason::Exhausted) => prop_assert!(failures + 1 >= attempts || age >= give_up),
            other => prop_assert!(false, "{other:?}"),
        }
    }

    #[test]
    fn jitter_keeps_its_bounds(own in own(), failures in 0u32..50, random in 0.0f64..=1.0) {
        let settings = settings();
        let policy = Policy { give_up_after: Duration::from_secs(3_650 * 86_400), ..Policy::new(&settings, own.as_ref()) };
        let Some(exact) = policy.wait(failures + 1) else { return Ok(()) };
        let next = super::decide(policy, Past { counts_from: Some(NOW), ..after(failures) }, answered(500), NOW, random);
        let (varied, exact) = (wait(next) as f64, millis(exact) as f64);
        prop_assert!((varied - exact).abs() <= exact * policy.jitter + 1.0);
    }

    #[test]
    fn waits_never_shrink(own in own(), failures in 0u32..50, random in 0.0f64..=1.0) {
        let settings = settings();
        let listed = own.as_ref().is_some_and(|own| matches!(own.strategy, RetryStrategy::List { .. }));
        let policy = Policy { give_up_after: Duration::from_secs(3_650 * 86_400), ..Policy::new(&settings, own.as_ref()) };
        let next = |failures| super::decide(policy, after(failures), answered(500), NOW, random);
        if let (false, Next::RetryAt(one), Next::RetryAt(later)) = (listed, next(failures), next(failures + 1)) {
            prop_assert!(one <= later);
        }
    }

    #[test]
    fn never_earlier_than_asked_for_within_bounds(
        own in own(), failures in 0u32..50, random in 0.0f64..=1.0, asked in 0i64..100_000, as_date: bool,
    ) {
        let settings = settings();
        let policy = Policy::new(&settings, own.as_ref());
        let then = NOW.plus(asked * SECOND);
        let text = if as_date {
            let date = jiff::Timestamp::from_millisecond(then.0).unwrap();
            date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
        } else {
            asked.to_string()
        };
        let outcome = Outcome { retry_after: Some(&text), ..answered(503) };
        if let Next::RetryAt(at) = super::decide(policy, after(failures), outcome, NOW, random) {
            let bound = NOW.plus(millis(policy.longest_asked())).min(NOW.plus(millis(policy.give_up_after)));
            prop_assert!(at >= then.min(bound), "{text}");
        }
    }

    #[test]
    fn no_answer_uses_up_nothing_for_a_while(
        kind in transport(), failures: u32, unanswered: u32, lively: bool, random in 0.0f64..=1.0,
    ) {
        let past = Past { failures, unanswered, counts_from: Some(UnixMillis(0)) };
        match decide(past, without_answer(kind, lively), random) {
            Next::NotReached => prop_assert!(!lively),
            Next::HoldUntil(at) => prop_assert!(lively && at > NOW && at <= NOW.plus(360_000)),
            _ => prop_assert!(kind == AttemptOutcome::Timeout && unanswered >= FORGIVEN),
        }
    }
}

#[test]
fn any_retry_after_is_read_or_passed_over() {
    let settings = settings();
    let policy = Policy::new(&settings, None);
    crate::fuzz::run("retry_after", |data| {
        let text = String::from_utf8_lossy(data);
        for now in [NOW, UnixMillis(0), UnixMillis(i64::MAX), UnixMillis(i64::MIN)] {
            let _ = parse_retry_after(&text, now);
        }
        let outcome = Outcome { retry_after: Some(&text), ..answered(503) };
        let Next::RetryAt(at) = super::decide(policy, after(0), outcome, NOW, 0.5) else { panic!() };
        let unasked = super::decide(policy, after(0), answered(503), NOW, 0.5);
        assert!(Next::RetryAt(at.min(NOW.plus(5 * SECOND))) == unasked, "never sooner");
        assert!(at <= NOW.plus(millis(policy.longest_asked())), "nor later than it may ask for");
    });
}
