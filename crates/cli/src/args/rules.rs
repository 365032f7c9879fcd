//! The arguments of `rules`.

use clap::{Args, Subcommand};
use postern_edge::api::HostHeader;
use postern_protocol::span::Span;

#[derive(Debug, Subcommand)]
pub(crate) enum Rules {
    /// List them in order, with what each did last.
    List,
    /// Add one; it takes every event unless --filter says otherwise.
    Add {
        #[command(flatten)]
        rule: RuleArgs,
        /// Before this rule, instead of at the end.
        #[arg(long, value_name = "RULE")]
        before: Option<String>,
        /// Without it acting yet.
        #[arg(long)]
        disabled: bool,
    },
    /// Change one; what is not named stays.
    Edit {
        /// Its number or its name, as `rules list` prints them.
        #[arg(value_name = "RULE")]
        which: String,
        #[command(flatten)]
        rule: RuleArgs,
    },
    /// Give one another place in the order.
    Move {
        /// Its number or its name.
        #[arg(value_name = "RULE")]
        which: String,
        #[command(flatten)]
        to: MoveTo,
    },
    /// Have some act again.
    Enable {
        /// Their numbers or names.
        #[arg(value_name = "RULE", required = true)]
        which: Vec<String>,
    },
    /// Have some not act; they keep their places.
    Disable {
        /// Their numbers or names.
        #[arg(value_name = "RULE", required = true)]
        which: Vec<String>,
    },
    /// Remove some.
    Remove {
        /// Their numbers or names.
        #[arg(value_name = "RULE", required = true)]
        which: Vec<String>,
    },
    /// Say which of the newest events each rule would take, or which a filter
    /// would.
    DryRun(DryRun),
}

/// What a rule is.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct RuleArgs {
    /// Forward to this address: `http://localhost:3000/webhooks`, or `3000`.
    #[arg(long, value_name = "URL", conflicts_with = "notify")]
    pub(crate) to: Option<String>,
    /// Tell the events on the desktop. With any such rule that is enabled, no
    /// other events are told.
    #[arg(long)]
    pub(crate) notify: bool,
    /// Its name [at first: what it does].
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Only these events: `Issue`, `Comment.create`, `github:pull_request.*`,
    /// `!Issue.remove`, `Issue[data.priority == 1]`. May be given several times.
    #[arg(long, value_name = "FILTER", conflicts_with = "everything")]
    pub(crate) filter: Vec<String>,
    /// Every event.
    #[arg(long)]
    pub(crate) everything: bool,
    /// How long the target may take: `500ms`, `30s` [at first: 30s].
    #[arg(long, value_name = "SPAN", conflicts_with = "notify")]
    pub(crate) timeout: Option<Span>,
    /// Send this header too, `Name: value`, in place of the provider's of that
    /// name; `@FILE` reads some, one to a line, so that a secret is no
    /// argument. May be given several times.
    #[arg(long, value_name = "HEADER", conflicts_with_all = ["notify", "no_headers"])]
    pub(crate) header: Vec<String>,
    /// Send no headers but the provider's.
    #[arg(long, conflicts_with = "notify")]
    pub(crate) no_headers: bool,
    /// Which host the request names [at first: rewrite].
    #[arg(long, value_name = "HOST", conflicts_with = "notify")]
    pub(crate) host: Option<Host>,
    /// Try so often again, 0 to 5, when no answer came, or 408, 425, 429 or
    /// 5xx [at first: 0].
    #[arg(long, value_name = "COUNT", conflicts_with = "notify", value_parser = clap::value_parser!(u8).range(0..=5))]
    pub(crate) retry: Option<u8>,
    /// How long to wait before the first of these, twice as long before each
    /// next one [at first: 1s].
    #[arg(long, value_name = "SPAN", conflicts_with = "notify")]
    pub(crate) retry_wait: Option<Span>,
    /// The rules after this one do not see what it takes.
    #[arg(long, conflicts_with = "go_on")]
    pub(crate) stop: bool,
    /// The rules after this one see what it takes, as they do at first.
    #[arg(long)]
    pub(crate) go_on: bool,
}

/// Which host a forwarded request names.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Host {
    /// The target's own
    Rewrite,
    /// The one that the provider posted to
    Keep,
}

impl From<Host> for HostHeader {
    fn from(host: Host) -> Self {
        match host {
            Host::Rewrite => Self::Rewrite,
            Host::Keep => Self::Keep,
        }
    }
}

/// A place in the order.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct MoveTo {
    /// Before this rule.
    #[arg(long, value_name = "RULE")]
    pub(crate) before: Option<String>,
    /// After this rule.
    #[arg(long, value_name = "RULE")]
    pub(crate) after: Option<String>,
    /// To the top.
    #[arg(long)]
    pub(crate) first: bool,
    /// To the end.
    #[arg(long)]
    pub(crate) last: bool,
}

#[derive(Args, Debug)]
pub(crate) struct DryRun {
    /// A filter to try instead of the rules. May be given several times.
    #[arg(long, value_name = "FILTER")]
    pub(crate) filter: Vec<String>,
    /// Over so many events.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) limit: u32,
}
