use super::*;
use proptest::prelude::*;

const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
const SECOND: i64 = 1000;

fn policy() -> Delivery {
    crate::config::Config::defaults().unwrap().delivery
}

fn answered(status: u16) -> Outcome<'static> {
    Outcome { kind: AttemptOutcome::Refused, status: Some(status), retry_after: None }
}

fn without_answer(kind: AttemptOutcome) -> Outcome<'static> {
    Outcome { kind, status: None, retry_after: None }
}

fn after(failures: u32) -> Past {
    Past { failures, ..Past::default() }
}

fn wait(next: Next) -> i64 {
    match next {
        Next::RetryAt(at) | Next::HoldUntil(at) | Next::WorkerUnreachableUntil(at) => at.since(NOW),
        other => panic!("{other:?} waits for nothing"),
    }
}

#[test]
fn the_default_schedule() {
    let waits: Vec<_> =
        (0..10).map(|n| wait(decide(&policy(), after(n), answered(500), NOW, 0.5)) / SECOND).collect();
    assert_eq!(waits, [5, 60, 300, 900, 3600, 14400, 14400, 14400, 14400, 14400]);
    assert_eq!(decide(&policy(), after(10), answered(500), NOW, 0.5), Next::Dead(DeadReason::Exhausted));
    assert_eq!(
        decide(&policy(), after(u32::MAX), answered(500), NOW, 0.5),
        Next::Dead(DeadReason::Exhausted)
    );
}

#[test]
fn gives_up_in_time() {
    let past = |hours: i64| Past {
        failures: 5,
        first_attempt_at: Some(NOW.plus(-hours * 3600 * SECOND)),
        ..after(5)
    };
    assert_eq!(wait(decide(&policy(), past(1), answered(500), NOW, 0.5)), 4 * 3600 * SECOND);
    assert_eq!(
        wait(decide(&policy(), past(22), answered(500), NOW, 0.5)),
        2 * 3600 * SECOND,
        "one last time"
    );
    assert_eq!(decide(&policy(), past(24), answered(500), NOW, 0.5), Next::Dead(DeadReason::Exhausted));
}

#[test]
fn statuses() {
    let delivered = Outcome { kind: AttemptOutcome::Delivered, status: Some(204), retry_after: None };
    assert_eq!(decide(&policy(), after(3), delivered, NOW, 0.0), Next::Delivered);
    assert_eq!(decide(&policy(), after(0), answered(410), NOW, 0.0), Next::WorkerGone);
    for status in [301, 302, 307, 400, 401, 404, 408, 413, 500, 502] {
        assert!(
            matches!(decide(&policy(), after(0), answered(status), NOW, 0.5), Next::RetryAt(_)),
            "{status}"
        );
    }
}

#[test]
fn one_that_others_wait_for_is_given_up_after_six_attempts() {
    let next =
        |failures| decide(&policy(), Past { ordered: true, ..after(failures) }, answered(500), NOW, 0.5);
    assert!(matches!(next(4), Next::RetryAt(_)));
    assert_eq!(next(5), Next::Dead(DeadReason::Exhausted));
}

#[test]
fn retry_after_lengthens_and_never_shortens() {
    let asked = |status, text, failures| {
        let outcome = Outcome { retry_after: Some(text), ..answered(status) };
        wait(decide(&policy(), after(failures), outcome, NOW, 0.5)) / SECOND
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
    assert_eq!(wait(decide(&policy(), after(0), outcome, NOW, 0.5)), 120 * SECOND);
    let past = Outcome { retry_after: Some("Fri, 15 Jan 2027 07:00:00 GMT"), ..answered(503) };
    assert_eq!(wait(decide(&policy(), after(0), past, NOW, 0.5)), 5 * SECOND);
}

#[test]
fn an_unreachable_worker_is_left_alone_ever_longer() {
    let waits: Vec<_> = [0, 1, 2, 3, 8, 9, 31, u32::MAX]
        .into_iter()
        .map(|transport_failures| {
            let past = Past { transport_failures, ..after(10) };
            wait(decide(&policy(), past, without_answer(AttemptOutcome::Connect), NOW, 0.5)) / SECOND
        })
        .collect();
    assert_eq!(waits, [1, 2, 4, 8, 256, 300, 300, 300]);
}

#[test]
fn a_wrong_clock_uses_up_nothing() {
    let skewed = Outcome { kind: AttemptOutcome::ClockSkew, status: Some(401), retry_after: None };
    assert_eq!(wait(decide(&policy(), after(10), skewed, NOW, 0.5)), 60 * SECOND);
}

fn transport() -> impl Strategy<Value = AttemptOutcome> {
    prop_oneof![
        Just(AttemptOutcome::Dns),
        Just(AttemptOutcome::Connect),
        Just(AttemptOutcome::Tls),
        Just(AttemptOutcome::Timeout)
    ]
}

proptest! {
    #[test]
    fn an_answered_failure_is_retried_later_or_dead(
        failures in 0u32..20, status in 300u16..600, random in 0.0f64..=1.0, text in "\\PC{0,12}",
        age in 0i64..40 * 3600 * 1000,
    ) {
        prop_assume!(status != 410);
        let past = Past { first_attempt_at: Some(NOW.plus(-age)), ..after(failures) };
        let outcome = Outcome { retry_after: Some(&text), ..answered(status) };
        match decide(&policy(), past, outcome, NOW, random) {
            Next::RetryAt(at) => {
                prop_assert!(at > NOW && failures < 10);
                prop_assert!(at <= NOW.plus(-age + 24 * 3600 * 1000));
            }
            Next::Dead(DeadReason::Exhausted) => prop_assert!(failures >= 10 || age >= 24 * 3600 * 1000),
            other => prop_assert!(false, "{other:?}"),
        }
    }

    #[test]
    fn jitter_keeps_to_a_fifth(failures in 0u32..10, random in 0.0f64..=1.0) {
        let exact = wait(decide(&policy(), after(failures), answered(500), NOW, 0.5));
        let varied = wait(decide(&policy(), after(failures), answered(500), NOW, random));
        prop_assert!(varied * 10 >= exact * 8 && varied * 10 <= exact * 12);
    }

    #[test]
    fn no_answer_never_uses_up_an_attempt(kind in transport(), failures: u32, row: u32, random in 0.0f64..=1.0) {
        let past = Past { failures, transport_failures: row, ordered: false, first_attempt_at: Some(UnixMillis(0)) };
        let next = decide(&policy(), past, without_answer(kind), NOW, random);
        prop_assert!(matches!(next, Next::WorkerUnreachableUntil(at) if at > NOW && at <= NOW.plus(360_000)));
    }

    #[test]
    fn any_retry_after_is_read_or_passed_over(text in "\\PC*", now: i64) {
        let _ = parse_retry_after(&text, UnixMillis(now));
    }
}
