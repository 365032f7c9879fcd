//! The operations on rules: what is done with events.
//!
//! The list is set as a whole, under the version it was read at, so that of
//! two clients who change it at once one is told, and nothing is mixed.

use super::{ApiError, EventSummary, HandlerRun};
use crate::EdgeHandle;
use crate::handlers::{self, Rules};
use crate::state::Session;
use postern_protocol::ErrorCode;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use ts_rs::TS;

/// What is done with the events that a filter takes.
///
/// Every enabled rule that takes an event acts on it, whatever becomes of the
/// others, until one that takes it says [`Rule::stop`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[ts(optional_fields)]
pub struct Rule {
    /// Its number, kept for life and never used again; 0 on one to be made.
    #[serde(default)]
    #[ts(type = "number")]
    pub id: u64,
    /// For people, at most 80 characters; one given empty is named after what
    /// it does.
    pub name: String,
    /// Whether it acts.
    pub enabled: bool,
    /// Capability terms; none take everything.
    pub filter: Vec<String>,
    /// What it does.
    pub action: Action,
    /// Whether the rules after it are passed over for events it takes.
    #[serde(default)]
    pub stop: bool,
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Action {
    /// Posts the event somewhere.
    Forward(ForwardTo),
    /// Tells it on the desktop.
    Notify,
}

/// Where an event is posted to, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[ts(optional_fields)]
pub struct ForwardTo {
    /// `http://localhost:3000/webhooks`; `localhost:3000` and `3000` are read
    /// as such.
    pub url: String,
    /// How long the target may take to answer, in milliseconds: 100–300,000;
    /// absent: 30,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u32>,
    /// Headers that are added, in place of the provider's of the same name: at
    /// most 32.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// Which host the request names.
    #[serde(default)]
    pub host: HostHeader,
    /// Whether a try that failed is repeated.
    #[serde(default)]
    pub retry: Repeat,
}

/// The `Host` of a forwarded event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum HostHeader {
    /// The target's own.
    #[default]
    Rewrite,
    /// The one that the provider posted to.
    Keep,
}

/// When a try that got no answer, or 408, 425, 429 or 5xx, is made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Repeat {
    /// How often: 0–5.
    pub count: u8,
    /// The first wait in milliseconds, 10–60,000; each one after is twice as
    /// long, up to a minute.
    #[serde(default = "first_wait")]
    pub wait_ms: u32,
}

fn first_wait() -> u32 {
    Repeat::default().wait_ms
}

impl Default for Repeat {
    fn default() -> Self {
        Self { count: 0, wait_ms: 1_000 }
    }
}

impl ForwardTo {
    /// A plain one: no headers of one's own, no repetition.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            timeout_ms: None,
            headers: Vec::new(),
            host: HostHeader::default(),
            retry: Repeat::default(),
        }
    }
}

impl Rule {
    /// One to be made: it forwards everything to `url`.
    #[must_use]
    pub fn forward(url: impl Into<String>) -> Self {
        Self {
            id: 0,
            name: String::new(),
            enabled: true,
            filter: Vec::new(),
            action: Action::Forward(ForwardTo::new(url)),
            stop: false,
        }
    }
}

/// `rules`, and what `set_rules` takes and answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct RuleList {
    /// Moves with every change.
    #[ts(type = "number")]
    pub version: u64,
    /// In order; at most 100.
    pub rules: Vec<Rule>,
}

/// What is wrong with a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct RuleProblem {
    /// Which rule of the list, from 0.
    pub rule: u32,
    /// Which part of it.
    pub part: RulePart,
    /// Which term of the filter, or which header, from 0.
    pub item: Option<u32>,
    /// Where in the term it goes wrong, in characters from 1.
    pub at: Option<u32>,
    /// In words.
    pub message: String,
}

/// A part of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum RulePart {
    /// Its number: unknown, or twice in the list.
    Id,
    /// Its name.
    Name,
    /// Its filter.
    Filter,
    /// Where it forwards to.
    Url,
    /// How long the target may take.
    Timeout,
    /// A header it adds.
    Headers,
    /// When it tries again.
    Retry,
}

/// `dry_run`: what rules would do with the newest events.
#[derive(Clone, Debug, Default, Serialize, Deserialize, TS)]
#[serde(default, deny_unknown_fields)]
#[ts(optional_fields)]
pub struct DryRunQuery {
    /// The rules as they might be set; absent: as they are.
    pub rules: Option<Vec<Rule>>,
    /// Over so many events: 1–100, 100 by default.
    pub limit: Option<u32>,
}

/// What they would do.
#[derive(Clone, Debug, Serialize, Deserialize, TS)]
pub struct DryRun {
    /// What keeps the rules from being set; then there are no rows.
    pub problem: Option<RuleProblem>,
    /// The newest events, newest first.
    pub rows: Vec<DryRunRow>,
}

/// One event, and who would act on it.
#[derive(Clone, Debug, Serialize, Deserialize, TS)]
pub struct DryRunRow {
    /// The event.
    pub event: EventSummary,
    /// The places in the list, from 0, of the rules that would.
    pub rules: Vec<u32>,
}

/// `runs`: what rules and replays came to, newest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize, TS)]
#[serde(default, deny_unknown_fields)]
#[ts(optional_fields)]
pub struct RunQuery {
    /// Only this rule's.
    #[ts(as = "Option<f64>")]
    pub rule: Option<u64>,
    /// At most so many: 1–100, 20 by default.
    pub limit: Option<u32>,
}

/// Runs.
#[derive(Clone, Debug, Serialize, Deserialize, TS)]
pub struct Runs {
    /// Newest first.
    pub rows: Vec<RunRow>,
}

/// A run with its event.
#[derive(Clone, Debug, Serialize, Deserialize, TS)]
pub struct RunRow {
    /// The run.
    pub run: HandlerRun,
    /// Of which event.
    pub event: EventSummary,
}

/// The rules.
///
/// # Errors
/// `edge.not_signed_in`.
pub async fn rules(edge: &EdgeHandle) -> Result<RuleList, ApiError> {
    Ok(edge.shared.session()?.rules.borrow().list())
}

/// Sets all rules, if they still are as they were at `version`. Events that
/// come from now on go by them; what waits does too.
///
/// # Errors
/// `edge.not_signed_in`; `edge.rules_changed`; `request.malformed` with the
/// first problem. Then nothing has changed.
pub async fn set_rules(edge: &EdgeHandle, args: RuleList) -> Result<RuleList, ApiError> {
    let session = edge.shared.session()?;
    let changed = || {
        let message = "the rules have been changed elsewhere meanwhile: look at them, and change them again";
        ApiError::new(ErrorCode::RulesChanged, message)
    };
    if session.rules.borrow().version() != args.version {
        return Err(changed());
    }
    let checked = check(edge, &session, &args.rules)?.map_err(|problem| problem.refusal(&args.rules))?;
    let set = edge.shared.history.set_rules(session.profile.id, args.version, checked).await?;
    Ok(edge.shared.apply_rules(&session, set.ok_or_else(changed)?))
}

/// Says what the rules would do with the newest events, or what is wrong with
/// them.
///
/// # Errors
/// `request.malformed` for a limit out of range; `edge.not_signed_in`.
pub async fn dry_run(edge: &EdgeHandle, args: DryRunQuery) -> Result<DryRun, ApiError> {
    let session = edge.shared.session()?;
    let limit = limit(args.limit, 100)?;
    let rules = match args.rules {
        None => Arc::clone(&session.rules.borrow()),
        Some(drafts) => match check(edge, &session, &drafts)? {
            Ok(checked) => Arc::new(Rules::new(RuleList { version: 0, rules: checked })),
            Err(problem) => return Ok(DryRun { problem: Some(problem), rows: Vec::new() }),
        },
    };
    let rows = edge.shared.history.dry_run(session.profile.id, limit, rules).await?;
    Ok(DryRun { problem: None, rows })
}

/// The newest runs.
///
/// # Errors
/// `request.malformed` for a limit out of range.
pub async fn runs(edge: &EdgeHandle, args: RunQuery) -> Result<Runs, ApiError> {
    let limit = limit(args.limit, 20)?;
    let rows = match edge.shared.profile_id() {
        Some(profile) => edge.shared.history.recent_runs(profile, args.rule, limit).await?,
        None => Vec::new(),
    };
    Ok(Runs { rows })
}

/// The rules as they are to be kept, or what is wrong with them.
fn check(
    edge: &EdgeHandle,
    session: &Session,
    rules: &[Rule],
) -> Result<Result<Vec<Rule>, RuleProblem>, ApiError> {
    if rules.len() > handlers::MOST_RULES {
        let message = format!("there are {} rules, and at most {}", rules.len(), handlers::MOST_RULES);
        return Err(ApiError::new(ErrorCode::BadRequest, message));
    }
    let known: Vec<_> = session.rules.borrow().list().rules.iter().map(|rule| rule.id).collect();
    Ok(handlers::check(rules, &known, &edge.shared.own_ports.now()))
}

impl RuleProblem {
    fn refusal(self, rules: &[Rule]) -> ApiError {
        ApiError::new(ErrorCode::BadRequest, self.told(rules))
    }

    /// Which rule it is, and what is wrong with it.
    pub(super) fn told(&self, rules: &[Rule]) -> String {
        let name = rules.get(self.rule as usize).map(|rule| rule.name.trim()).filter(|name| !name.is_empty());
        let which = match name {
            Some(name) => format!("rule {} ({name})", self.rule + 1),
            None => format!("rule {}", self.rule + 1),
        };
        format!("{which}: {}", self.message)
    }
}

fn limit(limit: Option<u32>, default: u32) -> Result<u32, ApiError> {
    match limit.unwrap_or(default) {
        limit @ 1..=100 => Ok(limit),
        limit => {
            Err(ApiError::new(ErrorCode::BadRequest, format!("`limit` is {limit}, and must be 1 to 100")))
        }
    }
}
