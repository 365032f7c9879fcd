//! What the parts of a running edge share: who is signed in, how the
//! registration stands, where events go.

use crate::EdgeConfig;
use crate::api::http::Access;
use crate::api::{
    ApiError, Arrival, Connection, Forward, HandlerRun, ProfileState, RuleList, Settings, Status, Tunnel,
};
use crate::arrival::{self, Facts, Way};
use crate::canary::{Expected, Proof};
use crate::edge::Place;
use crate::handlers::{Listeners, Rules};
use crate::history::{Committed, History, HistoryError, Profile};
use crate::inspector::Inspector;
use crate::ports::OwnPorts;
use crate::profiles::Profiles;
use crate::proxy_client::{ProxyClient, is_loopback};
use crate::registration::Registered;
use crate::secrets::{KeptIn, LocalSecret, ProfileSecrets, SecretStoreError, WorkerSecrets};
use crate::tunnel::WayOut;
use crate::tunnels::{Exchanges, Tunnels};
use postern_protocol::api::{CatchUp, Group, GroupMode, Ordering, WorkspaceInfo};
use postern_protocol::{ErrorCode, Provider, Secret, UnixMillis};
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

/// Shared by every part of a slot ([`Profiles`]); what is in an [`Arc`] here the
/// slots have in common. Each `watch` is a cell that can be waited on.
pub(crate) struct Shared {
    pub(crate) config: EdgeConfig,
    /// All slots, of which this is one.
    pub(crate) profiles: Weak<Profiles>,
    pub(crate) history: History,
    pub(crate) proxies: crate::proxy_client::Clients,
    pub(crate) forwarder: Arc<crate::handlers::Forwarder>,
    /// Where deliveries arrive on this machine.
    pub(crate) place: Arc<Place>,
    /// How to dial the tunnel.
    pub(crate) way_out: Arc<WayOut>,
    /// The local API's base URL.
    pub(crate) api_url: Option<String>,
    /// Ports of our own, refused as targets.
    pub(crate) own_ports: OwnPorts,
    pub(crate) access: Arc<Access>,
    pub(crate) account: watch::Sender<Account>,
    /// What the profile is called on this machine, where it was given a name.
    pub(crate) label: watch::Sender<Option<String>>,
    pub(crate) connection: watch::Sender<Connection>,
    pub(crate) tunnel: watch::Sender<Tunnel>,
    pub(crate) inspector: Arc<Inspector>,
    /// The requests through its public tunnels.
    pub(crate) exchanges: Arc<Exchanges>,
    pub(crate) settings: Arc<watch::Sender<Settings>>,
    pub(crate) rejected: watch::Sender<u64>,
    pub(crate) listeners: Listeners,
    /// So many events are sent on at a time.
    pub(crate) sends: Semaphore,
    /// Moves when something in the status changes that has no event.
    pub(crate) changed: Arc<watch::Sender<u64>>,
    /// Wakes the registration.
    pub(crate) renew: Notify,
    /// Moves when this machine woke from sleep, changed networks, or reaches
    /// the proxy again: lines to the proxy are to be made anew.
    pub(crate) awake: Arc<watch::Sender<u64>>,
    /// Wakes the forwarding when its targets have changed.
    pub(crate) retarget: Notify,
    /// Something was given to this machine as a member of a claim group.
    pub(crate) claimed: Notify,
    /// Work begun by an operation, to be finished before the edge ends.
    pub(crate) tasks: TaskTracker,
    /// The proxy on this machine, for whoever has none.
    pub(crate) local_proxy: Arc<crate::local_proxy::LocalProxy>,
    /// Ends the streams of live changes.
    pub(crate) stopping: CancellationToken,
    /// Ends the work of this slot.
    pub(crate) over: CancellationToken,
}

/// Whom the edge works for.
#[derive(Clone)]
pub(crate) enum Account {
    /// Nobody.
    SignedOut,
    /// A profile whose secrets could not be read yet.
    Locked(Profile),
    /// A token from the environment whose workspace is not known yet.
    Unresolved {
        /// The proxy's base URL.
        proxy_url: String,
        /// The token.
        token: Secret,
    },
    /// A profile with its token.
    SignedIn(Arc<Session>),
}

impl Account {
    pub(crate) fn session(&self) -> Option<&Arc<Session>> {
        match self {
            Self::SignedIn(session) => Some(session),
            _ => None,
        }
    }

    pub(crate) fn profile(&self) -> Option<&Profile> {
        match self {
            Self::SignedIn(session) => Some(&session.profile),
            Self::Locked(profile) => Some(profile),
            Self::SignedOut | Self::Unresolved { .. } => None,
        }
    }
}

/// A profile at work.
pub(crate) struct Session {
    pub(crate) profile: Profile,
    pub(crate) token: Secret,
    pub(crate) kept_in: KeptIn,
    pub(crate) proxy: ProxyClient,
    pub(crate) worker: watch::Sender<Option<WorkerSecrets>>,
    /// What the developer's own program verifies with.
    pub(crate) local: watch::Sender<Vec<LocalSecret>>,
    /// What the proxy has on record.
    pub(crate) registered: watch::Sender<Option<Registered>>,
    /// Whether a registration is under way: its secret is about to be known.
    pub(crate) registering: watch::Sender<bool>,
    /// Held while the worker's secrets change.
    pub(crate) changing: tokio::sync::Mutex<()>,
    pub(crate) paused: watch::Sender<bool>,
    pub(crate) rules: watch::Sender<Arc<Rules>>,
    pub(crate) tunnels: Arc<Tunnels>,
    /// The newest run of each rule.
    pub(crate) last_runs: watch::Sender<HashMap<u64, HandlerRun>>,
    /// When something arrived, or should have.
    pub(crate) proof: Proof,
    /// Canaries on their way here.
    pub(crate) expected: Expected,
}

impl Session {
    pub(crate) fn new(
        profile: Profile,
        secrets: ProfileSecrets,
        token: Secret,
        kept_in: KeptIn,
        proxy: ProxyClient,
        ((rules, last_runs), tunnels): ((RuleList, HashMap<u64, HandlerRun>), Tunnels),
    ) -> Self {
        Self {
            worker: watch::Sender::new(secrets.worker),
            local: watch::Sender::new(secrets.local),
            registered: watch::Sender::new(profile.registered.as_deref().map(Registered::read)),
            registering: watch::Sender::new(false),
            changing: tokio::sync::Mutex::new(()),
            paused: watch::Sender::new(profile.paused),
            rules: watch::Sender::new(Arc::new(Rules::new(rules))),
            tunnels: Arc::new(tunnels),
            last_runs: watch::Sender::new(last_runs),
            proof: Proof::default(),
            expected: Expected::default(),
            profile,
            token,
            kept_in,
            proxy,
        }
    }

    /// Where the receiver takes this profile's deliveries.
    pub(crate) fn path(&self) -> String {
        path(&self.profile)
    }

    /// The secrets that verify deliveries at `now`, the current one first.
    pub(crate) fn signing_secrets(&self, now: UnixMillis) -> Vec<Secret> {
        self.worker
            .borrow()
            .iter()
            .flat_map(|worker| &worker.signing)
            .filter(|key| key.until.is_none_or(|until| now <= until))
            .map(|key| key.secret.clone())
            .collect()
    }

    /// What is kept for this profile.
    pub(crate) fn secrets(&self) -> ProfileSecrets {
        let token = (self.kept_in != KeptIn::Environment).then(|| self.token.clone());
        ProfileSecrets { token, worker: self.worker.borrow().clone(), local: self.local.borrow().clone() }
    }

    /// The local secret for events of a source: its own before its provider's.
    pub(crate) fn local_secret(&self, provider: Provider, source: &str) -> Option<LocalSecret> {
        let local = self.local.borrow();
        let of = |name: Option<&str>| {
            local.iter().find(|s| s.scheme.provider() == provider && s.source.as_deref() == name).cloned()
        };
        of(Some(source)).or_else(|| of(None))
    }

    /// Where events are forwarded to, and what the targets last answered.
    fn targets(&self) -> Vec<Forward> {
        let rules = Arc::clone(&self.rules.borrow());
        let last = self.last_runs.borrow();
        let targets = rules.targets().map(|(rule, to)| Forward {
            rule: rule.id,
            name: rule.name.clone(),
            url: to.target.url().to_owned(),
            all: rule.takes_all(),
            last: last.get(&rule.id).filter(|run| run.target == to.target.url()).cloned(),
        });
        targets.collect()
    }
}

fn path(profile: &Profile) -> String {
    format!("/hook/{}", profile.hook_key)
}

fn workspace(profile: &Profile) -> Option<WorkspaceInfo> {
    let id = profile.workspace_id.parse().ok()?;
    Some(WorkspaceInfo { id, name: profile.workspace_name.clone() })
}

impl Shared {
    pub(crate) fn now(&self) -> UnixMillis {
        self.config.clock.now()
    }

    /// The session, when somebody is signed in.
    pub(crate) fn session(&self) -> Result<Arc<Session>, ApiError> {
        self.account.borrow().session().cloned().ok_or_else(|| {
            ApiError::new(ErrorCode::NotSignedIn, "not signed in: sign in with a workspace token first")
        })
    }

    /// The profile whose history is shown.
    pub(crate) fn profile_id(&self) -> Option<i64> {
        self.account.borrow().profile().map(|profile| profile.id)
    }

    /// What the profile is called on this machine.
    pub(crate) fn profile_name(&self) -> Option<String> {
        let workspace = self.workspace_name()?;
        Some(self.label.borrow().clone().unwrap_or(workspace))
    }

    /// What the proxy calls its workspace.
    pub(crate) fn workspace_name(&self) -> Option<String> {
        self.account.borrow().profile().map(|profile| profile.workspace_name.clone())
    }

    /// Says how the registration of `session` stands, unless another has
    /// taken its place.
    pub(crate) fn set_connection(&self, of: &Account, connection: Connection) {
        let still = match (&*self.account.borrow(), of) {
            (Account::SignedIn(now), Account::SignedIn(then)) => Arc::ptr_eq(now, then),
            (now, then) => std::mem::discriminant(now) == std::mem::discriminant(then),
        };
        let changed = still
            && self.connection.send_if_modified(|now| {
                let changed = *now != connection;
                *now = connection;
                changed
            });
        if changed {
            self.touch();
        }
    }

    /// Says that lines to the proxy are to be made anew.
    pub(crate) fn wake_up(&self) {
        self.awake.send_modify(|n| *n += 1);
    }

    /// Which way deliveries are to take to a profile, and why.
    fn way(&self, profile: &Profile) -> (Way, &'static str) {
        let public =
            !self.config.receiver_bind.ip().is_loopback() && !self.config.receiver_bind.ip().is_unspecified();
        arrival::choose(Facts {
            via: self.settings.borrow().via,
            address: &self.place.base(),
            configured: self.config.webhook_base.is_some() || (self.config.tls.is_some() && public),
            proxy_is_here: Url::parse(&profile.proxy_url).is_ok_and(|url| is_loopback(&url)),
        })
    }

    /// What the proxy is to have on record for a profile.
    pub(crate) fn wanted(&self, session: &Session) -> Registered {
        let to = match self.way(&session.profile).0 {
            Way::Address => Some(format!("{}{}", self.place.base(), session.path())),
            Way::Tunnel => None,
        };
        Registered { to, capabilities: self.settings.borrow().capabilities.clone() }
    }

    /// Says how the tunnel stands.
    pub(crate) fn set_tunnel(&self, tunnel: Tunnel) {
        let changed = self.tunnel.send_if_modified(|now| {
            let changed = *now != tunnel;
            *now = tunnel;
            changed
        });
        if changed {
            self.touch();
        }
    }

    /// Whether events can arrive now, as far as is known.
    pub(crate) fn is_live(&self) -> bool {
        let account = self.account.borrow().clone();
        let Some(profile) = account.profile() else { return false };
        let line = self.way(profile).0 == Way::Address || matches!(*self.tunnel.borrow(), Tunnel::Up { .. });
        line && matches!(*self.connection.borrow(), Connection::Live { .. })
    }

    /// What the proxy is to do with events held during an absence.
    pub(crate) fn catch_up(&self) -> CatchUp {
        self.settings.borrow().catch_up.unwrap_or(self.config.catch_up)
    }

    /// In which order the proxy is to deliver, and events are forwarded.
    pub(crate) fn ordering(&self) -> Ordering {
        self.settings.borrow().ordering
    }

    /// The group the proxy is to have this machine in.
    pub(crate) fn claim_group(&self) -> Option<Group> {
        let name = self.settings.borrow().group.clone()?;
        Some(Group { name, mode: GroupMode::Claim })
    }

    /// Something in the status has changed.
    pub(crate) fn touch(&self) {
        self.changed.send_modify(|n| *n += 1);
    }

    /// Whether anything may be forwarded now.
    pub(crate) fn forwards(&self, session: &Session) -> bool {
        session.rules.borrow().forwards() || !self.listeners.is_empty()
    }

    /// Puts rules that have been set into force, unless newer ones are.
    pub(crate) fn apply_rules(&self, session: &Session, list: RuleList) -> RuleList {
        let rules = Arc::new(Rules::new(list.clone()));
        session.rules.send_if_modified(|now| {
            let newer = rules.version() > now.version();
            if newer {
                *now = rules;
            }
            newer
        });
        self.retarget.notify_one();
        self.touch();
        list
    }

    pub(crate) fn status(&self) -> Status {
        let account = self.account.borrow().clone();
        let committed = self.history.committed().borrow().clone();
        let events = account.profile().and_then(|profile| committed.events.get(&profile.id)).copied();
        let session = account.session();
        let arrival = account.profile().map(|profile| self.arrival(profile));
        let connection = self.connection(&account, arrival.as_ref());
        Status {
            version: env!("CARGO_PKG_VERSION").into(),
            name: account.profile().map_or_else(|| self.config.default_name.clone(), |p| p.name.clone()),
            session: arrival.and_then(|arrival| self.session_status(&account, arrival)),
            profiles: self.profile_states(&committed),
            connection,
            targets: session.map(|session| session.targets()).unwrap_or_default(),
            rules_version: session.map_or(0, |session| session.rules.borrow().version()),
            tunnels: session.map(|s| s.tunnels.states(&self.tunnel.borrow())).unwrap_or_default(),
            settings: self.settings.borrow().clone(),
            receiver: self.place.port(),
            events: events.unwrap_or(0).unsigned_abs(),
            rejected: *self.rejected.borrow(),
            cursor: committed.seq.unsigned_abs(),
            now: self.now(),
        }
    }

    fn connection(&self, account: &Account, arrival: Option<&Arrival>) -> Connection {
        let mut connection = self.connection.borrow().clone();
        if let (Connection::Live { proven_at, unproven, .. }, Some(session)) =
            (&mut connection, account.session())
        {
            *proven_at = session.proof.at();
            *unproven = session.proof.unproven();
        }
        match arrival {
            Some(Arrival::Tunnel { tunnel, .. }) => through(connection, tunnel),
            _ => connection,
        }
    }

    fn profile_states(&self, committed: &Committed) -> Vec<ProfileState> {
        let Some(profiles) = self.profiles.upgrade() else { return Vec::new() };
        let states = profiles.all().into_iter().filter_map(|slot| {
            let account = slot.account.borrow().clone();
            let profile = account.profile()?;
            let arrival = slot.arrival(profile);
            Some(ProfileState {
                id: profile.id,
                name: slot.profile_name()?,
                workspace: profile.workspace_name.clone(),
                proxy_url: profile.proxy_url.clone(),
                shown: std::ptr::eq(Arc::as_ptr(&slot), self),
                connection: slot.connection(&account, Some(&arrival)),
                events: committed.events.get(&profile.id).copied().unwrap_or(0).unsigned_abs(),
            })
        });
        states.collect()
    }

    fn arrival(&self, profile: &Profile) -> Arrival {
        let (way, reason) = self.way(profile);
        let reason = reason.to_owned();
        match way {
            Way::Address => {
                Arrival::Address { url: format!("{}{}", self.place.base(), path(profile)), reason }
            }
            Way::Tunnel => Arrival::Tunnel { tunnel: self.tunnel.borrow().clone(), reason },
        }
    }

    fn session_status(&self, account: &Account, arrival: Arrival) -> Option<crate::api::Session> {
        let (profile, worker_id, kept_in) = match account {
            Account::SignedIn(session) => (
                &session.profile,
                session.worker.borrow().as_ref().map(|worker| worker.worker_id.clone()),
                session.kept_in,
            ),
            Account::Locked(profile) => (profile, None, self.config.secrets.kept_in()),
            Account::SignedOut | Account::Unresolved { .. } => return None,
        };
        Some(crate::api::Session {
            proxy_url: profile.proxy_url.clone(),
            workspace: workspace(profile)?,
            worker_id,
            arrival,
            token_kept_in: kept_in.as_str().into(),
        })
    }
}

/// How things stand when deliveries come through the tunnel: a lease alone
/// brings no event.
fn through(connection: Connection, tunnel: &Tunnel) -> Connection {
    let Connection::Live { renewed_at, .. } = connection else { return connection };
    match tunnel {
        Tunnel::Up { .. } => connection,
        Tunnel::Idle => Connection::Connecting { since: renewed_at, problem: None },
        Tunnel::Connecting { since } => Connection::Connecting { since: *since, problem: None },
        Tunnel::Down { since, problem, retry_at, .. } => {
            Connection::Reconnecting { problem: problem.clone(), retry_at: retry_at.unwrap_or(*since) }
        }
    }
}

impl From<HistoryError> for ApiError {
    fn from(error: HistoryError) -> Self {
        tracing::warn!(error = %with_causes(&error), "the history did not answer");
        Self::new(ErrorCode::StoreUnavailable, with_causes(&error))
    }
}

impl From<SecretStoreError> for ApiError {
    fn from(error: SecretStoreError) -> Self {
        Self::new(error.code(), with_causes(&error))
    }
}

/// An error and what caused it, in one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(e) = cause {
        let next = e.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = e.source();
    }
    text
}
