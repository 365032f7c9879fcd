use super::*;
use proptest::prelude::*;
use serde_json::json;

fn change(json: serde_json::Value) -> Result<WorkerPolicy, String> {
    let change: PolicyChange = serde_json::from_value(json).map_err(|e| e.to_string())?;
    change.apply(&WorkerPolicy::default()).map_err(|e| e.to_string())
}

fn waits(text: &str) -> Vec<u64> {
    let strategy = text.parse::<RetryPolicy>().unwrap().strategy;
    (1..).map_while(|failures| strategy.wait(failures)).map(|wait| wait.as_secs()).collect()
}

#[test]
fn the_strategies() {
    assert_eq!(waits("classic"), [60, 300, 900, 3_600, 14_400]);
    assert_eq!(waits("exponential:5s,2,1m,7"), [5, 10, 20, 40, 60, 60]);
    assert_eq!(waits("linear:1m,150s,5"), [60, 120, 150, 150]);
    assert_eq!(waits("5s, 1m,10m"), [5, 60, 600]);
    assert_eq!(waits("linear:1m,1m,1"), [0u64; 0], "one attempt and no other");
}

#[test]
fn as_json() {
    let policy = change(json!({
        "retry": {"strategy": "exponential", "initial": "5s", "factor": 2, "max": "1h", "attempts": 10,
                  "giveUpAfter": "48h", "jitter": 0.1},
        "maxInFlight": 4, "rate": {"count": 100, "per": "1m"}, "unknown": true,
    }))
    .unwrap();
    let retry = policy.retry.clone().unwrap();
    assert_eq!((retry.to_string().as_str(), retry.jitter), ("exponential:5s,2,1h,10", Some(0.1)));
    assert_eq!(retry.give_up_after, Some(Span::seconds(48 * 3600)));
    let kept = PolicyChange::default().apply(&policy).unwrap();
    assert_eq!(kept, policy, "what is absent stays");
    let reset: PolicyChange = serde_json::from_value(json!({"retry": null, "rate": null})).unwrap();
    let reset = reset.apply(&policy).unwrap();
    assert_eq!((reset.retry, reset.max_in_flight, reset.rate), (None, Some(4), None));
    let again: WorkerPolicy = serde_json::from_value(serde_json::to_value(&policy).unwrap()).unwrap();
    assert_eq!(again, policy);
}

#[test]
fn what_cannot_be_is_said() {
    let retry = |json: serde_json::Value| change(json!({ "retry": json })).unwrap_err();
    assert!(
        retry(json!({"strategy": "linear", "step": "1ms", "max": "1s", "attempts": 3})).contains("100ms")
    );
    assert!(
        retry(json!({"strategy": "linear", "step": "5s", "max": "1s", "attempts": 3})).contains("retry.max")
    );
    assert!(retry(json!({"strategy": "linear", "step": "1s", "max": "1s", "attempts": 51})).contains("50"));
    assert!(retry(json!({"strategy": "linear", "step": "1s", "max": "1s", "attempts": 0})).contains("50"));
    let exponential = |factor: f64| {
        retry(
            json!({"strategy": "exponential", "initial": "1s", "factor": factor, "max": "1s", "attempts": 2}),
        )
    };
    assert!(exponential(0.5).contains("retry.factor") && exponential(11.0).contains("retry.factor"));
    assert!(retry(json!({"strategy": "list", "waits": ["31d"]})).contains("retry.waits"));
    assert!(retry(json!({"strategy": "classic", "jitter": 0.6})).contains("retry.jitter"));
    assert!(retry(json!({"strategy": "classic", "giveUpAfter": "0s"})).contains("giveUpAfter"));
    assert!(change(json!({"maxInFlight": 0})).unwrap_err().contains("maxInFlight"));
    assert!(change(json!({"rate": {"count": 0, "per": "1s"}})).unwrap_err().contains("rate.count"));
    assert!(change(json!({"rate": {"count": 1, "per": "2d"}})).unwrap_err().contains("rate.per"));
    for text in
        ["", "often", "classic:1s", "linear:1m", "linear:1m,1h,x", "5s,soon", "exponential:1s,NaN,1h,3"]
    {
        assert!(text.parse::<RetryPolicy>().is_err(), "{text}");
    }
}

fn any_policy() -> impl Strategy<Value = RetryPolicy> {
    let span = |most: u64| (1..=most).prop_map(Span::seconds);
    prop_oneof![
        Just(RetryPolicy::new(RetryStrategy::Classic)),
        (span(100), 1.0..=10.0f64, span(1_000_000), 1..=50u32).prop_map(
            |(initial, factor, max, attempts)| {
                let max = max.max(initial);
                RetryPolicy::new(RetryStrategy::Exponential { initial, factor, max, attempts })
            }
        ),
        (span(1_000), span(1_000_000), 1..=50u32).prop_map(|(step, max, attempts)| {
            RetryPolicy::new(RetryStrategy::Linear { step, max: max.max(step), attempts })
        }),
        proptest::collection::vec(span(100_000), 1..49)
            .prop_map(|waits| RetryPolicy::new(RetryStrategy::List { waits })),
    ]
}

proptest! {
    #[test]
    fn text_says_it_all(policy in any_policy()) {
        prop_assert_eq!(policy.to_string().parse::<RetryPolicy>(), Ok(policy));
    }

    #[test]
    fn as_many_waits_as_attempts_after_the_first(policy in any_policy(), failures: u32) {
        let strategy = &policy.strategy;
        let wait = strategy.wait(failures);
        prop_assert_eq!(wait.is_some(), failures > 0 && failures < strategy.attempts());
        prop_assert!(wait.is_none_or(|wait| wait <= strategy.longest()));
    }

    #[test]
    fn growing_ones_never_shrink(policy in any_policy(), failures in 1u32..50) {
        let strategy = &policy.strategy;
        if !matches!(strategy, RetryStrategy::List { .. })
            && let (Some(one), Some(next)) = (strategy.wait(failures), strategy.wait(failures + 1))
        {
            prop_assert!(one <= next);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC*") {
        let _ = text.parse::<RetryPolicy>();
    }
}

#[test]
fn a_strategy_is_named_and_has_what_it_needs() {
    let read = |json: &str| serde_json::from_str::<PolicyChange>(json).map_err(|error| error.to_string());
    assert!(read(r#"{"retry": {"strategy": "list", "waits": []}}"#).is_ok());
    assert!(read(r#"{"retry": {"strategy": 0, "waits": []}}"#).is_err());
    let error = read(r#"{"retry": {"strategy": "linear", "max": "1h", "attempts": 3}}"#).unwrap_err();
    assert!(error.contains("retry.step"), "{error}");
}
