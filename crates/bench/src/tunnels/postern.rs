//! Postern: `postern-proxy` and a worker that serves tunnels, both as they are
//! installed, with everything on.

use super::certificate::Certificate;
use super::visitor::Address;
use crate::options::Options;
use crate::process::Process;
use crate::proxy::Proxy;
use crate::{Result, beside};
use futures_util::future::try_join_all;
use http::Uri;
use postern_edge::Running;
use postern_edge::attach::Client;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::process::Command;

/// So much that no measurement reaches it, and it is counted all the same.
const TUNNEL: &str = "\
[tunnel]
domain = \"localhost\"
rate = 100000000
concurrency = 10000
";
/// Between two looks at whether tunnels are online, and for how long.
const LOOK: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(60);
/// Calls at once.
const AT_ONCE: usize = 16;

/// A proxy and workers that are connected to it.
pub(super) struct Postern {
    pub(super) proxy: Arc<Process>,
    pub(super) workers: Vec<Worker>,
    url: Uri,
    token: String,
    certificate: Option<Certificate>,
    _home: TempDir,
}

/// One of the workers.
pub(super) struct Worker {
    pub(super) process: Arc<Process>,
    client: Client,
    _home: TempDir,
}

impl Postern {
    /// Starts a proxy and one worker; with a certificate, everything goes over
    /// TLS.
    ///
    /// # Errors
    /// When they do not start.
    pub(super) async fn start(options: &Options, certificate: Option<Certificate>) -> Result<Self> {
        let home = options.folder()?;
        let mut settings = TUNNEL.to_owned();
        if let Some(Certificate { certificate, key, .. }) = &certificate {
            settings += &format!("[tls]\ncert_file = {certificate:?}\nkey_file = {key:?}\n");
        }
        let (proxy, mut workspaces) = Proxy::start(home.path(), &settings, 1).await?;
        let token = workspaces.pop().ok_or("the proxy has no workspace")?.token;
        let (workers, url, proxy) = (Vec::new(), proxy.url, Arc::new(proxy.process));
        let mut postern = Self { proxy, workers, url, token, certificate, _home: home };
        postern.employ(options).await?;
        Ok(postern)
    }

    /// Starts another worker.
    ///
    /// # Errors
    /// When it does not connect.
    pub(super) async fn employ(&mut self, options: &Options) -> Result<()> {
        let home = options.folder()?;
        let mut command = Command::new(beside("postern")?);
        command.args(["--json", "serve", "--ui-port", "0", "--via", "tunnel"]);
        command.stderr(std::process::Stdio::null()).env_remove("DBUS_SESSION_BUS_ADDRESS");
        command.env("HOME", home.path()).env("POSTERN_DATA_DIR", home.path().join("data"));
        command.env("POSTERN_PROXY", self.url.to_string().trim_end_matches('/'));
        command.env("POSTERN_TOKEN", &self.token);
        if let Some(Certificate { certificate, .. }) = &self.certificate {
            command.env("SSL_CERT_FILE", certificate);
        }
        let mut process = Process::start(command)?;
        loop {
            let line: Value = serde_json::from_str(&process.line().await?)?;
            if line["connection"]["state"] == "live" {
                break;
            }
        }
        let client = attach(home.path()).await?;
        self.workers.push(Worker { process: Arc::new(process), client, _home: home });
        Ok(())
    }

    /// The proxy and its workers.
    pub(super) fn ends(&self) -> Vec<Arc<Process>> {
        let workers = self.workers.iter().map(|worker| &worker.process);
        std::iter::once(&self.proxy).chain(workers).cloned().collect()
    }

    /// Where a name's visitors go.
    ///
    /// # Errors
    /// None with the URL that a proxy says.
    pub(super) fn address(&self, name: &str) -> Result<Address> {
        let tls = self.certificate.as_ref().map(|certificate| certificate.trusting.clone());
        let socket = self.url.authority().ok_or("the proxy's URL has no host")?.as_str().parse()?;
        Ok(Address { socket, host: format!("{name}.localhost"), tls })
    }
}

impl Worker {
    /// Has these names lead to a port of this machine; returns when all are
    /// online.
    ///
    /// # Errors
    /// When one is refused.
    pub(super) async fn lead(&self, names: &[String], port: u16, inspect: bool) -> Result<()> {
        for some in names.chunks(AT_ONCE) {
            let settings = json!({ "target": port.to_string(), "inspect": inspect });
            let add = |name| self.client.call("add_tunnel", json!({ "name": name, "settings": settings }));
            try_join_all(some.iter().map(add)).await?;
        }
        let since = Instant::now();
        loop {
            let all = self.client.call("tunnels", Value::Null).await?;
            let mut all = all["tunnels"].as_array().into_iter().flatten();
            if all.all(|tunnel| tunnel["state"]["state"] == "online") {
                return Ok(());
            }
            if since.elapsed() > PATIENCE {
                return Err("the tunnels do not come online".into());
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

async fn attach(home: &Path) -> Result<Client> {
    let data = home.join("data");
    let running = Running::find(&data)?.ok_or("the worker has ended")?;
    Ok(Client::attach(&data, running).await?.ok_or("the worker has ended")?)
}
