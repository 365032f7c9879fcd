use super::super::tests::{headers as list, schemes, secrets};
use super::*;

const NOW: UnixMillis = UnixMillis(1_700_000_000_123);
const BODY: &str = r#"{"webhookTimestamp":1700000000123}"#;

fn passed(steps: &[Step]) -> Vec<Option<bool>> {
    steps.iter().map(|step| step.passed).collect()
}

/// The steps, a line each.
fn told(scheme: &Scheme, secret: &str, headers: &HeaderList, body: &str, now: UnixMillis) -> String {
    let steps = explain(scheme, &secrets(&[secret])[0], headers, body.as_bytes(), now);
    let sign = |passed| match passed {
        Some(true) => '+',
        Some(false) => '-',
        None => ' ',
    };
    steps.iter().map(|s| format!("{} {}: {}\n", sign(s.passed), s.name, s.reason)).collect()
}

fn signed(scheme: &Scheme, secret: &str, body: &str) -> HeaderList {
    let before = list(&[(WEBHOOK_ID, "msg_1")]);
    resign(scheme, &secrets(&[secret])[0], &before, body.as_bytes(), NOW).unwrap().headers
}

#[test]
fn what_is_signed_and_fresh_passes_in_all_schemes() {
    for scheme in schemes() {
        let headers = signed(&scheme, "local", BODY);
        let steps = explain(&scheme, &secrets(&["local"])[0], &headers, BODY.as_bytes(), NOW);
        let time = scheme.tolerance().map(|_| true);
        assert_eq!(passed(&steps), [Some(true), Some(true), time], "{scheme:?}: {steps:?}");
    }
    assert!(explain(&Scheme::None, &secrets(&["local"])[0], &list(&[]), b"", NOW).is_empty());
}

#[test]
fn with_another_secret_the_signature_fails_and_both_are_shown() {
    for scheme in schemes() {
        let headers = signed(&scheme, "theirs", BODY);
        let steps = explain(&scheme, &secrets(&["local"])[0], &headers, BODY.as_bytes(), NOW);
        assert_eq!(passed(&steps), [Some(true), Some(false), None], "{scheme:?}");
        let reason = &steps[1].reason;
        let shown: Vec<_> = reason.split('`').skip(1).step_by(2).collect();
        assert_eq!(shown.len(), 2, "{scheme:?}: {reason}");
        assert_ne!(shown[0], shown[1], "{reason}");
        let received =
            list(&headers.iter().map(|(n, v)| (n, std::str::from_utf8(v).unwrap())).collect::<Vec<_>>());
        let tag = shown[1].trim_end_matches('…');
        assert!(received.iter().any(|(_, v)| String::from_utf8_lossy(v).contains(tag)), "{reason}");
        // And ours is what this secret would have made.
        let ours = signed(&scheme, "local", BODY);
        let tag = shown[0].trim_end_matches('…');
        assert!(ours.iter().any(|(_, v)| String::from_utf8_lossy(v).contains(tag)), "{scheme:?}: {reason}");
    }
}

#[test]
fn in_words() {
    let linear = Scheme::Linear;
    let good = signed(&linear, "local", BODY);
    let cases = [
        ("fresh", told(&linear, "local", &good, BODY, NOW)),
        ("three days later", told(&linear, "local", &good, BODY, UnixMillis(NOW.0 + 3 * 86_400_000))),
        ("before its time", told(&linear, "local", &good, BODY, UnixMillis(NOW.0 - 90_000))),
        ("another secret", told(&linear, "other", &good, BODY, NOW)),
        ("written anew", told(&linear, "local", &good, "{\n  \"webhookTimestamp\": 1700000000123\n}", NOW)),
        ("nothing there", told(&linear, "local", &list(&[]), BODY, NOW)),
        ("a fragment", told(&linear, "local", &list(&[("linear-signature", "12ab")]), BODY, NOW)),
        (
            "no time",
            told(
                &linear,
                "local",
                &list(&[("linear-signature", &linear::sign(&Secret::new("local"), b"{}"))]),
                "{}",
                NOW,
            ),
        ),
        ("GitHub's", told(&linear, "local", &signed(&Scheme::Github, "local", BODY), BODY, NOW)),
        (
            "no time signed",
            told(&Scheme::Github, "local", &signed(&Scheme::Github, "local", BODY), BODY, NOW),
        ),
        (
            "stripe, stale",
            told(
                &Scheme::Stripe,
                "local",
                &signed(&Scheme::Stripe, "local", BODY),
                BODY,
                UnixMillis(NOW.0 + 400_000),
            ),
        ),
    ];
    let text: String = cases.iter().map(|(name, steps)| format!("{name}\n{steps}\n")).collect();
    insta::assert_snapshot!(text);
}

#[test]
fn the_secret_is_never_shown() {
    for scheme in schemes() {
        for headers in [signed(&scheme, "theirs", BODY), list(&[])] {
            for step in explain(&scheme, &secrets(&["hush-hush"])[0], &headers, BODY.as_bytes(), NOW) {
                assert!(!step.reason.contains("hush"), "{}", step.reason);
            }
        }
    }
}
