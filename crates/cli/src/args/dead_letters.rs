//! The arguments of `dead-letters` and `recover`.

use clap::{Args, Subcommand};
use postern_protocol::UnixMillis;
use postern_protocol::api::{DeadLetterFilter, DeadReason, EndState, Which};
use postern_protocol::id::DeliveryId;
use serde::de::DeserializeOwned;

#[derive(Debug, Subcommand)]
pub(crate) enum DeadLetters {
    /// List them, those of the newest events first.
    List(DeadLettersList),
    /// Show one: how it ended, and every attempt.
    Show {
        /// The delivery's id, as `dead-letters list` prints it.
        id: DeliveryId,
    },
    /// Have them delivered after all, at once.
    Redrive(Redrive),
    /// Say that they are not to be delivered.
    Discard(Discard),
}

#[derive(Args, Debug)]
pub(crate) struct DeadLettersList {
    #[command(flatten)]
    pub(crate) which: WhichDead,
    /// At most so many.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub(crate) limit: u32,
    /// The page after, as the page before names it.
    #[arg(long)]
    pub(crate) cursor: Option<String>,
}

/// Which dead letters.
#[derive(Args, Clone, Debug)]
#[group(id = "which_dead", multiple = true)]
pub(crate) struct WhichDead {
    /// Those of all the workspace's workers, not only of this machine.
    #[arg(long)]
    pub(crate) all: bool,
    /// Only dead, expired, skipped or discarded ones [default: dead and expired].
    #[arg(long, value_parser = named::<EndState>)]
    pub(crate) state: Option<EndState>,
    /// Only those that died of this: exhausted, worker_left, worker_gone,
    /// worker_abandoned, expired.
    #[arg(long, value_parser = named::<DeadReason>)]
    pub(crate) reason: Option<DeadReason>,
    /// Only of events of this source, by name or id.
    #[arg(long)]
    pub(crate) source: Option<String>,
    /// Only of events of this type (`Issue`) or name (`Issue.update`).
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) event_type: Option<String>,
    /// Only of events accepted then or later: `2h` ago, `7d`, or a time with
    /// its zone, `2026-11-22T10:00:00Z`.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) since: Option<UnixMillis>,
    /// Only of events accepted before then, written likewise.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) until: Option<UnixMillis>,
}

impl WhichDead {
    pub(crate) fn filter(&self) -> DeadLetterFilter {
        DeadLetterFilter {
            worker: None,
            state: self.state,
            reason: self.reason,
            source: self.source.clone(),
            event_type: self.event_type.clone(),
            since: self.since,
            until: self.until,
        }
    }
}

#[derive(Args, Debug)]
#[command(override_usage = "postern dead-letters redrive [OPTIONS] <IDS>...
       postern dead-letters redrive [OPTIONS] --mine
       postern dead-letters redrive [OPTIONS] --all --reason exhausted")]
pub(crate) struct Redrive {
    #[command(flatten)]
    pub(crate) work: Work,
}

#[derive(Args, Debug)]
#[command(override_usage = "postern dead-letters discard [OPTIONS] --because <TEXT> <IDS>...
       postern dead-letters discard [OPTIONS] --because <TEXT> --mine
       postern dead-letters discard [OPTIONS] --because <TEXT> --all --reason exhausted")]
pub(crate) struct Discard {
    #[command(flatten)]
    pub(crate) work: Work,
    /// Why; it is kept with them.
    #[arg(long = "because", value_name = "TEXT")]
    pub(crate) because: String,
}

/// On which dead letters, and how.
#[derive(Args, Clone, Debug)]
pub(crate) struct Work {
    /// Deliveries' ids, as `dead-letters list` prints them.
    #[arg(required_unless_present = "which_dead", conflicts_with = "which_dead", num_args = 1..=500)]
    pub(crate) ids: Vec<DeliveryId>,
    #[command(flatten)]
    pub(crate) which: WhichDead,
    /// Every dead letter of this machine.
    #[arg(long, group = "which_dead")]
    pub(crate) mine: bool,
    /// Only say how many it would be.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Without asking.
    #[arg(long, short)]
    pub(crate) yes: bool,
}

impl Work {
    pub(crate) fn which(&self) -> Which {
        if self.ids.is_empty() { Which::Filter(self.which.filter()) } else { Which::Ids(self.ids.clone()) }
    }
}

#[derive(Args, Debug)]
pub(crate) struct Recover {
    /// Events accepted then or later: `2h` ago, `7d`, or a time with its zone,
    /// `2026-11-22T10:00:00Z`.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) since: UnixMillis,
    /// Events accepted before then, written likewise [default: now].
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) until: Option<UnixMillis>,
    /// Only say how many it would be.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Without asking.
    #[arg(long, short)]
    pub(crate) yes: bool,
}

/// A value by the name the API gives it.
fn named<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    // serde's message lists the names.
    serde_json::from_value(serde_json::Value::from(text)).map_err(|error| error.to_string())
}

/// `2h`: so long ago; or a time.
fn moment(text: &str) -> Result<UnixMillis, String> {
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Ok(UnixMillis(time.as_millisecond()));
    }
    let ago = || text.parse::<jiff::Span>().ok().filter(|span| span.is_positive());
    let then = ago().and_then(|span| jiff::Zoned::now().checked_sub(span).ok());
    then.map(|then| UnixMillis(then.timestamp().as_millisecond()))
        .ok_or_else(|| "write it as 2h, 30m or 7d ago, or as a time: 2026-11-22T10:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_so_long_ago_or_a_time() {
        assert_eq!(moment("2026-11-22T10:00:00Z"), Ok(UnixMillis(1_795_341_600_000)));
        assert_eq!(moment("2026-11-22T11:00:00+01:00"), Ok(UnixMillis(1_795_341_600_000)));
        let now = jiff::Timestamp::now().as_millisecond();
        for (text, millis) in [("2h", 7_200_000), ("90m", 5_400_000), ("45s", 45_000), ("1h 30m", 5_400_000)]
        {
            let UnixMillis(at) = moment(text).unwrap();
            assert!((now - millis - 60_000..=now - millis + 60_000).contains(&at), "{text}");
        }
        assert!(moment("7d").is_ok());
        for text in ["", "2", "yesterday", "-2h", "0s", "2026-11-22", "10:00"] {
            assert!(moment(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_are_the_apis() {
        assert_eq!(named("worker_left"), Ok(DeadReason::WorkerLeft));
        assert!(named::<EndState>("delivered").unwrap_err().contains("discarded"));
    }
}
