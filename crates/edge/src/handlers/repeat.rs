//! Whether and when a try is made again: pure decisions.

use crate::api::{OutcomeKind, Repeat};
use crate::history::RunEnd;
use std::time::Duration;

/// The longest wait.
const LONGEST: Duration = Duration::from_secs(60);

/// How long to wait before the next try, after the try number `attempt`, from
/// 1, ended so; `None`: there is none.
pub(super) fn wait(repeat: Repeat, attempt: u32, end: &RunEnd) -> Option<Duration> {
    let passing = match end.status {
        None => true,
        Some(status) => matches!(status, 408 | 425 | 429 | 500..=599),
    };
    let again = end.outcome.kind == OutcomeKind::Failed && passing && attempt <= u32::from(repeat.count);
    again.then(|| {
        let factor = 1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
        Duration::from_millis(repeat.wait_ms.into()).saturating_mul(factor).min(LONGEST)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Outcome;

    fn end(status: Option<u16>) -> RunEnd {
        RunEnd { status, ..RunEnd::failed(1, "failed", "why") }
    }

    #[test]
    fn waits_double_up_to_a_minute() {
        let repeat = Repeat { count: 5, wait_ms: 10_000 };
        let waits: Vec<_> = (1..=6).map(|n| wait(repeat, n, &end(None)).map(|wait| wait.as_secs())).collect();
        assert_eq!(waits, [Some(10), Some(20), Some(40), Some(60), Some(60), None]);
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let repeat = Repeat { count: 1, wait_ms: 10 };
        for status in [None, Some(408), Some(425), Some(429), Some(500), Some(503), Some(599)] {
            assert!(wait(repeat, 1, &end(status)).is_some(), "{status:?}");
        }
        for status in [301, 400, 401, 404, 410, 422] {
            assert_eq!(wait(repeat, 1, &end(Some(status))), None, "{status}");
        }
        let outcome = Outcome { kind: OutcomeKind::Succeeded, label: "200".into() };
        assert_eq!(wait(repeat, 1, &RunEnd { outcome, ..end(Some(200)) }), None);
        assert_eq!(wait(Repeat { count: 0, wait_ms: 10 }, 1, &end(None)), None);
    }
}
