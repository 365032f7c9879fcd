//! What follows from an attempt: a pure function of the policy, the past, the
//! outcome, the time and a random number.
//!
//! * 2xx: delivered. 410: the worker is gone.
//! * Any other answer is a failure and uses up one attempt of the policy; 429
//!   and 503 may ask for more time (`Retry-After`). The policy's last attempt,
//!   or the time after which to give up, makes a dead letter.
//! * A delivery that the next of its entity waits for is given up after six
//!   failures at the latest.
//! * No answer (DNS, connect, TLS, timeout) uses up nothing: the worker's
//!   circuit opens, and the delivery waits for it. Where the worker answers
//!   others meanwhile, this one is put off for a while that doubles.
//! * A connection that is made, again and again, to a worker that was found to
//!   be there each time, and never brings an answer, is a failure of the event:
//!   or one that the worker chokes on would be sent for ever.
//! * A worker whose clock differs too much is asked again later, and nothing
//!   is used up either: the event is not at fault.

use crate::circuit::jittered;
use crate::config::Delivery;
use crate::store::{DeadReason, Next};
use postern_protocol::UnixMillis;
use postern_protocol::api::{AttemptOutcome, RetryPolicy, RetryStrategy};
use std::time::Duration;

/// How long a delivery is held when the worker's clock is off.
const SKEW_HOLD: Duration = Duration::from_secs(60);
/// How long a worker may ask for at least, however short the policy's waits.
const RETRY_AFTER_BOUND: Duration = Duration::from_secs(3600);

/// How many attempts are made of a delivery that others of its entity wait for.
pub(crate) const ORDERED_ATTEMPTS: u32 = 6;
/// When a delivery is tried again: the worker's own policy, or the proxy's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy<'a> {
    own: Option<&'a RetryStrategy>,
    schedule: &'a [Duration],
    most_attempts: u32,
    jitter: f64,
    give_up_after: Duration,
    /// How long a delivery is put off that alone did not get through.
    aside: (Duration, Duration),
}

impl<'a> Policy<'a> {
    /// A worker's policy, completed from the settings.
    pub(crate) fn new(settings: &'a Delivery, own: Option<&'a RetryPolicy>) -> Self {
        let given_up = own.and_then(|own| own.give_up_after).map(|age| age.duration());
        Self {
            own: own.map(|own| &own.strategy),
            schedule: &settings.schedule,
            most_attempts: u32::MAX,
            jitter: own.and_then(|own| own.jitter).unwrap_or(settings.jitter),
            give_up_after: given_up.unwrap_or(settings.give_up_after),
            aside: (settings.circuit.open_min, settings.circuit.open_max),
        }
    }

    /// With no more attempts than these, the first included.
    pub(crate) fn at_most(self, attempts: u32) -> Self {
        Self { most_attempts: attempts, ..self }
    }

    /// How long to wait after so many failures, from 1; `None`: give up.
    fn wait(&self, failures: u32) -> Option<Duration> {
        if failures >= self.most_attempts {
            return None;
        }
        match self.own {
            Some(strategy) => strategy.wait(failures),
            None => self.schedule.get(usize::try_from(failures).ok()?).copied(),
        }
    }

    /// The longest wait a worker may ask for.
    fn longest_asked(&self) -> Duration {
        let longest = match self.own {
            Some(strategy) => strategy.longest(),
            None => self.schedule.iter().max().copied().unwrap_or_default(),
        };
        longest.max(RETRY_AFTER_BOUND)
    }
}

/// How many attempts without an answer a delivery is forgiven, as long as the
/// worker can be connected to: some half an hour of them, which no run of
/// broken connections makes of one delivery.
const FORGIVEN: u32 = 16;

/// What came before this attempt.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Past {
    /// Answered failures of the delivery.
    pub(crate) failures: u32,
    /// Attempts of the delivery that used up nothing.
    pub(crate) unanswered: u32,
    /// From when on its age counts: its first answered attempt, later by the
    /// time it waited for its worker since; absent: this is the first.
    pub(crate) counts_from: Option<UnixMillis>,
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
    /// Whether the worker answered something else meanwhile.
    pub(crate) lively: bool,
}

/// What follows. `random` is from 0 to 1.
pub(crate) fn decide(
    policy: Policy<'_>,
    past: Past,
    outcome: Outcome<'_>,
    now: UnixMillis,
    random: f64,
) -> Next {
    let later = |wait: Duration| now.plus(jittered(wait, policy.jitter, random));
    let failed = || {
        let deadline = past.counts_from.unwrap_or(now).plus(millis(policy.give_up_after));
        match policy.wait(past.failures.saturating_add(1)) {
            Some(wait) if now < deadline => {
                let asked = asked_for(policy, outcome, now).unwrap_or(now);
                Next::RetryAt(later(wait).max(asked).min(deadline))
            }
            _ => Next::Dead(DeadReason::Exhausted),
        }
    };
    match outcome.kind {
        AttemptOutcome::Delivered => Next::Delivered,
        AttemptOutcome::Refused if outcome.status == Some(410) => Next::WorkerGone,
        AttemptOutcome::Refused => failed(),
        AttemptOutcome::ClockSkew => Next::HoldUntil(later(SKEW_HOLD)),
        AttemptOutcome::Timeout if past.unanswered >= FORGIVEN => failed(),
        AttemptOutcome::Dns | AttemptOutcome::Connect | AttemptOutcome::Tls | AttemptOutcome::Timeout => {
            if outcome.lively {
                let (first, longest) = policy.aside;
                let doubled = 2u32.saturating_pow(past.unanswered.min(31));
                Next::HoldUntil(later(first.saturating_mul(doubled).min(longest)))
            } else {
                Next::NotReached
            }
        }
    }
}

/// Until when the worker asked to be left alone, within reason.
fn asked_for(policy: Policy<'_>, outcome: Outcome<'_>, now: UnixMillis) -> Option<UnixMillis> {
    if !matches!(outcome.status, Some(429 | 503)) {
        return None;
    }
    let asked = parse_retry_after(outcome.retry_after?, now)?;
    Some(asked.min(now.plus(millis(policy.longest_asked()))))
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

fn millis(wait: Duration) -> i64 {
    i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
