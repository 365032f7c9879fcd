//! What the local API's operations take and give. TypeScript is generated
//! from these types (`ui/src/transport/generated/`).

use super::{Arrival, LiveRequests, ProfileState, PublicTunnel, Via};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use postern_protocol::api::{
    CatchUp, GroupName, Ordering, SourceInfo, Waiting, WorkStatus, WorkerInfo, WorkspaceInfo,
};
use postern_protocol::signature::Failure;
use postern_protocol::{HeaderList, Provider, Secret, UnixMillis};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// An error as it crosses to a shell.
#[derive(Clone, Debug, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ApiError {
    /// A stable code of [`postern_protocol::ErrorCode`], as text.
    pub code: String,
    /// What happened, what was kept, what to do: for people.
    pub message: String,
    /// Whether the same call may succeed later, unchanged.
    pub retryable: bool,
}

/// `status`: everything the shell's frame shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Postern's version.
    pub version: String,
    /// The worker's name for people; the machine's host name by default.
    pub name: String,
    /// Who is signed in where; absent before sign-in.
    pub session: Option<Session>,
    /// All profiles this machine works for, oldest first; this status is of the
    /// one that is shown, or that was asked about.
    pub profiles: Vec<ProfileState>,
    /// How the registration stands.
    pub connection: Connection,
    /// Where events are forwarded to: the enabled rules that forward, in order.
    pub targets: Vec<Forward>,
    /// Moves with every change of the rules ([`super::RuleList::version`]).
    #[ts(type = "number")]
    pub rules_version: u64,
    /// This machine's public tunnels, by name.
    #[serde(default)]
    pub tunnels: Vec<PublicTunnel>,
    /// What the user may set.
    pub settings: Settings,
    /// Where deliveries are received on this machine.
    #[serde(default)]
    pub receiver: ReceiverPort,
    /// Events in this profile's history.
    #[ts(type = "number")]
    pub events: u64,
    /// Requests the receiver refused and remembers.
    #[ts(type = "number")]
    pub rejected: u64,
    /// The change cursor at this moment: see [`Since`].
    #[ts(type = "number")]
    pub cursor: u64,
    /// This machine's clock.
    pub now: UnixMillis,
}

/// The port on which deliveries are received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ReceiverPort {
    /// The port.
    pub port: u16,
    /// It was given when the program started: [`Settings::port`] does not count.
    pub fixed: bool,
}

/// Whom the edge works for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// The proxy's base URL.
    pub proxy_url: String,
    /// The workspace.
    pub workspace: WorkspaceInfo,
    /// The worker's id at the proxy, once registered.
    pub worker_id: Option<String>,
    /// How deliveries arrive on this machine.
    pub arrival: Arrival,
    /// Where the token is kept: `keychain`, `file`, `environment`, `memory`.
    pub token_kept_in: String,
}

/// How the registration stands. `Live` is said only when the proxy said so, and
/// the tunnel is up where deliveries come through it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "state", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Connection {
    /// Nobody has signed in.
    SignedOut,
    /// Registering, or waiting for the ownership challenge.
    Connecting {
        /// Since when.
        since: UnixMillis,
        /// What the proxy says is wrong, if it does (challenge failed, …).
        problem: Option<String>,
    },
    /// Registered, leased, reachable.
    Live {
        /// When something last arrived and was verified here: a delivery, or a
        /// canary. Absent: nothing has yet.
        proven_at: Option<UnixMillis>,
        /// Why it is not proven any more; absent unless a canary was missed.
        unproven: Option<Unproven>,
        /// When the lease was last renewed.
        renewed_at: UnixMillis,
        /// When the lease ends unless renewed.
        leased_until: UnixMillis,
        /// The proxy's clock minus ours, in milliseconds.
        #[ts(type = "number")]
        skew_ms: i64,
        /// What waits at the proxy.
        waiting: Waiting,
    },
    /// Paused here: the proxy holds the events.
    Paused {
        /// What waits at the proxy.
        waiting: Waiting,
    },
    /// The proxy cannot be reached; what arrives is held there.
    Reconnecting {
        /// Why the last try failed.
        problem: String,
        /// When the next one starts.
        retry_at: UnixMillis,
    },
    /// The proxy refuses the token: sign in again.
    Refused {
        /// In the proxy's words.
        problem: String,
    },
}

/// The last canary did not arrive, and nothing else has since.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Unproven {
    /// When the path was last proven; where it never was, when the first canary
    /// was missed.
    pub since: UnixMillis,
    /// What became of the canary, in words.
    pub problem: String,
}

/// A rule's forward target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Forward {
    /// The rule's number.
    #[ts(type = "number")]
    pub rule: u64,
    /// Its name.
    pub name: String,
    /// `http://localhost:3000/webhooks`.
    pub url: String,
    /// Whether it takes every event.
    pub all: bool,
    /// The rule's last run: did the target answer?
    pub last: Option<HandlerRun>,
}

/// What the user may set; kept per machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
pub struct Settings {
    /// Show a desktop notification for each event (grouped when many).
    pub notifications: bool,
    /// What becomes of events held during an absence; absent: the shell's
    /// default, which is to ask in the desktop app and to deliver all headless.
    pub catch_up: Option<CatchUp>,
    /// How events are to arrive.
    pub via: Via,
    /// In which order events are delivered and forwarded.
    pub ordering: Ordering,
    /// Which events are asked for: capability terms. None: all but Postern's
    /// own.
    pub capabilities: Vec<String>,
    /// The claim group whose work this machine shares; absent: it gets its
    /// events for itself.
    pub group: Option<GroupName>,
    /// For how long events are kept.
    pub keep: Keep,
    /// The port on which deliveries are received; absent: that of the last time,
    /// or any that is free. One that is taken when the program starts is passed
    /// over until the next start.
    pub port: Option<u16>,
    /// After how many minutes without any event the path is proven by a quiet
    /// canary: 1–1440, 5 by default; 0: never.
    pub canary_minutes: u32,
}

impl Settings {
    /// The most that [`Settings::canary_minutes`] may be: a day.
    pub const LONGEST_CANARY_MINUTES: u32 = 1_440;
}

/// For how long the history is kept. Ids are remembered for longer, so that a
/// late repeat is known for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(default)]
pub struct Keep {
    /// Events are forgotten after so many days, 1–3650; absent: never.
    pub days: Option<u16>,
    /// The oldest are forgotten when the history takes more than so many GiB,
    /// 1–1000, the search index beside it not counted; absent: no bound.
    pub gib: Option<u16>,
}

impl Default for Keep {
    fn default() -> Self {
        Self { days: Some(90), gib: Some(10) }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            notifications: true,
            catch_up: None,
            via: Via::Auto,
            ordering: Ordering::None,
            capabilities: Vec::new(),
            group: None,
            keep: Keep::default(),
            port: None,
            canary_minutes: 5,
        }
    }
}

/// The signing secret was replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct RotatedSecret {
    /// Until when the proxy signs with the one before, too.
    pub old_until: UnixMillis,
}

/// `report_work`.
#[derive(Clone, Debug, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ReportEvent {
    /// The event's id; of a replay, the replay's.
    pub id: String,
    /// How the work on it stands.
    pub status: WorkStatus,
    /// Why, in words, at most 1000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub reason: Option<String>,
}

/// `sign_in`.
#[derive(Clone, Debug, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SignIn {
    /// The proxy's base URL, `https://…` (`http://` for loopback).
    pub proxy_url: String,
    /// A workspace token, `pst_…`.
    #[ts(type = "string")]
    pub token: Secret,
    /// The worker's name; by default the one it had, or at first the machine's.
    pub name: Option<String>,
}

/// A document for people to save.
#[derive(Clone, Debug, Serialize, Deserialize, TS)]
pub struct Document {
    /// What its file is called: `postern-settings.json`.
    pub name: String,
    /// JSON, for people to read.
    pub text: String,
}

/// `set_paused`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, TS)]
pub struct SetPaused {
    /// Whether the proxy shall hold events.
    pub paused: bool,
}

/// `set_forward`: the short way to the one rule that forwards everything.
#[derive(Clone, Debug, Serialize, Deserialize, TS)]
pub struct SetForward {
    /// Where to; absent or null: the rule is removed.
    pub url: Option<String>,
}

/// `events`: a page of the history, newest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
#[ts(optional_fields)]
pub struct EventQuery {
    /// Full-text search over the human line, headers and payload; empty: no search.
    pub search: Option<String>,
    /// Only this provider.
    pub provider: Option<Provider>,
    /// Only this source, by name.
    pub source: Option<String>,
    /// Only this type (`Issue`).
    pub event_type: Option<String>,
    /// Only this action (`update`).
    pub action: Option<String>,
    /// Only this outcome.
    pub outcome: Option<OutcomeKind>,
    /// Only where the target's newest answer was so: `2xx` … `5xx`, a status
    /// (`503`), or `none` where it failed without an answer.
    pub status: Option<String>,
    /// Only what this rule acted on, by its number ([`super::Rule::id`]).
    #[ts(optional, type = "number")]
    pub rule: Option<u64>,
    /// Only what the proxy received then or later.
    pub since: Option<UnixMillis>,
    /// Only what the proxy received earlier than this.
    pub until: Option<UnixMillis>,
    /// Only where the payload says so: a condition as in capability terms,
    /// `data.team.key == "ENG"`.
    pub payload: Option<String>,
    /// Rows older than this one ([`EventPage::next`]).
    pub before: Option<String>,
    /// At most so many rows: 1–500, 100 by default.
    pub limit: Option<u32>,
}

/// `check_condition`: a condition that somebody is writing.
#[derive(Clone, Debug, Serialize, Deserialize, TS)]
pub struct Condition {
    /// As for [`EventQuery::payload`].
    pub payload: String,
}

/// What is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct CheckedCondition {
    /// Absent where nothing is.
    pub problem: Option<ConditionProblem>,
}

/// Where a condition cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ConditionProblem {
    /// In characters from 1.
    #[ts(type = "number")]
    pub at: usize,
    /// What is wrong there.
    pub reason: String,
}

/// A page of events.
#[derive(Clone, Debug, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct EventPage {
    /// Newest first.
    pub rows: Vec<EventSummary>,
    /// Where the next page starts ([`EventQuery::before`]); absent at the end.
    pub next: Option<String>,
    /// How many rows the query has in all: with the first page, where it could
    /// be said in time.
    #[ts(type = "number | null")]
    pub total: Option<u64>,
    /// Where the time for a page ran out before it was full: what was stored
    /// here from then on has been looked at. `next` goes on.
    pub searched_to: Option<UnixMillis>,
    /// The change cursor the page is true at.
    #[ts(type = "number")]
    pub cursor: u64,
}

/// `events_since`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, TS)]
pub struct Since {
    /// The cursor of the last batch, page or status seen.
    #[ts(type = "number")]
    pub cursor: u64,
}

/// Rows inserted or changed since a cursor.
#[derive(Clone, Debug, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Changes {
    /// In order of change; a row stands for its newest state.
    pub rows: Vec<EventSummary>,
    /// The cursor after them.
    #[ts(type = "number")]
    pub cursor: u64,
    /// Whether there are more: ask again.
    pub more: bool,
    /// The history was cleared or the profile changed: load afresh.
    pub reset: bool,
}

/// What is pushed live.
#[derive(Clone, Debug, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Live {
    /// Rows inserted or changed, as in [`Changes`]; at most 200.
    pub changes: Option<Changes>,
    /// The status, when something in it changed.
    pub status: Option<Status>,
    /// Requests through public tunnels; absent: there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub requests: Option<LiveRequests>,
}

/// One row of the list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct EventSummary {
    /// The `webhook-id`: the event's id, with `.r{n}` on a replay.
    pub id: String,
    /// When the proxy accepted it.
    pub received_at: UnixMillis,
    /// When it was stored here.
    pub stored_at: UnixMillis,
    /// The source's name.
    pub source: String,
    /// Its provider.
    pub provider: Provider,
    /// `Issue`.
    pub event_type: String,
    /// `update`.
    pub action: Option<String>,
    /// `Issue.update`.
    pub name: String,
    /// The line's strong start: `ENG-42 Fix login`.
    pub subject: String,
    /// Its rest: `status Todo → In Progress · by Ada`.
    pub detail: String,
    /// The body's size in bytes.
    #[ts(type = "number")]
    pub size: u64,
    /// Made by `trigger`.
    pub synthetic: bool,
    /// What its handlers came to, or its newest replay.
    pub outcome: Outcome,
    /// Proxy's receipt to storage here, in milliseconds, skew included.
    #[ts(type = "number")]
    pub latency_ms: i64,
    /// The change cursor of the row's newest state.
    #[ts(type = "number")]
    pub seq: u64,
    /// The names of the notify rules that took it; absent where there was no
    /// such rule when it came.
    pub notify: Option<Vec<String>>,
}

/// What handling an event came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// In one word.
    pub kind: OutcomeKind,
    /// For the row's pill: `200 · 12 ms`, `localhost:3000 refused`, `no handler`.
    pub label: String,
}

/// The word of an [`Outcome`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeKind {
    /// No handler wanted it.
    None,
    /// Waiting for, or in, its handler.
    Running,
    /// Answered 2xx.
    Succeeded,
    /// Anything else.
    Failed,
}

/// `event`, `event_record`.
#[derive(Clone, Debug, Serialize, Deserialize, TS)]
pub struct EventKey {
    /// [`EventSummary::id`].
    pub id: String,
}

/// `event`: everything this machine knows of one event.
#[derive(Clone, Debug, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct EventDetail {
    /// The row.
    pub summary: EventSummary,
    /// The delivery's headers as they came, ours and the provider's.
    #[ts(type = "Array<[string, string | { base64: string }]>")]
    pub headers: HeaderList,
    /// The body, byte for byte.
    pub body: Body,
    /// Why the event is believed.
    pub verification: Verification,
    /// What the developer's own program would make of it now; absent where no
    /// local secret is set for its source.
    pub local: Option<LocalVerification>,
    /// Which attempt of the proxy brought it.
    pub attempt: u32,
    /// Handler runs, oldest first.
    pub runs: Vec<HandlerRun>,
}

/// Bytes for a screen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "encoding", rename_all = "snake_case")]
pub enum Body {
    /// Valid UTF-8.
    Utf8 {
        /// The text.
        text: String,
    },
    /// Anything else.
    Base64 {
        /// The bytes in base64 (standard alphabet, padded).
        base64: String,
    },
}

impl From<&[u8]> for Body {
    fn from(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Utf8 { text: text.to_owned() },
            Err(_) => Self::Base64 { base64: STANDARD.encode(bytes) },
        }
    }
}

impl Body {
    /// The bytes it stands for.
    ///
    /// # Errors
    /// When it is not base64 although it says so.
    pub fn into_bytes(self) -> Result<Vec<u8>, base64::DecodeError> {
        match self {
            Self::Utf8 { text } => Ok(text.into_bytes()),
            Self::Base64 { base64 } => STANDARD.decode(base64),
        }
    }
}

/// Why an event is believed: each check with its finding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    /// In order of checking.
    pub checks: Vec<Check>,
}

/// How a program that verifies by a local secret judges an event now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct LocalVerification {
    /// The name of the one source that the secret is for; absent: all of the
    /// provider's.
    pub source: Option<String>,
    /// By whose scheme.
    pub provider: Provider,
    /// In order of checking; what failed says what would have made it pass.
    pub checks: Vec<Check>,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// What was checked: `The proxy's signature`, `Timestamp`, …
    pub name: String,
    /// Whether it held; absent: not applicable here.
    pub passed: Option<bool>,
    /// In words: `signed 0.2 s before it arrived`.
    pub reason: String,
}

/// One run of a handler.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct HandlerRun {
    /// Unique in this history.
    #[ts(type = "number")]
    pub id: u64,
    /// Where it went.
    pub target: String,
    /// Whether a person asked for it.
    pub replay: bool,
    /// When it began.
    pub started_at: UnixMillis,
    /// How long it took, in microseconds; absent while it runs.
    #[ts(type = "number | null")]
    pub micros: Option<u64>,
    /// What it came to.
    pub outcome: Outcome,
    /// The answer's status.
    pub status: Option<u16>,
    /// The answer's headers.
    #[ts(type = "Array<[string, string | { base64: string }]>")]
    pub response_headers: HeaderList,
    /// The answer's first 64 KiB, lossily as text.
    pub response_body: Option<String>,
    /// What went wrong when no answer came: `connection refused — nothing listens on 3000`.
    pub error: Option<String>,
    /// The rule it was of; absent on a run for an address that a person gave,
    /// or a temporary target.
    pub rule: Option<RunRule>,
    /// Which try of the rule's, from 1.
    pub attempt: u32,
    /// What may keep the target from taking it: `the signature's time is 3 h
    /// old; the app's own verification may refuse it`.
    pub warning: Option<String>,
    /// How what was sent differs from what came; absent: not at all.
    pub altered: Option<Altered>,
}

/// The rule of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct RunRule {
    /// Its number.
    #[ts(type = "number")]
    pub id: u64,
    /// Its name then.
    pub name: String,
}

/// How a copy of an event differs from what came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Altered {
    /// A person has edited it.
    pub edited: bool,
    /// It was signed anew by a local secret.
    pub resigned: bool,
}

/// `replay`: sends an event to a target once more: as it came, edited, signed
/// anew.
#[derive(Clone, Debug, Default, Serialize, Deserialize, TS)]
#[serde(default, deny_unknown_fields)]
#[ts(optional_fields)]
pub struct Replay {
    /// [`EventSummary::id`].
    pub id: String,
    /// Where to; by default as the first rule does that forwards and takes it.
    pub target: Option<String>,
    /// In the place of `target`: as this rule sends, whether it takes the event
    /// or not. Its number, [`Rule::id`](super::Rule::id).
    #[ts(as = "Option<f64>")]
    pub rule: Option<u64>,
    /// Whether it is signed anew by the local secret for its source. By
    /// default where the target would refuse it otherwise, for its age or an
    /// edit, and there is one.
    pub resign: Option<bool>,
    /// What to send in the place of what came.
    pub edit: Option<Edit>,
}

/// What a person has put in the place of an event's own.
#[derive(Clone, Debug, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(optional_fields)]
pub struct Edit {
    /// All of the provider's headers; absent: as they came.
    #[ts(as = "Option<Vec<(String, String)>>")]
    pub headers: Option<HeaderList>,
    /// Absent: as it came.
    pub body: Option<Body>,
}

/// `run_request`: which run.
#[derive(Clone, Debug, Serialize, Deserialize, TS)]
pub struct RunKey {
    /// [`HandlerRun::id`].
    #[ts(type = "number")]
    pub run: u64,
}

/// What a run sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct RunRequest {
    /// Where to.
    pub target: String,
    /// The headers, but for the length and the host where that is the target's.
    #[ts(type = "Array<[string, string | { base64: string }]>")]
    pub headers: HeaderList,
    /// The body.
    pub body: Body,
    /// How that differs from what came; absent: not at all.
    pub altered: Option<Altered>,
}

/// `trigger`: asks the proxy for a synthetic event from a template, or with a
/// body of one's own.
#[derive(Clone, Debug, Serialize, Deserialize, TS)]
#[ts(optional_fields)]
pub struct Trigger {
    /// `linear`, `github`.
    pub provider: Provider,
    /// `Issue.create`, `pull_request.opened`.
    pub name: String,
    /// Other values for members of the body, by path: `data.title`.
    #[ts(optional, type = "Record<string, unknown>")]
    pub set: Option<serde_json::Map<String, serde_json::Value>>,
    /// The body's text, instead of a template's; sent byte for byte unless
    /// members are set.
    pub body: Option<String>,
}

impl Trigger {
    /// An event as its template makes it.
    #[must_use]
    pub fn template(provider: Provider, name: impl Into<String>) -> Self {
        Self { provider, name: name.into(), set: None, body: None }
    }
}

/// The event made.
#[derive(Clone, Debug, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Triggered {
    /// Its id: the row's when it arrives.
    pub event_id: String,
}

/// What `trigger` knows.
#[derive(Clone, Debug, Serialize, Deserialize, TS)]
pub struct Templates {
    /// In the order of a menu.
    pub templates: Vec<Template>,
}

/// One of them.
#[derive(Clone, Debug, Serialize, Deserialize, TS)]
pub struct Template {
    /// Whose.
    pub provider: Provider,
    /// `Issue.create`.
    pub name: String,
    /// For people.
    pub about: String,
}

/// The workspace's sources.
#[derive(Clone, Debug, Serialize, Deserialize, TS)]
pub struct Sources {
    /// Oldest first.
    pub sources: Vec<SourceInfo>,
}

/// The workspace's workers.
#[derive(Clone, Debug, Serialize, Deserialize, TS)]
pub struct Workers {
    /// Oldest first.
    pub workers: Vec<WorkerInfo>,
    /// This machine's id among them, once it has registered.
    pub own: Option<String>,
}

/// `rejected`: what the receiver refused, newest first.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, TS)]
#[serde(default)]
#[ts(optional_fields)]
pub struct RejectedQuery {
    /// Rows older than this id.
    #[ts(as = "Option<f64>")]
    pub before: Option<u64>,
    /// At most so many: 1–500, 100 by default.
    pub limit: Option<u32>,
}

/// A page of refused requests.
#[derive(Clone, Debug, Serialize, Deserialize, TS)]
pub struct RejectedPage {
    /// Newest first.
    pub rows: Vec<Rejected>,
    /// How many are remembered in all.
    #[ts(type = "number")]
    pub total: u64,
}

/// A request the receiver refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Rejected {
    /// Unique in this history.
    #[ts(type = "number")]
    pub id: u64,
    /// When.
    pub at: UnixMillis,
    /// The status it was answered with.
    pub status: u16,
    /// The code it was answered with.
    pub code: String,
    /// In words.
    pub reason: String,
    /// The signature check's finding, when that was it.
    pub failure: Option<Failure>,
    /// Who sent it: address and port.
    pub peer: String,
    /// `POST /hook`.
    pub request: String,
    /// The body's size in bytes, as far as read.
    #[ts(type = "number")]
    pub size: u64,
    /// How many like it (same code and peer) it stands for, 1 and up.
    #[ts(type = "number")]
    pub count: u64,
    /// What is probably wrong: `x-hub-signature-256` looks like a GitHub
    /// signature.
    pub guess: Option<String>,
}
