//! The proxy as newcomers run it: `postern-proxy dev`.

use crate::{Process, Sender, binary};
use postern_protocol::Secret;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::OnceLock;
use tempfile::TempDir;

/// Where a proxy lives: its folder, and the port of its first start, which it
/// gets again after each restart. Programs started here are killed and
/// started again; what they kept stays.
#[derive(Debug)]
pub struct ProxyHome {
    folder: TempDir,
    address: OnceLock<SocketAddr>,
    settings: Vec<(&'static str, String)>,
}

impl ProxyHome {
    /// An empty folder.
    ///
    /// # Panics
    /// When there is no room for a temporary folder.
    #[must_use]
    pub fn new() -> Self {
        Self::within(&std::env::temp_dir())
    }

    /// An empty folder in `parent`, which may lie on a disk of its own.
    ///
    /// # Panics
    /// As [`ProxyHome::new`].
    #[must_use]
    pub fn within(parent: &Path) -> Self {
        Self {
            folder: tempfile::tempdir_in(parent).expect("a temporary folder can be made"),
            address: OnceLock::new(),
            settings: Vec::new(),
        }
    }

    /// The same, whose proxy has this setting: a variable of its environment.
    #[must_use]
    pub fn with(mut self, variable: &'static str, value: impl Into<String>) -> Self {
        self.settings.push((variable, value.into()));
        self
    }

    /// Where the proxy keeps its database.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("dev")
    }

    /// The folder that all programs started here have as their home.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts `postern-proxy dev`, on a free port the first time.
    ///
    /// # Panics
    /// When it does not come up.
    pub async fn dev(&self) -> ProxyProcess {
        let mut command = Process::command(&binary::proxy(), self.folder.path());
        let listen = self.address.get().map_or_else(|| "127.0.0.1:0".to_owned(), SocketAddr::to_string);
        command.args(["--json", "dev", "--listen", &listen, "--admin-listen", "127.0.0.1:0", "--dir"]);
        command.arg(self.data_dir());
        command.envs(self.settings.iter().map(|(variable, value)| (variable, value)));
        let process = Process::spawn(command);
        let described: Described =
            process.line("the first line", |line| serde_json::from_str(line).ok()).await;
        let address = address(&described.proxy_url);
        assert_eq!(*self.address.get_or_init(|| address), address, "a restarted proxy has its port again");
        let token = std::fs::read_to_string(&described.token_file).expect("the token's file can be read");
        ProxyProcess { process, token: Secret::new(token.trim()), described }
    }
}

fn address(url: &str) -> SocketAddr {
    let address = url.split_once("://").and_then(|(_, address)| address.parse().ok());
    address.expect("the proxy's address is a scheme, an IP address and a port")
}

impl Default for ProxyHome {
    fn default() -> Self {
        Self::new()
    }
}

/// What `dev` says of itself.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Described {
    proxy_url: String,
    token_file: PathBuf,
    sources: Vec<DescribedSource>,
}

#[derive(Debug, Deserialize)]
struct DescribedSource {
    name: String,
    url: String,
    secret: Secret,
}

/// A running `postern-proxy dev`. Dropped, it is killed.
#[derive(Debug)]
pub struct ProxyProcess {
    process: Process,
    token: Secret,
    described: Described,
}

impl ProxyProcess {
    /// Its base URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.described.proxy_url
    }

    /// Where it listens.
    ///
    /// # Panics
    /// When what it said of itself is no such address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        address(self.url())
    }

    /// Its workspace's token.
    #[must_use]
    pub fn token(&self) -> Secret {
        self.token.clone()
    }

    /// Where Linear posts to.
    #[must_use]
    pub fn source_url(&self) -> &str {
        &self.source("linear").url
    }

    /// What Linear signs with.
    #[must_use]
    pub fn source_secret(&self) -> Secret {
        self.source("linear").secret.clone()
    }

    /// What posts to it as GitHub does.
    #[must_use]
    pub fn github(&self) -> Sender {
        let source = self.source("github");
        Sender::github(&source.url, source.secret.clone())
    }

    /// The process itself.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Kills it as a power cut would.
    pub async fn kill_9(self) {
        self.process.kill_9().await;
    }

    /// Asks it to stop, and waits until it has.
    pub async fn stop(self) -> ExitStatus {
        self.process.stop().await
    }

    fn source(&self, name: &str) -> &DescribedSource {
        let source = self.described.sources.iter().find(|source| source.name == name);
        source.expect("dev makes a source for each of them")
    }
}
