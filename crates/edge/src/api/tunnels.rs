//! Public tunnels: which there are, switched on and off, and what goes through
//! them. Names, access and limits are the proxy's; targets are this machine's.

use super::ApiError;
use super::operations::credential;
use crate::EdgeHandle;
use crate::history::KeptTunnel;
use crate::state::Session;
use crate::tunnels::{Hold, Origin};
use postern_protocol::api::tunnels::{ReserveTunnel, TunnelInfo, TunnelName, TunnelOptions, TunnelWorker};
use postern_protocol::{ErrorCode, UnixMillis};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// So many a machine serves at most for one workspace.
const MOST: usize = 200;
/// The longest time that a target may take to begin its answer, in seconds.
const LONGEST_TIMEOUT: u32 = 3_600;

/// `tunnels`: this machine's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Tunnels {
    /// By name.
    pub tunnels: Vec<PublicTunnel>,
    /// What went through each, in the same order.
    pub traffic: Vec<TunnelTraffic>,
}

/// A public tunnel of this machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct PublicTunnel {
    /// Its name, reserved at the proxy.
    pub name: TunnelName,
    /// Its public address, without a slash at the end.
    pub url: String,
    /// Where it leads to, and how.
    pub settings: TunnelSettings,
    /// Whether it is to be served.
    pub on: bool,
    /// Whether that is, or is also, for as long as some program runs.
    pub held: bool,
    /// How it stands.
    pub state: PublicTunnelState,
}

/// Where a tunnel leads to, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct TunnelSettings {
    /// A server of this machine: `http://localhost:3000`; `3000` will do.
    pub target: String,
    /// Whether the local server is told the public host; otherwise its own, as
    /// dev servers want it.
    pub keep_host: bool,
    /// Whether an `https://` target may show any certificate.
    pub insecure: bool,
    /// Whether the target may be elsewhere in the local network.
    pub lan: bool,
    /// Whether the inspector keeps what goes through; by default it does.
    pub inspect: bool,
    /// How long the target may take to begin its answer, 1–3600 s; 120 by
    /// default.
    pub timeout_seconds: u32,
}

impl Default for TunnelSettings {
    fn default() -> Self {
        Self {
            target: String::new(),
            keep_host: false,
            insecure: false,
            lan: false,
            inspect: true,
            timeout_seconds: 120,
        }
    }
}

/// How a tunnel stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "state", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum PublicTunnelState {
    /// Switched off.
    Off,
    /// On its way to being online.
    Connecting,
    /// Everybody reaches it.
    Online,
    /// Another worker of the workspace serves it.
    Elsewhere {
        /// Which.
        worker: TunnelWorker,
    },
    /// The proxy does not let this machine serve it.
    Refused {
        /// An [`ErrorCode`], as text.
        code: String,
        /// In the proxy's words.
        message: String,
    },
    /// There is no connection to the proxy.
    Offline {
        /// Why.
        problem: String,
        /// When the next try starts; absent: now.
        retry_at: Option<UnixMillis>,
    },
}

/// What went through a tunnel since this edge started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct TunnelTraffic {
    /// The tunnel's.
    pub name: TunnelName,
    /// How many seconds each of `sparks` counts.
    pub spark_seconds: u32,
    /// Requests that came, over the last five minutes, the newest last.
    pub sparks: Vec<u32>,
    /// Half of the answers of that time began within so many microseconds.
    pub p50_micros: Option<u32>,
    /// Of 20 answers 19 did.
    pub p95_micros: Option<u32>,
    /// All requests.
    #[ts(type = "number")]
    pub total: u64,
    /// Those that were not answered in full.
    #[ts(type = "number")]
    pub failed: u64,
    /// Those under way.
    pub under_way: u32,
}

/// A request that came through a tunnel, and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct TunnelRequest {
    /// Unique on this machine; later ones are greater.
    #[ts(type = "number")]
    pub id: u64,
    /// The tunnel's name.
    pub tunnel: TunnelName,
    /// When it came.
    pub at: UnixMillis,
    /// `GET`.
    pub method: String,
    /// With the query: `/a?b=c`.
    pub path: String,
    /// The request that this is a replay of.
    #[ts(type = "number | null")]
    pub replay_of: Option<u64>,
    /// What it is.
    pub kind: ExchangeKind,
    /// The answer's status, also where Postern itself gave it; absent: none yet,
    /// or the visitor left before.
    pub status: Option<u16>,
    /// Whether it goes on.
    pub open: bool,
    /// After how long a new connection to the target stood, in microseconds;
    /// absent: there was one already, or none came about.
    #[ts(type = "number | null")]
    pub connect_micros: Option<u64>,
    /// After how long the answer began.
    #[ts(type = "number | null")]
    pub first_byte_micros: Option<u64>,
    /// How long it took; so far, where it goes on.
    #[ts(type = "number")]
    pub micros: u64,
    /// Of the request's body; of a WebSocket, what the visitor sent.
    #[ts(type = "number")]
    pub request_bytes: u64,
    /// Of the answer's body; of a WebSocket, what the local server sent.
    #[ts(type = "number")]
    pub response_bytes: u64,
    /// Why it was not answered, or not in full.
    pub error: Option<String>,
}

/// What goes through a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ExchangeKind {
    /// A request and its answer.
    Http,
    /// A WebSocket, or another protocol that was upgraded to.
    WebSocket,
    /// A stream of server-sent events.
    Events,
}

/// Requests through the tunnels of a profile, as they are pushed live.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct LiveRequests {
    /// Each when it is over; one that goes on when it has begun, too. At most
    /// 200.
    pub rows: Vec<TunnelRequest>,
    /// How many are not among them, since there were too many.
    #[ts(type = "number")]
    pub missed: u64,
}

/// `reserved_tunnels`: the workspace's names, wherever they are served.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ReservedTunnels {
    /// By name.
    pub tunnels: Vec<TunnelInfo>,
    /// The id of this machine's own worker, once registered.
    pub own: Option<String>,
}

/// `reserve_tunnel`: a name, or other options for one of the workspace's.
#[derive(Clone, Debug, Default, Deserialize, TS)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[ts(optional_fields)]
pub struct ReserveName {
    /// Absent: a random one.
    pub name: Option<TunnelName>,
    /// What applies to visitors; absent: nothing, or as it was.
    pub options: Option<TunnelOptions>,
}

/// `add_tunnel`: reserves a name, and leads it to a target.
#[derive(Clone, Debug, Deserialize, TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[ts(optional_fields)]
pub struct AddTunnel {
    /// Absent: a random one.
    pub name: Option<TunnelName>,
    /// Where it leads to, and how.
    pub settings: TunnelSettings,
    /// What applies to visitors; absent: nothing, or as it was.
    pub options: Option<TunnelOptions>,
    /// Whether to switch it on; absent: yes, or as the tunnel of that name was.
    pub on: Option<bool>,
}

/// `change_tunnel`: one of this machine's.
#[derive(Clone, Debug, Deserialize, TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[ts(optional_fields)]
pub struct ChangeTunnel {
    /// Which.
    pub name: TunnelName,
    /// Where it leads to, and how; absent: as before.
    pub settings: Option<TunnelSettings>,
    /// What applies to visitors; absent: as before.
    pub options: Option<TunnelOptions>,
}

/// `set_tunnel_on`.
#[derive(Clone, Debug, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[ts(optional_fields)]
pub struct SetTunnelOn {
    /// Which.
    pub name: TunnelName,
    /// Whether it is to be served.
    pub on: bool,
    /// Whether to take it from another worker that serves it.
    #[serde(default)]
    pub take_over: Option<bool>,
}

/// `remove_tunnel`, `release_tunnel`.
#[derive(Clone, Debug, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct TunnelKey {
    /// Which.
    pub name: TunnelName,
}

/// Public tunnels that are served for as long as this lives.
pub struct TunnelHold(#[expect(dead_code, reason = "what it does is done when it is dropped")] Hold);

impl EdgeHandle {
    /// Serves tunnels of this machine for as long as what is returned lives,
    /// whether they are switched on or not; with `take_over`, takes them from
    /// other workers that serve them.
    ///
    /// # Errors
    /// `edge.not_signed_in`; `not_found`.
    pub fn hold_tunnels(&self, names: &[TunnelName], take_over: bool) -> Result<TunnelHold, ApiError> {
        let session = self.current().shared.session()?;
        let hold = session.tunnels.hold(names, take_over).map_err(|name| unknown(&name))?;
        self.shared.touch();
        Ok(TunnelHold(hold))
    }
}

/// This machine's tunnels.
///
/// # Errors
/// `edge.not_signed_in`.
pub async fn tunnels(edge: &EdgeHandle) -> Result<Tunnels, ApiError> {
    let session = edge.shared.session()?;
    let tunnels = session.tunnels.states(&edge.shared.tunnel.borrow());
    Ok(Tunnels { tunnels, traffic: session.tunnels.traffic() })
}

/// The names that the workspace has reserved.
///
/// # Errors
/// `edge.not_signed_in`; `unavailable` before the registration is through; the
/// proxy's refusal; `proxy.unreachable`.
pub async fn reserved_tunnels(edge: &EdgeHandle) -> Result<ReservedTunnels, ApiError> {
    let session = edge.shared.session()?;
    let tunnels = session.proxy.tunnels(&credential(&session)?).await?.tunnels;
    let own = session.worker.borrow().as_ref().map(|worker| worker.worker_id.clone());
    Ok(ReservedTunnels { tunnels, own })
}

/// Reserves a name for the workspace, or changes what applies to its visitors.
///
/// # Errors
/// As [`reserved_tunnels`]; `tunnel.name_taken`; `request.malformed` for options
/// that cannot be.
pub async fn reserve_tunnel(edge: &EdgeHandle, args: ReserveName) -> Result<TunnelInfo, ApiError> {
    let session = edge.shared.session()?;
    reserve(&session, args.name, args.options).await
}

/// Reserves a name where the workspace has it not yet, and leads it to a target
/// of this machine, in place of the one it led to.
///
/// # Errors
/// As [`reserve_tunnel`]; `request.malformed` for what cannot be a target;
/// `store.unavailable`. Then this machine's tunnels are as before.
pub async fn add_tunnel(edge: &EdgeHandle, args: AddTunnel) -> Result<PublicTunnel, ApiError> {
    let session = edge.shared.session()?;
    let settings = checked(edge, args.settings)?;
    let _changing = session.tunnels.changing.lock().await;
    let known = args.name.as_ref().and_then(|name| session.tunnels.named(name));
    if known.is_none() && session.tunnels.all().len() >= MOST {
        let message = format!("this machine has {MOST} tunnels, the most there can be: remove one first");
        return Err(ApiError::new(ErrorCode::BadRequest, message));
    }
    let reserved = reserve(&session, args.name, args.options).await?;
    let enabled = args.on.unwrap_or_else(|| known.is_none_or(|known| known.kept.enabled));
    let kept = KeptTunnel { name: reserved.name, url: reserved.url, enabled, settings };
    keep(edge, &session, kept).await
}

/// Changes a tunnel of this machine. Requests under way end as they began.
///
/// # Errors
/// `not_found`; and as [`add_tunnel`].
pub async fn change_tunnel(edge: &EdgeHandle, args: ChangeTunnel) -> Result<PublicTunnel, ApiError> {
    let session = edge.shared.session()?;
    let settings = args.settings.map(|settings| checked(edge, settings)).transpose()?;
    let _changing = session.tunnels.changing.lock().await;
    let mut kept = own(&session, &args.name)?;
    if let Some(options) = args.options {
        kept.url = session.proxy.set_tunnel_options(&args.name, &credential(&session)?, &options).await?.url;
    }
    kept.settings = settings.unwrap_or(kept.settings);
    keep(edge, &session, kept).await
}

/// Switches a tunnel of this machine on or off. Switched off, it stays reserved,
/// and what is under way ends as it would.
///
/// # Errors
/// `edge.not_signed_in`; `not_found`; `store.unavailable`.
pub async fn set_tunnel_on(edge: &EdgeHandle, args: SetTunnelOn) -> Result<PublicTunnel, ApiError> {
    let session = edge.shared.session()?;
    let _changing = session.tunnels.changing.lock().await;
    let kept = KeptTunnel { enabled: args.on, ..own(&session, &args.name)? };
    if args.on && args.take_over == Some(true) {
        session.tunnels.take_over(&args.name);
    }
    keep(edge, &session, kept).await
}

/// Forgets a tunnel of this machine. Its name stays the workspace's.
///
/// # Errors
/// `edge.not_signed_in`; `not_found`; `store.unavailable`.
pub async fn remove_tunnel(edge: &EdgeHandle, args: TunnelKey) -> Result<Tunnels, ApiError> {
    let session = edge.shared.session()?;
    let changing = session.tunnels.changing.lock().await;
    own(&session, &args.name)?;
    edge.shared.history.forget_tunnel(session.profile.id, args.name.clone()).await?;
    session.tunnels.remove(&args.name);
    edge.shared.touch();
    drop(changing);
    tunnels(edge).await
}

/// Gives a name of the workspace up, and forgets the tunnel of that name. For 30
/// days nobody but the workspace can have it again.
///
/// # Errors
/// As [`reserved_tunnels`]; `tunnel.not_reserved`; `store.unavailable`.
pub async fn release_tunnel(edge: &EdgeHandle, args: TunnelKey) -> Result<ReservedTunnels, ApiError> {
    let session = edge.shared.session()?;
    let changing = session.tunnels.changing.lock().await;
    session.proxy.release_tunnel(&args.name, &credential(&session)?).await?;
    edge.shared.history.forget_tunnel(session.profile.id, args.name.clone()).await?;
    session.tunnels.remove(&args.name);
    edge.shared.touch();
    drop(changing);
    reserved_tunnels(edge).await
}

/// The settings, with the target written out.
fn checked(edge: &EdgeHandle, settings: TunnelSettings) -> Result<TunnelSettings, ApiError> {
    if !(1..=LONGEST_TIMEOUT).contains(&settings.timeout_seconds) {
        let message =
            format!("`timeoutSeconds` is {}, and must be 1 to {LONGEST_TIMEOUT}", settings.timeout_seconds);
        return Err(ApiError::new(ErrorCode::BadRequest, message));
    }
    let target = Origin::parse(&settings, &edge.shared.own_ports)?.url().to_owned();
    Ok(TunnelSettings { target, ..settings })
}

async fn reserve(
    session: &Session,
    name: Option<TunnelName>,
    options: Option<TunnelOptions>,
) -> Result<TunnelInfo, ApiError> {
    let request = ReserveTunnel { name, options };
    Ok(session.proxy.reserve_tunnel(&credential(session)?, &request).await?)
}

async fn keep(edge: &EdgeHandle, session: &Session, kept: KeptTunnel) -> Result<PublicTunnel, ApiError> {
    edge.shared.history.keep_tunnel(session.profile.id, kept.clone()).await?;
    let name = kept.name.clone();
    session.tunnels.set(kept);
    edge.shared.touch();
    let states = session.tunnels.states(&edge.shared.tunnel.borrow());
    states.into_iter().find(|tunnel| tunnel.name == name).ok_or_else(|| unknown(&name))
}

fn own(session: &Session, name: &TunnelName) -> Result<KeptTunnel, ApiError> {
    session.tunnels.named(name).map(|tunnel| tunnel.kept.clone()).ok_or_else(|| unknown(name))
}

fn unknown(name: &TunnelName) -> ApiError {
    ApiError::new(ErrorCode::NotFound, format!("this machine has no tunnel `{name}`"))
}
