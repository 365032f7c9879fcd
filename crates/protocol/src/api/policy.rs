//! How one worker wants to be delivered to: when to try again, how many at
//! once, how fast. What is absent is as the proxy is configured.

use crate::span::{InvalidSpan, Span};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt::{Display, Formatter};
use std::str::FromStr;
use std::time::Duration;

/// How many attempts a policy may ask for.
pub const MOST_ATTEMPTS: u32 = 50;
/// How many deliveries a worker may ask to have under way at once.
pub const MOST_IN_FLIGHT: u32 = 1_000;
/// How long a wait, and the time until giving up, may be.
const LONGEST: Duration = Duration::from_secs(30 * 86_400);
/// How short a wait may be.
const SHORTEST: Duration = Duration::from_millis(100);

/// A worker's own settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkerPolicy {
    /// When failed deliveries are tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub retry: Option<RetryPolicy>,
    /// How many deliveries may be under way to it at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub max_in_flight: Option<u32>,
    /// How many attempts are made in which time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub rate: Option<Rate>,
}

/// What is to change of a [`WorkerPolicy`]: an absent member stays as it is,
/// `null` goes back to what the proxy is configured with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PolicyChange {
    /// [`WorkerPolicy::retry`].
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub retry: Option<Option<RetryPolicy>>,
    /// [`WorkerPolicy::max_in_flight`].
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub max_in_flight: Option<Option<u32>>,
    /// [`WorkerPolicy::rate`].
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub rate: Option<Option<Rate>>,
}

/// A member that is there, `null` included.
pub(super) fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    d: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(d).map(Some)
}

impl PolicyChange {
    /// Whether nothing is to change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The policy after the change.
    ///
    /// # Errors
    /// For the first member that cannot be had, in words.
    pub fn apply(self, to: &WorkerPolicy) -> Result<WorkerPolicy, InvalidPolicy> {
        let changed = WorkerPolicy {
            retry: self.retry.unwrap_or_else(|| to.retry.clone()),
            max_in_flight: self.max_in_flight.unwrap_or(to.max_in_flight),
            rate: self.rate.unwrap_or(to.rate),
        };
        if let Some(retry) = &changed.retry {
            retry.check()?;
        }
        if changed.max_in_flight.is_some_and(|most| !(1..=MOST_IN_FLIGHT).contains(&most)) {
            return Err(InvalidPolicy("maxInFlight", "write 1 to 1000"));
        }
        if let Some(rate) = changed.rate {
            rate.check()?;
        }
        Ok(changed)
    }
}

/// What a policy cannot be: the member and the cure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}: {1}")]
pub struct InvalidPolicy(&'static str, &'static str);

/// When a delivery that was answered with a failure is tried again.
///
/// As text, for command lines: `classic`, `exponential:5s,2,1h,10` (first
/// wait, factor, longest wait, attempts), `linear:1m,30m,8` (step, longest
/// wait, attempts), or the waits themselves: `5s,1m,10m`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", try_from = "Members")]
pub struct RetryPolicy {
    /// How the waits come about.
    #[serde(flatten)]
    #[ts(flatten)]
    pub strategy: RetryStrategy,
    /// How much each wait is varied at random, 0 to 0.5 of it; absent: as the
    /// proxy is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub jitter: Option<f64>,
    /// No attempt is made later than this after the first, time spent waiting
    /// for the worker itself not counted; absent: as the proxy is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub give_up_after: Option<Span>,
}

/// How the waits between attempts come about. The first attempt is made at
/// once; `attempts` counts it.
#[derive(Clone, Debug, PartialEq, Serialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(tag = "strategy", rename_all = "snake_case")]
pub enum RetryStrategy {
    /// After 1 m, 5 m, 15 m, 1 h and 4 h: six attempts.
    Classic,
    /// Each wait is `factor` times the one before.
    Exponential {
        /// The first wait.
        initial: Span,
        /// From 1 to 10.
        factor: f64,
        /// The longest wait.
        max: Span,
        /// From 1 to 50.
        attempts: u32,
    },
    /// Each wait is `step` longer than the one before.
    Linear {
        /// The first wait, and by how much it grows.
        step: Span,
        /// The longest wait.
        max: Span,
        /// From 1 to 50.
        attempts: u32,
    },
    /// These waits, one after the other.
    List {
        /// 0 to 49 of them.
        waits: Vec<Span>,
    },
}

impl RetryStrategy {
    const CLASSIC: [Span; 5] = [
        Span::seconds(60),
        Span::seconds(300),
        Span::seconds(900),
        Span::seconds(3_600),
        Span::seconds(14_400),
    ];

    /// How many attempts there are, the first included.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        match self {
            Self::Classic => 6,
            Self::Exponential { attempts, .. } | Self::Linear { attempts, .. } => *attempts,
            Self::List { waits } => u32::try_from(waits.len()).unwrap_or(u32::MAX).saturating_add(1),
        }
    }

    /// How long to wait after so many failures, from 1; `None`: give up.
    #[must_use]
    pub fn wait(&self, failures: u32) -> Option<Duration> {
        if failures == 0 || failures >= self.attempts() {
            return None;
        }
        let listed = |waits: &[Span]| waits.get(failures as usize - 1).map(|wait| wait.duration());
        match self {
            Self::Classic => listed(&Self::CLASSIC),
            Self::List { waits } => listed(waits),
            Self::Linear { step, max, .. } => {
                Some(step.duration().saturating_mul(failures).min(max.duration()))
            }
            Self::Exponential { initial, factor, max, .. } => {
                let most = max.duration();
                let power = i32::try_from(failures - 1).unwrap_or(i32::MAX);
                let grown = initial.duration().as_secs_f64() * factor.powi(power);
                Some(if grown < most.as_secs_f64() { Duration::from_secs_f64(grown) } else { most })
            }
        }
    }

    /// The longest of its waits.
    #[must_use]
    pub fn longest(&self) -> Duration {
        (1..self.attempts()).filter_map(|failures| self.wait(failures)).max().unwrap_or_default()
    }
}

impl RetryPolicy {
    /// By this strategy, all else as the proxy is configured.
    #[must_use]
    pub fn new(strategy: RetryStrategy) -> Self {
        Self { strategy, jitter: None, give_up_after: None }
    }

    fn check(&self) -> Result<(), InvalidPolicy> {
        let invalid = |what: &'static str, cure: &'static str| Err(InvalidPolicy(what, cure));
        let fits = |span: &Span| (SHORTEST..=LONGEST).contains(&span.duration());
        const WAIT: &str = "a wait is 100ms to 30d";
        match &self.strategy {
            RetryStrategy::Exponential { factor, .. } if !(1.0..=10.0).contains(factor) => {
                return invalid("retry.factor", "write a number from 1 to 10");
            }
            RetryStrategy::Exponential { initial: first, max, .. }
            | RetryStrategy::Linear { step: first, max, .. } => {
                if !fits(first) || !fits(max) {
                    return invalid("retry", WAIT);
                }
                if max < first {
                    return invalid("retry.max", "it cannot be shorter than the first wait");
                }
            }
            RetryStrategy::List { waits } if !waits.iter().all(fits) => return invalid("retry.waits", WAIT),
            RetryStrategy::List { .. } | RetryStrategy::Classic => {}
        }
        if !(1..=MOST_ATTEMPTS).contains(&self.strategy.attempts()) {
            return invalid("retry", "1 to 50 attempts can be made");
        }
        if self.jitter.is_some_and(|jitter| !(0.0..=0.5).contains(&jitter)) {
            return invalid("retry.jitter", "write a number from 0 to 0.5");
        }
        if self.give_up_after.is_some_and(|age| !(Duration::from_secs(1)..=LONGEST).contains(&age.duration()))
        {
            return invalid("retry.giveUpAfter", "write 1s to 30d");
        }
        Ok(())
    }
}

/// A text that is no retry policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRetry {
    /// Its form is unknown.
    #[error(
        "write `classic`, `exponential:5s,2,1h,10` (first wait, factor, longest wait, attempts), \
         `linear:1m,30m,8` (step, longest wait, attempts), or waits such as `5s,1m,10m`"
    )]
    Form,
    /// A wait in it cannot be read.
    #[error(transparent)]
    Span(#[from] InvalidSpan),
    /// A value in it is out of bounds.
    #[error(transparent)]
    Value(#[from] InvalidPolicy),
}

/// A [`RetryPolicy`] as it is read. The derived reading of a tagged enum takes
/// numbers for names.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Members {
    strategy: StrategyName,
    initial: Option<Span>,
    factor: Option<f64>,
    step: Option<Span>,
    max: Option<Span>,
    attempts: Option<u32>,
    waits: Option<Vec<Span>>,
    jitter: Option<f64>,
    give_up_after: Option<Span>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum StrategyName {
    Classic,
    Exponential,
    Linear,
    List,
}

impl TryFrom<Members> for RetryPolicy {
    type Error = InvalidPolicy;

    fn try_from(read: Members) -> Result<Self, InvalidPolicy> {
        fn needed<T>(name: &'static str, member: Option<T>) -> Result<T, InvalidPolicy> {
            member.ok_or(InvalidPolicy(name, "this strategy needs it"))
        }
        let max = needed("retry.max", read.max);
        let attempts = needed("retry.attempts", read.attempts);
        let strategy = match read.strategy {
            StrategyName::Classic => RetryStrategy::Classic,
            StrategyName::Exponential => RetryStrategy::Exponential {
                initial: needed("retry.initial", read.initial)?,
                factor: needed("retry.factor", read.factor)?,
                max: max?,
                attempts: attempts?,
            },
            StrategyName::Linear => RetryStrategy::Linear {
                step: needed("retry.step", read.step)?,
                max: max?,
                attempts: attempts?,
            },
            StrategyName::List => RetryStrategy::List { waits: needed("retry.waits", read.waits)? },
        };
        Ok(Self { strategy, jitter: read.jitter, give_up_after: read.give_up_after })
    }
}

impl FromStr for RetryPolicy {
    type Err = InvalidRetry;

    fn from_str(text: &str) -> Result<Self, InvalidRetry> {
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        let parts: Vec<&str> = rest.split(',').map(str::trim).collect();
        let number = |text: &str| text.parse::<u32>().map_err(|_| InvalidRetry::Form);
        let strategy = match (kind.trim(), parts.as_slice()) {
            ("classic", [""]) => RetryStrategy::Classic,
            ("exponential", [initial, factor, max, attempts]) => RetryStrategy::Exponential {
                initial: initial.parse()?,
                factor: factor.parse().map_err(|_| InvalidRetry::Form)?,
                max: max.parse()?,
                attempts: number(attempts)?,
            },
            ("linear", [step, max, attempts]) => {
                RetryStrategy::Linear { step: step.parse()?, max: max.parse()?, attempts: number(attempts)? }
            }
            (waits, [""]) if waits.starts_with(|c: char| c.is_ascii_digit()) => {
                let waits = waits.split(',').map(|wait| wait.trim().parse());
                RetryStrategy::List { waits: waits.collect::<Result<_, _>>()? }
            }
            _ => return Err(InvalidRetry::Form),
        };
        let policy = Self::new(strategy);
        policy.check()?;
        Ok(policy)
    }
}

impl Display for RetryPolicy {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match &self.strategy {
            RetryStrategy::Classic => f.write_str("classic"),
            RetryStrategy::Exponential { initial, factor, max, attempts } => {
                write!(f, "exponential:{initial},{factor},{max},{attempts}")
            }
            RetryStrategy::Linear { step, max, attempts } => write!(f, "linear:{step},{max},{attempts}"),
            RetryStrategy::List { waits } => {
                let waits: Vec<String> = waits.iter().map(ToString::to_string).collect();
                f.write_str(&waits.join(","))
            }
        }
    }
}

/// So many attempts in such a time; as many may be made at once after a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rate {
    /// 1 to 1,000,000.
    pub count: u32,
    /// 1 s to 1 d.
    pub per: Span,
}

impl Rate {
    /// How many in a second.
    #[must_use]
    pub fn per_second(self) -> f64 {
        f64::from(self.count) / self.per.duration().as_secs_f64().max(f64::MIN_POSITIVE)
    }

    fn check(self) -> Result<(), InvalidPolicy> {
        if !(1..=1_000_000).contains(&self.count) {
            return Err(InvalidPolicy("rate.count", "write 1 to 1000000"));
        }
        if !(Duration::from_secs(1)..=Duration::from_secs(86_400)).contains(&self.per.duration()) {
            return Err(InvalidPolicy("rate.per", "write 1s to 1d"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
