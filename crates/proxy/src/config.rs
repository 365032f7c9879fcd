//! What can be set, and where from: the embedded default file, the file given
//! with `--config`, the environment, options. The only reader of the
//! environment.
//!
//! Each concern validates itself; a bad setting ends the program with one
//! sentence that names the key, the value and the cure.

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use postern_protocol::Secret;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;

mod delivery;
mod error;
mod limits;
mod linear;
mod log;
mod network;
mod registration;
mod retention;
mod tls;
mod tunnel;
mod units;

pub use delivery::{CircuitSettings, Delivery};
pub use error::ConfigError;
pub use limits::Limits;
pub use linear::Linear;
pub use log::{Log, LogFormat};
pub use network::Network;
pub use registration::Registration;
pub use retention::Retention;
pub use tls::Tls;
pub use tunnel::Tunnel;
pub(crate) use units::parse_duration;

/// The default file, as `config print-default` prints it.
pub const DEFAULT_FILE: &str = include_str!("../config.default.toml");

/// The proxy's settings, checked.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where providers, edges and workspace clients come in.
    pub listen: SocketAddr,
    /// Health and metrics.
    pub admin_listen: SocketAddr,
    /// The address under which providers reach [`Config::listen`].
    #[serde(default, deserialize_with = "units::url")]
    pub public_url: Option<Url>,
    #[serde(default)]
    data_dir: Option<PathBuf>,
    #[serde(default)]
    database: Option<PathBuf>,
    #[serde(default)]
    master_key: Option<Secret>,
    #[serde(default)]
    master_key_file: Option<PathBuf>,
    /// How long requests and deliveries under way may take to finish.
    #[serde(deserialize_with = "units::duration")]
    pub drain: Duration,
    /// The public listener's TLS.
    pub tls: Tls,
    /// What is taken in.
    pub limits: Limits,
    /// How deliveries are made.
    pub delivery: Delivery,
    /// Who may register.
    pub registration: Registration,
    /// How tunnels are watched over.
    pub tunnel: Tunnel,
    /// Where Linear is asked who holds a key.
    pub linear: Linear,
    /// How long things are kept.
    pub retention: Retention,
    /// What is logged.
    pub log: Log,
}

/// Settings given as options; they win over all others.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Overrides {
    /// `--listen`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// `--admin-listen`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_listen: Option<SocketAddr>,
    /// `--data-dir`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_dir: Option<PathBuf>,
    /// `registration.allow_loopback`, which `dev` turns on.
    #[serde(
        rename = "registration",
        skip_serializing_if = "std::ops::Not::not",
        serialize_with = "loopback"
    )]
    pub allow_loopback: bool,
}

fn loopback<S: serde::Serializer>(allow: &bool, s: S) -> Result<S::Ok, S::Error> {
    s.collect_map([("allow_loopback", allow)])
}

/// Keys the environment may set: other POSTERN_ variables are other programs'.
const KEYS: [&str; 16] = [
    "listen",
    "admin_listen",
    "public_url",
    "data_dir",
    "database",
    "master_key",
    "master_key_file",
    "drain",
    "tls",
    "limits",
    "delivery",
    "registration",
    "tunnel",
    "linear",
    "retention",
    "log",
];

impl Config {
    /// Reads and checks the settings.
    ///
    /// # Errors
    /// For the first setting that cannot be used.
    pub fn load(file: Option<&Path>, overrides: &Overrides) -> Result<Self, ConfigError> {
        let mut figment = Figment::from(Toml::string(DEFAULT_FILE));
        if let Some(path) = file {
            let text = std::fs::read_to_string(path)
                .map_err(|source| ConfigError::File { path: path.to_owned(), source })?;
            figment = figment.merge(NamedToml { path: path.to_owned(), text });
        }
        let environment = Env::prefixed("POSTERN_")
            .filter(|key| {
                KEYS.contains(&key.as_str().to_ascii_lowercase().split("__").next().unwrap_or_default())
            })
            .split("__");
        Self::from_figment(&figment.merge(environment).merge(Serialized::globals(overrides)))
    }

    /// The defaults alone: no file, no environment.
    ///
    /// # Errors
    /// Never with the embedded file; a test sees to that.
    pub fn defaults() -> Result<Self, ConfigError> {
        Self::from_toml("")
    }

    /// The defaults with these settings over them, the environment left out:
    /// for tests and embedding.
    ///
    /// # Errors
    /// For the first setting that cannot be used.
    pub fn from_toml(settings: &str) -> Result<Self, ConfigError> {
        Self::from_figment(&Figment::from(Toml::string(DEFAULT_FILE)).merge(Toml::string(settings)))
    }

    fn from_figment(figment: &Figment) -> Result<Self, ConfigError> {
        let config: Self = figment.extract().map_err(|error| ConfigError::new(error, figment))?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        if let Some(url) = &self.public_url {
            let plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
            if !matches!(url.scheme(), "http" | "https") || !url.has_host() || !plain {
                return Err(ConfigError::invalid(
                    "public_url",
                    url,
                    "write https:// and a host, without a path",
                ));
            }
        }
        if self.listen == self.admin_listen && self.listen.port() != 0 {
            let cure = "it is `listen` too: choose another port";
            return Err(ConfigError::invalid("admin_listen", self.admin_listen, cure));
        }
        self.tls.check()?;
        self.limits.check()?;
        self.delivery.check()?;
        self.registration.check(self.listen)?;
        self.tunnel.check()?;
        self.linear.check()?;
        self.retention.check()?;
        self.log.check()
    }

    /// The address under which the proxy is reached, without a slash at its
    /// end: `public_url`, or the address listened on.
    #[must_use]
    pub fn base_url(&self, listen: SocketAddr) -> String {
        match &self.public_url {
            Some(url) => url.as_str().trim_end_matches('/').to_owned(),
            None => self.listener_url(listen),
        }
    }

    /// The URL of the public listener itself.
    #[must_use]
    pub fn listener_url(&self, listen: SocketAddr) -> String {
        let scheme = if self.tls.files().is_some() { "https" } else { "http" };
        format!("{scheme}://{listen}")
    }

    /// Where the database and the master key live.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.data_dir.clone().unwrap_or_else(|| state_home().join("postern-proxy"))
    }

    /// The SQLite database.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.database.clone().unwrap_or_else(|| self.data_dir().join("postern.db"))
    }

    /// Where the key that seals secrets comes from.
    #[must_use]
    pub fn master_key(&self) -> MasterKey {
        match &self.master_key {
            Some(key) => MasterKey::Text(key.clone()),
            None => MasterKey::File(
                self.master_key_file.clone().unwrap_or_else(|| self.data_dir().join("master.key")),
            ),
        }
    }
}

/// Where the master key comes from.
#[derive(Clone, Debug)]
pub enum MasterKey {
    /// From `POSTERN_MASTER_KEY`: base64.
    Text(Secret),
    /// From a file, which is made when there is none.
    File(PathBuf),
}

/// Where programs keep their state: `$XDG_STATE_HOME`, or `~/.local/state`.
#[expect(clippy::disallowed_methods, reason = "the configuration is where the environment is read")]
#[must_use]
pub fn state_home() -> PathBuf {
    let absolute = |name| std::env::var(name).ok().map(PathBuf::from).filter(|p| p.is_absolute());
    absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .unwrap_or_else(|| PathBuf::from("/var/lib"))
}

/// A TOML file under its own name in errors, read already.
struct NamedToml {
    path: PathBuf,
    text: String,
}

impl figment::Provider for NamedToml {
    fn metadata(&self) -> figment::Metadata {
        figment::Metadata::from("file", self.path.as_path())
    }

    fn data(&self) -> Result<figment::value::Map<figment::Profile, figment::value::Dict>, figment::Error> {
        Toml::string(&self.text).data()
    }
}

#[cfg(test)]
mod tests;
