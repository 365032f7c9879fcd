//! What follows from an attempt: a pure function of the policy, the past, the
//! outcome, the time and a random number.
//!
//! * 2xx: delivered. 410: the worker is gone.
//! * Any other answer is a failure and uses up one attempt of the schedule;
//!   429 and 503 may ask for more time (`Retry-After`). The schedule's end, or
//!   the time after which to give up, makes a dead letter.
//! * A delivery that the next of its entity waits for is given up after six
//!   failures at the latest.
//! * No answer (DNS, connect, TLS, timeout) uses up nothing: the worker is
//!   left alone for a while that doubles from failure to failure.
//! * A worker whose clock differs too much is asked again later, and nothing
//!   is used up either: the event is not at fault.

use crate::config::Delivery;
use crate::store::{DeadReason, Next};
use postern_protocol::UnixMillis;
use postern_protocol::api::AttemptOutcome;
use std::time::Duration;

/// How long a delivery is held when the worker's clock is off.
const SKEW_HOLD: Duration = Duration::from_secs(60);
/// How long a worker may ask for at least, however short the schedule's waits.
const RETRY_AFTER_BOUND: Duration = Duration::from_secs(3600);

/// How many attempts are made of a delivery that others of its entity wait for.
const ORDERED_ATTEMPTS: u32 = 6;

/// What came before this attempt.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Past {
    /// Answered failures of the delivery.
    pub(crate) failures: u32,
    /// Transport failures of the worker in a row.
    pub(crate) transport_failures: u32,
    /// Whether the next of its entity waits for it.
    pub(crate) ordered: bool,
    /// When the delivery's first attempt was made; absent: this is it.
    pub(crate) first_attempt_at: Option<UnixMillis>,
}

/// What came of this attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome<'a> {
    /// Its kind.
    pub(crate) kind: AttemptOutcome,
    /// The status, when an answer came.
    pub(crate) status: Option<u16>,
    /// `Retry-After`, as the worker wrote it.
    pub(crate) retry_after: Option<&'a str>,
}

/// What follows. `random` is from 0 to 1.
pub(crate) fn decide(
    policy: &Delivery,
    past: Past,
    outcome: Outcome<'_>,
    now: UnixMillis,
    random: f64,
) -> Next {
    let later = |wait: Duration| now.plus(jittered(wait, policy.jitter, random));
    match outcome.kind {
        AttemptOutcome::Delivered => Next::Delivered,
        AttemptOutcome::Refused if outcome.status == Some(410) => Next::WorkerGone,
        AttemptOutcome::Refused => {
            let first = past.first_attempt_at.unwrap_or(now);
            let deadline = first.plus(millis(policy.give_up_after));
            let next =
                usize::try_from(past.failures).ok().and_then(|n| policy.schedule.get(n.saturating_add(1)));
            let holds_back_enough = past.ordered && past.failures.saturating_add(1) >= ORDERED_ATTEMPTS;
            match next {
                Some(wait) if now < deadline && !holds_back_enough => {
                    let asked = asked_for(policy, outcome, now).unwrap_or(now);
                    Next::RetryAt(later(*wait).max(asked).min(deadline))
                }
                _ => Next::Dead(DeadReason::Exhausted),
            }
        }
        AttemptOutcome::ClockSkew => Next::HoldUntil(later(SKEW_HOLD)),
        AttemptOutcome::Dns | AttemptOutcome::Connect | AttemptOutcome::Tls | AttemptOutcome::Timeout => {
            let doubled = 2u32.saturating_pow(past.transport_failures.min(31));
            Next::WorkerUnreachableUntil(later(
                policy.backoff_min.saturating_mul(doubled).min(policy.backoff_max),
            ))
        }
    }
}

/// Until when the worker asked to be left alone, within reason.
fn asked_for(policy: &Delivery, outcome: Outcome<'_>, now: UnixMillis) -> Option<UnixMillis> {
    if !matches!(outcome.status, Some(429 | 503)) {
        return None;
    }
    let asked = parse_retry_after(outcome.retry_after?, now)?;
    let bound = policy.schedule.iter().max().copied().unwrap_or_default().max(RETRY_AFTER_BOUND);
    Some(asked.min(now.plus(millis(bound))))
}

/// `Retry-After` as seconds or as an HTTP date (RFC 9110, section 10.2.3; the
/// obsolete date forms are not read).
fn parse_retry_after(text: &str, now: UnixMillis) -> Option<UnixMillis> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        // Digits that do not fit mean very long.
        let seconds = text.parse::<i64>().unwrap_or(i64::MAX);
        return Some(now.plus(seconds.saturating_mul(1000)));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(UnixMillis(date.as_millisecond()))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "waits are far from the limits"
)]
fn jittered(wait: Duration, jitter: f64, random: f64) -> i64 {
    let factor = 1.0 + jitter * (2.0 * random.clamp(0.0, 1.0) - 1.0);
    (millis(wait) as f64 * factor).round() as i64
}

fn millis(wait: Duration) -> i64 {
    i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
