//! What a shell decides before an edge starts.

use crate::api::Via;
use crate::{SecretStore, SystemClock, TunnelTiming};
use postern_protocol::api::{CatchUp, GroupName, Ordering, PolicyChange};
use postern_protocol::{Clock, Secret};
use postern_tls::Files;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Everything an edge is built from.
#[derive(Clone)]
pub struct EdgeConfig {
    /// What the program calls itself towards a second one that attaches:
    /// `postern serve`.
    pub program: String,
    /// The folder for history, settings and the lock; made when absent. One
    /// edge runs on it at a time.
    pub data_dir: PathBuf,
    /// Where deliveries are received. Port 0 takes the port of the last time
    /// if it is free, any other one otherwise, so that the registered URL
    /// survives restarts. Default: 127.0.0.1, port 0.
    pub receiver_bind: SocketAddr,
    /// The receiver's certificate and key: with them it speaks HTTPS, and
    /// reads them again when they change.
    pub tls: Option<Files>,
    /// The receiver's address as the proxy sees it, without a path, where it
    /// is not `http://{receiver_bind}` (`https://` with [`EdgeConfig::tls`]):
    /// `https://laptop.example`.
    pub webhook_base: Option<String>,
    /// How events are to arrive, where the shell was told; kept as the setting
    /// ([`crate::api::Settings::via`]), which counts otherwise.
    pub via: Option<Via>,
    /// The local HTTP API: on by default, on 127.0.0.1 and a free port, so
    /// that a second program attaches to this edge. `None` serves none.
    pub api: Option<ApiConfig>,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where secrets are kept.
    pub secrets: Arc<dyn SecretStore>,
    /// The worker's name unless the user gives another: the host's name.
    pub default_name: String,
    /// A workspace token from the environment: signs in by itself at start.
    /// The token is not stored; the worker's credential is, in `secrets`.
    pub environment: Option<EnvironmentToken>,
    /// What becomes of events held during an absence, unless the user sets it
    /// ([`crate::api::Settings::catch_up`]). Default: all are delivered; a
    /// shell with someone in front of it asks.
    pub catch_up: CatchUp,
    /// In which order events are delivered and forwarded, from now on
    /// ([`crate::api::Settings::ordering`]); absent: as it was set before.
    pub ordering: Option<Ordering>,
    /// Which events are asked for, from now on
    /// ([`crate::api::Settings::capabilities`]); absent: as it was set before.
    pub capabilities: Option<Vec<String>>,
    /// The claim group whose work this machine shares, or none, from now on
    /// ([`crate::api::Settings::group`]); absent: as it was set before.
    pub group: Option<Option<GroupName>>,
    /// How this machine wants to be delivered to; told at registration, and
    /// once after each start. Default: nothing is changed.
    pub policy: PolicyChange,
    /// The program `postern-proxy`, for whoever has no proxy yet: the one beside
    /// this program, or wherever the system finds it.
    pub proxy_program: PathBuf,
    /// Intervals and limits.
    pub timing: Timing,
}

impl EdgeConfig {
    /// The defaults, with the data in `data_dir` and secrets in `secrets`.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>, secrets: impl SecretStore) -> Self {
        Self {
            program: "Postern".into(),
            data_dir: data_dir.into(),
            receiver_bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tls: None,
            webhook_base: None,
            via: None,
            api: Some(ApiConfig::default()),
            clock: Arc::new(SystemClock),
            secrets: Arc::new(secrets),
            default_name: "this machine".into(),
            environment: None,
            catch_up: CatchUp::All,
            ordering: None,
            capabilities: None,
            group: None,
            policy: PolicyChange::default(),
            proxy_program: proxy_program(),
            timing: Timing::default(),
        }
    }
}

fn proxy_program() -> PathBuf {
    let name = format!("postern-proxy{}", std::env::consts::EXE_SUFFIX);
    let beside = std::env::current_exe().ok().map(|own| own.with_file_name(&name));
    beside.filter(|path| path.exists()).unwrap_or_else(|| name.into())
}

/// The local HTTP API's listener.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// Where; a loopback address. Default: 127.0.0.1, any free port.
    pub bind: SocketAddr,
    /// What answers paths outside `/api`: the web UI.
    pub ui: Option<axum::Router>,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self { bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), ui: None }
    }
}

/// A sign-in that the environment provides (`POSTERN_TOKEN`).
#[derive(Clone, Debug)]
pub struct EnvironmentToken {
    /// The workspace token.
    pub token: Secret,
    /// The proxy's base URL; by default the one signed in to last.
    pub proxy_url: Option<String>,
}

/// Intervals and limits. The defaults are the product's; tests shorten them.
#[derive(Clone, Debug)]
pub struct Timing {
    /// The shortest and longest wait between tries to reach the proxy.
    pub backoff: (Duration, Duration),
    /// How often to ask the proxy whether the ownership challenge held, at
    /// first; the interval doubles up to the longest backoff.
    pub challenge_poll: Duration,
    /// How long a call to the proxy may take.
    pub proxy_timeout: Duration,
    /// How long a request's head may take to arrive, and an idle connection stays.
    pub head_timeout: Duration,
    /// How long a delivery's body may take to arrive.
    pub body_timeout: Duration,
    /// The largest body accepted, in bytes.
    pub body_limit: usize,
    /// How long a forward target may take to answer.
    pub forward_timeout: Duration,
    /// How many events are forwarded at a time.
    pub forward_concurrency: usize,
    /// How long a replaced signing secret still verifies.
    pub secret_grace: Duration,
    /// How often to look whether this machine slept or changed networks.
    pub awake: Duration,
    /// How often to look whether a quiet canary is due.
    pub canary: Duration,
    /// How long things may take in the tunnel.
    pub tunnel: TunnelTiming,
    /// How long stopping may take before what remains is dropped.
    pub drain: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            backoff: (Duration::from_secs(1), Duration::from_secs(60)),
            challenge_poll: Duration::from_millis(100),
            proxy_timeout: Duration::from_secs(15),
            head_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            body_limit: 26 * 1024 * 1024,
            forward_timeout: Duration::from_secs(30),
            forward_concurrency: 16,
            secret_grace: Duration::from_secs(3600),
            awake: Duration::from_secs(1),
            canary: Duration::from_secs(1),
            tunnel: TunnelTiming::default(),
            drain: Duration::from_secs(10),
        }
    }
}
