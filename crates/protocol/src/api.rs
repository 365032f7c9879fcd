//! The bodies of the proxy's HTTP API, as edges and workspace clients see it.
//! All JSON is camelCase; unknown members are ignored by readers.
//!
//! | method and path | who | body → answer |
//! | --- | --- | --- |
//! | `POST /hooks/{source}` | a provider | raw → 200 |
//! | `POST /webhooks/linear/{app}` | Linear | raw → 200 |
//! | `POST /edge/register` | an edge, workspace token in the body | [`RegisterRequest`] → [`RegisterResponse`] |
//! | `GET /edge/connect` | its worker credential | → `101`, then the tunnel (below) |
//! | `POST /edge/workers/{id}/lease` | its worker credential | [`LeaseRequest`] → [`LeaseResponse`] |
//! | `POST /edge/workers/{id}/secret` | its worker credential | → [`RotatedSecret`] |
//! | `POST /edge/workers/{id}/catch-up` | its worker credential | [`CatchUpRequest`] → [`CaughtUp`] |
//! | `POST /edge/workers/{id}/canary` | its worker credential | [`CanaryRequest`] → [`CanaryReport`] |
//! | `DELETE /edge/workers/{id}` | its worker credential | → 204 |
//! | `GET /edge/events/{event}` | any worker credential of the workspace | → [`EventRecord`] |
//! | `POST /edge/events/{event}/redeliver` | the worker credential of a worker it was for | → 204 |
//! | `POST /edge/events/{event}/status` | the worker credential of a worker it went to | [`ReportWork`] → 204, or [`ClaimRenewed`] |
//! | `GET /v1/workspace` | workspace token | → [`WorkspaceInfo`] |
//! | `GET /v1/sources` | workspace token | → [`SourceList`] |
//! | `GET /v1/workers` | workspace token with scope `events:read`, or any worker credential | → [`WorkerList`] |
//! | `PATCH /v1/workers/{id}` | workspace token with scope `workers:write` | [`PolicyChange`] → [`WorkerPolicy`] |
//! | `POST /v1/events/trigger` | workspace token with scope `events:trigger`, or a worker credential | [`TriggerRequest`] → [`TriggerResponse`] |
//! | `GET /v1/events` | workspace token | → [`EventList`] |
//! | `GET /v1/events/{event}` | workspace token | → [`EventDetail`] |
//! | `GET /v1/events/{event}/body` | workspace token | → the provider's bytes |
//! | `POST /v1/events/{event}/replay` | scope `deliveries:write`, or a worker to itself | [`ReplayRequest`] → [`Replayed`] |
//! | `GET /v1/deliveries` | workspace token | → [`DeliveryList`] |
//! | `GET /v1/deliveries/{delivery}` | workspace token, or the worker it is to | → [`DeliveryDetail`] |
//! | `GET /v1/dead-letters` | workspace token, or a worker for its own | → [`DeliveryList`] |
//! | `POST /v1/dead-letters/redrive` | scope `deliveries:write`, or a worker for its own | [`RedriveRequest`] → [`Progress`] |
//! | `POST /v1/dead-letters/discard` | scope `deliveries:write`, or a worker for its own | [`DiscardRequest`] → [`Progress`] |
//! | `POST /v1/workers/{worker}/recover` | scope `deliveries:write`, or the worker itself | [`RecoverRequest`] → [`Recovered`] |
//! | `GET /v1/live` | workspace token | → a stream of [`LiveMessage`]s (SSE) |
//!
//! `GET /v1/openapi.json` describes what is under `/v1`.
//!
//! Credentials travel as `Authorization: Bearer …`; errors are
//! [`crate::ErrorBody`].
//!
//! # The tunnel
//!
//! A worker that registers without a URL gets its deliveries through its
//! tunnel: `GET /edge/connect` with `Upgrade: postern-h2/1`, or with a WebSocket
//! handshake of subprotocol `postern-h2.1`, and its version in
//! [`TUNNEL_PROTOCOL_HEADER`]. The answer is `101`; from then on the worker
//! serves HTTP/2 on the connection, and the proxy sends it requests. The newest
//! connection of a worker is its tunnel; it takes over from an earlier one.
//!
//! Refused, each as an [`crate::ErrorBody`]: 401 for a credential that is not
//! known or no longer good, 426 `protocol.unsupported` for a version this proxy
//! does not speak, 426 `tunnel.upgrade_required` for a request that asks for no
//! upgrade, 400 for a WebSocket handshake that is not in order, 429 with `Retry-After` for a worker
//! that connects again and again, 503 while the proxy stops or its store is
//! down.
//!
//! A delivery comes down the tunnel as a `POST` to [`TUNNEL_DELIVERY_URI`], and
//! is otherwise what it would be over HTTP: the provider's body and headers,
//! signed with the worker's secret. Nobody outside can make the proxy send a
//! request with that authority.
//!
//! Without a tunnel, and while the worker is away, its events are held. A
//! tunnel that comes up lets what waits flow at once; it does not renew the
//! lease, and ends no absence: the renewal does.

mod canary;
mod circuit;
mod deliveries;
mod events;
mod group;
mod policy;
pub mod tunnels;
mod work;
mod workers;

pub use canary::{Canary, CanaryReport, CanaryRequest};
pub use circuit::{Circuit, CircuitCause, CircuitState};
pub use group::{
    ClaimRenewed, Group, GroupClaim, GroupMode, GroupName, InvalidGroupName, ReasonCode, WorkerReason,
};
pub use policy::{
    InvalidPolicy, InvalidRetry, MOST_ATTEMPTS, MOST_IN_FLIGHT, PolicyChange, Rate, RetryPolicy,
    RetryStrategy, WorkerPolicy,
};
pub use work::{ReportWork, WorkReport, WorkStatus};
pub use workers::{TunnelState, WorkerInfo, WorkerList};

/// Where a delivery is posted inside a worker's tunnel. `.invalid` is reserved
/// (RFC 6761): no public host can be mistaken for it.
pub const TUNNEL_DELIVERY_URI: &str = "http://delivery.invalid/";

/// The header of `GET /edge/connect` with the worker's
/// [`crate::PROTOCOL_VERSION`].
pub const TUNNEL_PROTOCOL_HEADER: &str = "postern-protocol";
pub use deliveries::{
    DeadLetterFilter, DeadReason, DeliveryDetail, DeliveryFilter, DeliveryInfo, DeliveryList, DiscardRequest,
    EndState, Ended, Progress, RecoverRequest, Recovered, RedriveRequest, Which,
};
pub use events::{
    DeliveryCounts, EventDetail, EventFilter, EventInfo, EventList, LiveMessage, ReplayRequest, ReplayTo,
    Replayed,
};

use crate::dedupe::IdFrom;
use crate::event::Provider;
use crate::header::HeaderName;
use crate::id::{DeliveryId, EventId, SourceId, WorkerId, WorkspaceId};
use crate::secret::{self, Secret};
use crate::signature::Scheme;
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// In which order a worker wants its deliveries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ordering {
    /// As they come.
    #[default]
    None,
    /// First in, first out for each entity (issue, pull request, …).
    Entity,
}

/// What happens to events held while a worker was away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CatchUp {
    /// Held until someone chooses.
    Ask,
    /// Delivered, oldest first.
    #[default]
    All,
    /// Only the newest of each entity.
    NewestPerEntity,
    /// Skipped.
    None,
}

/// `POST /edge/register`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisterRequest {
    /// Where deliveries are to be posted: `https://…`, or `http://` to
    /// loopback where the proxy allows it. Absent: deliveries come through the
    /// worker's tunnel (`GET /edge/connect`), and there is no ownership
    /// challenge: the credential that opens the tunnel is the proof.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook_url: Option<String>,
    /// A token issued by the proxy (`pst_…`) with scope `workers:register`; or,
    /// also as `linearToken`, a Linear API key or access token (`lin_…`) of a
    /// member of an organisation that is linked to a workspace.
    #[serde(serialize_with = "secret::expose", alias = "linearToken")]
    pub token: Secret,
    /// The machine's name for people, 1–100 characters. Registering a name
    /// again in the same workspace needs that worker's credential in
    /// `Authorization`; without it a new worker is made beside it.
    pub name: String,
    /// Which events are wanted: see [`crate::filter::Filter`]. Empty is all.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// In which order.
    #[serde(default)]
    pub ordering: Ordering,
    /// What becomes of events held during an absence.
    #[serde(default)]
    pub catch_up: CatchUp,
    /// The group it is to be in; absent: it gets its events for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Group>,
    /// How its deliveries are to be signed.
    #[serde(default)]
    pub signature_style: SignatureStyleName,
    /// With [`SignatureStyleName::Timestamped`], and needed there: what the
    /// three headers begin with, `X-Acme` for `X-Acme-Signature`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header_prefix: Option<HeaderName>,
    /// How it wants to be delivered to. Who registers anew keeps what is
    /// absent.
    #[serde(flatten)]
    pub policy: PolicyChange,
    /// [`crate::PROTOCOL_VERSION`] of the edge.
    pub protocol_version: String,
}

/// A style of signature by its name ([`crate::signature::SignatureStyle`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignatureStyleName {
    /// Standard Webhooks.
    #[default]
    Standard,
    /// `X-<Name>-Signature: t=…,v1=…`, for receivers that expect it.
    Timestamped,
}

/// The answer to [`RegisterRequest`]: a worker with a URL is `pending` until it
/// has answered the ownership challenge, which follows at once; one without is
/// `active` already (or `paused`, when it was), and what is accepted for it
/// before its tunnel is up waits.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisterResponse {
    /// The worker's id.
    pub worker_id: WorkerId,
    /// Renews and changes this worker. Shown once.
    #[serde(serialize_with = "secret::expose")]
    pub credential: Secret,
    /// Signs the deliveries (`whsec_…`). Shown once.
    #[serde(serialize_with = "secret::expose")]
    pub secret: Secret,
    /// How long the lease lasts from now; renew well before.
    pub lease_seconds: u32,
    /// The workspace the token belongs to.
    pub workspace: WorkspaceInfo,
    /// What waits for this worker.
    pub waiting: Waiting,
    /// Where it stands now.
    pub state: WorkerState,
}

/// A workspace, named.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkspaceInfo {
    /// Its id.
    pub id: WorkspaceId,
    /// Its name for people.
    pub name: String,
}

/// Deliveries not yet made: those that wait for their time, their worker or a
/// sender, and apart from them those held until someone chooses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    /// How many.
    #[ts(type = "number")]
    pub count: u64,
    /// When the oldest of them was accepted.
    pub oldest: Option<UnixMillis>,
    /// What is held until someone chooses ([`CatchUp::Ask`]); absent: nothing.
    #[serde(default)]
    pub held: Option<Held>,
}

/// Deliveries held after an absence until someone chooses.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// How many, 1 and up.
    #[ts(type = "number")]
    pub count: u64,
    /// When the oldest of them was accepted.
    pub oldest: UnixMillis,
    /// When the newest of them was accepted.
    pub newest: UnixMillis,
    /// How many entities (issues, pull requests, …) they concern; those of no
    /// entity count for none.
    #[ts(type = "number")]
    pub entities: u64,
    /// How many [`CatchUp::NewestPerEntity`] would deliver.
    #[ts(type = "number")]
    pub newest_per_entity: u64,
}

/// Where a worker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WorkerState {
    /// Registered; the ownership challenge is not answered yet. Gets nothing.
    Pending,
    /// Leased and delivered to.
    Active,
    /// The lease ran out: its events are held.
    Away,
    /// Held on request.
    Paused,
    /// Has left, or answered 410: gets nothing any more.
    Gone,
}

/// `POST /edge/workers/{id}/lease`: renews the lease. An away worker is back;
/// what waits flows at once.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeaseRequest {
    /// `true` pauses (events are held), `false` resumes, absent leaves as is.
    pub paused: Option<bool>,
    /// What becomes of events held during absences, the one that this renewal
    /// ends included; absent leaves as is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catch_up: Option<CatchUp>,
    /// In which order it wants its deliveries, those that wait included;
    /// absent leaves as is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordering: Option<Ordering>,
    /// The group it is to be in, `null` for none; absent leaves as is.
    #[serde(default, deserialize_with = "policy::present", skip_serializing_if = "Option::is_none")]
    pub group: Option<Option<Group>>,
    /// How it wants to be delivered to; absent leaves as is.
    #[serde(flatten)]
    pub policy: PolicyChange,
}

/// The answer to `POST /edge/workers/{id}/secret`: a new signing secret. The
/// one before signs beside it for a while.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RotatedSecret {
    /// Signs the deliveries from now on (`whsec_…`). Shown once.
    #[serde(serialize_with = "secret::expose")]
    pub secret: Secret,
    /// Until when the secret before signs too.
    pub previous_until: UnixMillis,
}

/// `POST /edge/workers/{id}/catch-up`: what becomes of the held deliveries.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CatchUpRequest {
    /// The choice.
    pub choice: CatchUpChoice,
}

/// What is chosen for the held deliveries of a worker.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CatchUpChoice {
    /// Deliver all, oldest first.
    All,
    /// Deliver the newest of each entity and what has no entity; skip the rest.
    NewestPerEntity,
    /// Skip all.
    None,
    /// Deliver these, at most 1000; the others stay held.
    Events(Vec<EventId>),
}

/// The answer to [`CatchUpRequest`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CaughtUp {
    /// How many are on their way now.
    #[ts(type = "number")]
    pub delivering: u64,
    /// How many were skipped.
    #[ts(type = "number")]
    pub skipped: u64,
    /// How many are held still.
    #[ts(type = "number")]
    pub held: u64,
}

/// The answer to [`LeaseRequest`].
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeaseResponse {
    /// How long the lease lasts from now.
    pub lease_seconds: u32,
    /// Where the worker stands after the renewal.
    pub state: WorkerState,
    /// What waits for it.
    pub waiting: Waiting,
    /// The proxy's clock, to tell skew.
    pub now: UnixMillis,
    /// Why the worker is still pending, when its last challenge failed.
    pub challenge_error: Option<String>,
    /// Why deliveries are not getting through, when the last one failed for
    /// want of a connection.
    pub last_transport_error: Option<String>,
}

/// The body of the ownership challenge the proxy posts, signed like a
/// delivery, to a worker's URL. The answer is 200 with [`ChallengeAnswer`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Challenge {
    /// Always [`Challenge::TYPE`].
    #[serde(rename = "type")]
    pub kind: String,
    /// A fresh random text.
    pub challenge: String,
}

impl Challenge {
    /// What `type` says.
    pub const TYPE: &'static str = "postern.challenge";
}

/// What the proxy posts, signed like a delivery and with `postern-kind: ping`,
/// to a worker that it could not reach, or that has been idle. Any 2xx says
/// that the worker is there; nothing is to be kept of it.
#[derive(Clone, Copy, Debug)]
pub struct Ping;

impl Ping {
    /// The whole body.
    pub const BODY: &'static str = r#"{"type":"postern.ping"}"#;
}

/// Proof that the worker holds the secret: the value of a
/// `webhook-signature` with id `challenge`, timestamp 0 and the challenge's
/// text as body, or of an `X-<Name>-Signature` with the same
/// ([`crate::signature::SignatureStyle::answer`]).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct ChallengeAnswer {
    /// The proof.
    pub answer: String,
}

/// `GET /v1/sources`.
#[derive(Clone, Debug, Deserialize, Serialize, utoipa::ToSchema)]
pub struct SourceList {
    /// The workspace's sources, oldest first.
    pub sources: Vec<SourceInfo>,
}

/// A source without its secrets.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceInfo {
    /// Its id.
    pub id: SourceId,
    /// Its name, unique in the workspace.
    pub name: String,
    /// Who posts to it.
    pub provider: Provider,
    /// Where: the whole URL as providers see it.
    pub url: String,
    /// How many secrets it accepts.
    pub secrets: u32,
    /// How it is signed, parameters included; absent from older proxies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub scheme: Option<Scheme>,
    /// Where an event's id stands, where that is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub id_from: Option<IdFrom>,
}

/// `POST /v1/events/trigger`: makes a synthetic event that takes the whole
/// path: signed as the source's provider would, stored, delivered.
#[derive(Clone, Debug, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TriggerRequest {
    /// Which source to use by id or name; without it the workspace's first of
    /// `provider`, made on the spot when there is none.
    pub source: Option<String>,
    /// Whose event it is.
    pub provider: Provider,
    /// The provider's headers that name the event (`linear-event`,
    /// `x-github-event`, delivery ids). Signature headers are the proxy's.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// The body as text, sent byte for byte.
    pub body: String,
    /// Deliver to every matching worker instead of the caller's own. Without
    /// it `worker` says which one; a worker credential implies its worker.
    #[serde(default)]
    pub all: bool,
    /// The one worker to deliver to.
    pub worker: Option<WorkerId>,
}

/// The answer to [`TriggerRequest`].
#[derive(Clone, Debug, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TriggerResponse {
    /// The event made.
    pub event_id: EventId,
    /// To how many workers it goes.
    pub deliveries: u32,
}

/// `GET …/events/{id}`: an event with everything the proxy did with it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventRecord {
    /// Its id.
    pub id: EventId,
    /// When it was accepted.
    pub received_at: UnixMillis,
    /// How long verification and commit took, in microseconds.
    #[ts(type = "number")]
    pub commit_micros: u64,
    /// The source it came in by.
    pub source: String,
    /// Who posted it.
    pub provider: Provider,
    /// `Issue.update`.
    pub name: String,
    /// The body's size in bytes.
    #[ts(type = "number")]
    pub size: u64,
    /// Whether `trigger` made it.
    pub synthetic: bool,
    /// The `x-request-id` of the answer to whoever posted it; absent on what
    /// came in by no request, or before ids were kept.
    #[serde(default)]
    pub request_id: Option<String>,
    /// One entry per worker, or claim group, it goes to.
    pub deliveries: Vec<DeliveryRecord>,
    /// Of each worker of the workspace, why it got the event or did not.
    #[serde(default)]
    pub workers: Vec<WorkerReason>,
}

/// One event's way to one worker.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryRecord {
    /// Its id.
    pub id: DeliveryId,
    /// To whom. Of a claim group, the member that has it, or had it last;
    /// `null` until one did.
    pub worker_id: Option<WorkerId>,
    /// The worker's name, or the group's while no member has had it.
    pub worker: String,
    /// How it stands with its claim group; absent: it is to the worker alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub claim: Option<GroupClaim>,
    /// Where it stands.
    pub state: DeliveryState,
    /// When the next attempt is due, while it is pending.
    pub next_attempt_at: Option<UnixMillis>,
    /// What it waits for once it is due, while it is pending; absent: for
    /// nothing but its turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub waits_for: Option<WaitsFor>,
    /// Who skipped it and when, while it is skipped.
    #[serde(default)]
    pub skipped: Option<Skipped>,
    /// Who ended it, when and why, while it is dead, expired, skipped or
    /// discarded.
    #[serde(default)]
    pub ended: Option<Ended>,
    /// How often it was made due again after it had ended. What was redriven
    /// or replayed is outside the worker's order.
    #[serde(default)]
    pub redriven: u32,
    /// Which deliberate replay of the event it is, from 1; 0: none.
    #[serde(default)]
    pub replay: u32,
    /// The attempts made, oldest first.
    pub attempts: Vec<AttemptRecord>,
    /// What the worker reported of its work, oldest first.
    #[serde(default)]
    pub reports: Vec<WorkReport>,
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Waiting for its time, its worker, or a sender.
    Pending,
    /// Claimed by a sender right now.
    Sending,
    /// Answered 2xx; with a claim group: reported as completed.
    Delivered,
    /// Answered 2xx by a member of a claim group, which has yet to report that
    /// it is done.
    Claimed,
    /// A dead letter: out of attempts, or the worker left; see
    /// [`DeliveryRecord::ended`].
    Dead,
    /// A dead letter: held past the retention.
    Expired,
    /// Held after an absence until someone chooses.
    Held,
    /// Not to be delivered, as was chosen: see [`DeliveryRecord::skipped`].
    Skipped,
    /// A dead letter that someone discarded: see [`DeliveryRecord::ended`].
    Discarded,
    /// In line behind an earlier event of its entity ([`Ordering::Entity`]).
    Queued,
}

/// What a delivery that is due waits for. None of it uses anything up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WaitsFor {
    /// The worker to answer its ownership challenge.
    WorkerPending,
    /// The worker to renew its lease.
    WorkerAway,
    /// The worker to resume.
    WorkerPaused,
    /// The worker's circuit to close.
    Circuit,
    /// The worker's rate to allow one more.
    Rate,
    /// A member of its claim group that takes it, is there and has room; while
    /// one holds its entity, that one.
    Member,
}

/// That a delivery was skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Skipped {
    /// By whom.
    pub by: SkippedBy,
    /// When.
    pub at: UnixMillis,
}

/// Who skips a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SkippedBy {
    /// The worker's standing [`CatchUp`].
    Setting,
    /// Someone at the worker who was asked.
    Choice,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttemptRecord {
    /// From 1. Attempts that never reached the worker count here too, though
    /// they burn nothing of the schedule.
    pub number: u32,
    /// When it was sent.
    pub at: UnixMillis,
    /// How long until the outcome was known, in microseconds.
    #[ts(type = "number")]
    pub micros: u64,
    /// What came of it.
    pub outcome: AttemptOutcome,
    /// The HTTP status, when an answer came.
    pub status: Option<u16>,
    /// What went wrong, in words, when no 2xx came.
    pub error: Option<String>,
    /// The first 4 KiB of the answer's body, as text, lossily.
    pub answer: Option<String>,
}

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// 2xx.
    Delivered,
    /// An answer other than 2xx.
    Refused,
    /// The name did not resolve.
    Dns,
    /// No connection.
    Connect,
    /// TLS failed.
    Tls,
    /// No answer in time, or the connection broke.
    Timeout,
    /// The worker's clock and the proxy's differ too much.
    ClockSkew,
}
