//! A proxy on this machine for whoever has none yet: the program `postern-proxy`
//! in its development mode, in a folder of its own beside the history. It
//! belongs to this edge: it runs while somebody is signed in to it here, comes
//! back with the edge on the port it had, and is started anew should it end.

use crate::api::ApiError;
use crate::private_file;
use crate::profiles::Profiles;
use crate::proxy_client::base_url;
use postern_protocol::{ErrorCode, Secret};
use serde::Deserialize;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, MutexGuard};
use tokio_util::sync::CancellationToken;

/// How long it may take to come up.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long it may take to end in order.
const DRAIN: Duration = Duration::from_secs(5);
/// How often to look whether it is there.
const LOOK: Duration = Duration::from_secs(2);
/// The environment that is ours and not the proxy's.
const OURS: [&str; 5] =
    ["POSTERN_TOKEN", "POSTERN_PROXY", "POSTERN_DATA_DIR", "POSTERN_PROFILE", "POSTERN_CONFIG"];

/// The proxy of this edge, whether it runs or not.
#[derive(Debug)]
pub(crate) struct LocalProxy {
    program: PathBuf,
    dir: PathBuf,
    child: Mutex<Option<Child>>,
}

/// Held while somebody signs in: the proxy is not ended for want of anybody.
pub(crate) type Held<'p> = MutexGuard<'p, Option<Child>>;

/// What the program says of itself on its first line.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Started {
    proxy_url: String,
    token_file: PathBuf,
}

impl LocalProxy {
    pub(crate) fn new(program: PathBuf, data_dir: &Path) -> Self {
        Self { program, dir: data_dir.join("local-proxy"), child: Mutex::default() }
    }

    /// Starts it unless it runs, and says where it is, with a token for it.
    ///
    /// # Errors
    /// `request.unsupported` where the program is not to be had; `unavailable`,
    /// in its words, when it does not come up.
    pub(crate) async fn start(&self) -> Result<(Held<'_>, String, Secret), ApiError> {
        let mut child = self.child.lock().await;
        if !runs(&mut child) {
            *child = Some(self.spawn().await?);
        }
        let failed = |error: io::Error| self.failed(&error.to_string());
        let url = self.url().ok_or_else(|| self.failed("its address was not kept"))?;
        let token = fs::read_to_string(self.dir.join("token")).map_err(failed)?;
        Ok((child, url, Secret::new(token.trim())))
    }

    /// Keeps it running for as long as somebody is signed in to it, until `stop`.
    pub(crate) async fn run(self: Arc<Self>, profiles: Arc<Profiles>, stop: CancellationToken) {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = looks.tick() => {}
                () = stop.cancelled() => break,
            }
            let Some(url) = self.url() else { continue };
            let wanted = || {
                profiles
                    .find(|account| account.profile().is_some_and(|profile| profile.proxy_url == url))
                    .is_some()
            };
            // Somebody signs in just now.
            let Ok(mut child) = self.child.try_lock() else { continue };
            match (wanted(), runs(&mut child)) {
                (true, false) => match self.spawn().await {
                    Ok(started) => {
                        *child = Some(started);
                        profiles.all().iter().for_each(|slot| slot.wake_up());
                    }
                    Err(error) => tracing::warn!(%error, "this machine's own proxy does not start"),
                },
                (false, true) => end(&mut child).await,
                _ => {}
            }
        }
        end(&mut *self.child.lock().await).await;
    }

    /// Where it was last.
    fn url(&self) -> Option<String> {
        fs::read_to_string(self.dir.join("address")).ok()
    }

    async fn spawn(&self) -> Result<Child, ApiError> {
        let failed = |error: io::Error| self.failed(&error.to_string());
        private_file::make_dir(&self.dir).map_err(failed)?;
        let log = fs::File::create(self.dir.join("proxy.log")).map_err(failed)?;
        let port = self.url().and_then(|url| url::Url::parse(&url).ok()?.port()).unwrap_or(0);
        let mut command = Command::new(&self.program);
        command
            .args(["--json", "dev", "--until-eof", "--admin-listen", "127.0.0.1:0", "--listen"])
            .arg(format!("127.0.0.1:{port}"))
            .arg("--dir")
            .arg(&self.dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true);
        OURS.iter().for_each(|name| {
            command.env_remove(name);
        });
        let mut child = command.spawn().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                let message = "the program postern-proxy is not on this machine: install it, or sign in to a proxy elsewhere";
                ApiError::new(ErrorCode::Unsupported, message)
            }
            _ => failed(error),
        })?;
        let Some(out) = child.stdout.take() else { return Err(self.failed("it says nothing")) };
        let mut lines = BufReader::new(out).lines();
        let first = tokio::time::timeout(PATIENCE, lines.next_line()).await;
        let first = first.map_err(|_| self.failed("it did not come up in time"))?.map_err(failed)?;
        let Some(first) = first else {
            let log = fs::read_to_string(self.dir.join("proxy.log")).unwrap_or_default();
            let last = log.lines().rev().find(|line| !line.trim().is_empty());
            return Err(self.failed(last.unwrap_or("it ended at once")));
        };
        let started: Started =
            serde_json::from_str(&first).map_err(|_| self.failed("it is of another version"))?;
        let url = base_url(&started.proxy_url)?;
        if started.token_file.file_name() != Some("token".as_ref()) {
            return Err(self.failed("it is of another version"));
        }
        private_file::replace(&self.dir.join("address"), url.as_bytes()).map_err(failed)?;
        tracing::info!(url, "this machine's own proxy runs");
        Ok(child)
    }

    fn failed(&self, why: &str) -> ApiError {
        let log = self.dir.join("proxy.log");
        let message = format!("a proxy on this machine could not be started: {why} (see {})", log.display());
        ApiError::new(ErrorCode::Unavailable, message)
    }
}

fn runs(child: &mut Option<Child>) -> bool {
    child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
}

/// Closes its input, by which it ends in order; it would so, too, were this
/// process killed.
async fn end(child: &mut Option<Child>) {
    let Some(mut child) = child.take() else { return };
    drop(child.stdin.take());
    if tokio::time::timeout(DRAIN, child.wait()).await.is_ok() {
        return;
    }
    // What it has committed is on its disk: nothing is lost by that.
    if let Err(error) = child.kill().await {
        tracing::warn!(%error, "this machine's own proxy could not be ended");
    }
}
