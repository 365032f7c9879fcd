//! The edge as its users run it: `postern serve`, and `postern`'s other
//! commands beside it; or in this process ([`EdgeInProcess`]), where its clock
//! and its address can be handed in.

mod in_process;

pub use in_process::EdgeInProcess;

use crate::{Process, binary, within};
use postern_protocol::Secret;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// One machine: a home, a data folder, a token, a proxy. Programs are started
/// on it and killed; what it holds stays until it is dropped.
#[derive(Debug)]
pub struct Machine {
    home: tempfile::TempDir,
    token: Option<Secret>,
    proxy: Option<String>,
    variables: Vec<(&'static str, String)>,
}

impl Machine {
    /// A machine on which nobody has signed in.
    ///
    /// # Panics
    /// When there is no room for a temporary folder.
    #[must_use]
    pub fn new() -> Self {
        Self::within(&std::env::temp_dir())
    }

    /// The same with its home in `parent`, which may lie on a disk of its own.
    ///
    /// # Panics
    /// As [`Machine::new`].
    #[must_use]
    pub fn within(parent: &Path) -> Self {
        let home = tempfile::tempdir_in(parent).expect("a temporary folder can be made");
        Self { home, token: None, proxy: None, variables: Vec::new() }
    }

    /// The home of all programs started here.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.home.path()
    }

    /// With `POSTERN_TOKEN` and `POSTERN_PROXY` set.
    #[must_use]
    pub fn signed_in(self, proxy: impl Into<String>, token: Secret) -> Self {
        Self { token: Some(token), proxy: Some(proxy.into()), ..self }
    }

    /// The same with this variable in the environment of every program.
    #[must_use]
    pub fn with(mut self, variable: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((variable, value.into()));
        self
    }

    /// The edge's data folder.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// A command of `postern` on this machine, with its JSON output.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_of(&binary::postern(), arguments)
    }

    /// The same with a given executable of `postern`.
    #[must_use]
    pub fn command_of(&self, postern: &Path, arguments: &[&str]) -> Command {
        let mut command = Process::command(postern, self.home.path());
        command.args(arguments).env("POSTERN_DATA_DIR", self.data_dir());
        command.envs(self.variables.iter().map(|(variable, value)| (variable, value)));
        if let Some(token) = &self.token {
            command.env("POSTERN_TOKEN", token.reveal());
        }
        if let Some(proxy) = &self.proxy {
            command.env("POSTERN_PROXY", proxy);
        }
        command
    }

    /// Runs a command of `postern` with `--json` and returns what it printed.
    ///
    /// # Panics
    /// When it fails, or prints no JSON.
    pub async fn ask(&self, arguments: &[&str]) -> Value {
        let (status, out, err) = Self::run(self.command(&[&["--json"], arguments].concat())).await;
        assert!(status.success(), "postern {} failed ({status}): {err}", arguments.join(" "));
        serde_json::from_str(&out).unwrap_or_else(|error| {
            panic!("postern {} printed no JSON ({error}): {out}", arguments.join(" "))
        })
    }

    /// Runs a command to its end: status, standard output, standard error.
    ///
    /// # Panics
    /// When it cannot be started, or does not end before the deadline.
    pub async fn run(command: Command) -> (ExitStatus, String, String) {
        Self::run_with_input(command, "").await
    }

    /// The same, with something to read on standard input.
    ///
    /// # Panics
    /// As [`Machine::run`].
    pub async fn run_with_input(mut command: Command, input: &str) -> (ExitStatus, String, String) {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let what = format!("{:?} to end", command.as_std().get_args());
        let mut child = command.spawn().expect("postern can be started");
        let mut stdin = child.stdin.take().expect("standard input is piped");
        // It may end without reading: what it prints is what counts.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        let output = within(&what, child.wait_with_output()).await.expect("a child can be waited for");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (output.status, text(output.stdout), text(output.stderr))
    }

    /// Starts `postern serve` on free ports.
    ///
    /// # Panics
    /// When it does not come up.
    pub async fn serve(&self) -> EdgeProcess {
        self.serve_with(&[]).await
    }

    /// The same with further options.
    ///
    /// # Panics
    /// As [`Machine::serve`].
    pub async fn serve_with(&self, options: &[&str]) -> EdgeProcess {
        let serve = ["--json", "-v", "serve", "--ui-port", "0"];
        let process = Process::spawn(self.command(&[&serve, options].concat()));
        let started = process.line("the first line", |line| serde_json::from_str::<Value>(line).ok()).await;
        let url = |key: &str| started[key].as_str().expect("the first line has its addresses").to_owned();
        EdgeProcess { url: url("url"), api_url: url("apiUrl"), process }
    }
}

impl Default for Machine {
    fn default() -> Self {
        Self::new()
    }
}

/// A running `postern serve`. Dropped, it is killed.
#[derive(Debug)]
pub struct EdgeProcess {
    url: String,
    api_url: String,
    process: Process,
}

impl EdgeProcess {
    /// The interface's address, with the token that opens it once.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The local API's base URL.
    #[must_use]
    pub fn api_url(&self) -> &str {
        &self.api_url
    }

    /// The process itself.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Waits until the edge has been live once.
    ///
    /// # Panics
    /// When it is not before the deadline.
    pub async fn live(&self) {
        let live = |line: &str| {
            let line: Value = serde_json::from_str(line).ok()?;
            (line["connection"]["state"] == "live").then_some(())
        };
        self.process.line("a live connection", live).await;
    }

    /// Kills it as a power cut would.
    pub async fn kill_9(self) {
        self.process.kill_9().await;
    }

    /// Asks it to stop, and waits until it has.
    pub async fn stop(self) -> ExitStatus {
        self.process.stop().await
    }

    /// The same, with everything it printed.
    pub async fn stop_with_log(self) -> (ExitStatus, String) {
        self.process.stop_with_log().await
    }
}
